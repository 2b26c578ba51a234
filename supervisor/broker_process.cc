#include "supervisor/broker_process.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sandbox/base/fd_channel.h"
#include "sandbox/base/own_descriptors.h"
#include "sandbox/base/raw_log.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/landlock_uapi.h"
#include "sandbox/seccomp_filter.h"
#include "sandbox/walls.h"
#include "supervisor/broker_process_state.h"
#include "supervisor/counters_file.h"
#include "supervisor/session_domains.h"
#include "supervisor/session_identity.h"

namespace sessionctl {
namespace {

sigset_t SignalSet(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  return set;
}

}  // namespace

// The terminal's signals are the command's business. SIGTERM ends the session: it is also what
// comes when the parent dies.
void BrokerProcess::BlockSignals() {
  sigset_t blocked = SignalSet(
      {SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGHUP, SIGPIPE, SIGTERM, SIGCHLD, SIGUSR1});
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
  sigset_t served = SignalSet({SIGTERM, SIGCHLD});
  signals_.Reset(signalfd(-1, &served, SFD_CLOEXEC));
  DieWithParent();
  prctl(PR_SET_NAME, "session-broker");
}

// Again after each change of credentials: the kernel forgets it then (commit_creds).
void BrokerProcess::DieWithParent() const {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent_) _exit(kOwnFailure);
}

// The parent's descriptors (its lock, its state) are not the broker's.
void BrokerProcess::CloseInherited() const {
  std::vector<int> keep = {events_.get(),         signals_.get(),       options_.audit_fd,
                           options_.stdin_fd,     options_.stdout_fd,   options_.stderr_fd,
                           options_.terminals_fd, options_.init_channel};
  const std::vector<int>& kept = policy_.policy.process.keep_fds;
  keep.insert(keep.end(), kept.begin(), kept.end());
  if (cgroup_ != nullptr) {
    const std::vector<int> descriptors = cgroup_->descriptors();
    keep.insert(keep.end(), descriptors.begin(), descriptors.end());
  }
  std::sort(keep.begin(), keep.end());
  CloseAllBut(keep);
}

// Broker and session share them: the broker needs nobody's objects, and may make those of the
// session. What it needs of the host is held before.
absl::Status BrokerProcess::EnterNamespaces() {
  HoldOwnDescriptors();  // without, the same goes by absolute paths
  memory_ = FindOwnMemory();
  SysResult<OwnedFd> proc = OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY);
  if (!proc.ok()) {
    return absl::FailedPreconditionError(absl::StrCat("/proc: ", strerror(proc.error())));
  }
  if (options_.terminals_fd >= 0) {
    SysResult<OwnedFd> terminals = OpenAt(AT_FDCWD, "/dev/pts", O_PATH | O_DIRECTORY);
    if (terminals.ok()) terminals_ = std::move(*terminals);  // else none of them is opened anew
  }
  if (absl::Status scored = TakeOomScore(policy_); !scored.ok()) return scored;
  if (absl::Status entered = namespaces_.Enter(memory_, &policy_); !entered.ok()) return entered;
  DieWithParent();
  if (OwnedFd own_view = namespaces_.TakeView(); own_view.valid()) {
    const BrokerEvent event = MakeEvent(BrokerEvent::Kind::kView);
    const int fd = own_view.get();
    SysStatus sent = SendWithDescriptors(events_.get(), &event, sizeof(event), &fd, 1);
    if (!sent.ok()) return absl::InternalError(absl::StrCat("events: ", strerror(sent.error())));
  }
  absl::StatusOr<SessionView> view = SessionView::Create(
      policy_, std::move(*proc), namespaces_.process_ids(), namespaces_.TakeUppers());
  if (!view.ok()) return view.status();
  view_ = std::make_unique<SessionView>(*std::move(view));
  return absl::OkStatus();
}

absl::Status BrokerProcess::CompileFilters() {
  FilterCache& filters = options_.filters != nullptr ? *options_.filters : own_filters_;
  absl::StatusOr<const std::vector<sock_filter>*> filter = filters.Get(policy_.filter);
  if (!filter.ok()) return filter.status();
  filter_ = *filter;
  absl::StatusOr<const std::vector<sock_filter>*> own = filters.Get(policy_.broker_filter);
  if (!own.ok()) return own.status();
  own_filter_ = *own;
  return absl::OkStatus();
}

absl::Status BrokerProcess::Prepare() {
  CloseInherited();
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    return absl::InternalError(absl::StrCat("PR_SET_CHILD_SUBREAPER: ", strerror(errno)));
  }
  // Keys of the caller are not the session's, which would find them in a /proc/keys that the broker
  // opens for it. A user has a quota of keyrings, and who may not use keys needs none.
  (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr, 0, 0, 0);
  // The broker's own, opened and looked at before there is a session (trap 53).
  SysResult<OwnedFd> null = OpenAt(AT_FDCWD, "/dev/null", O_RDWR | O_NOFOLLOW);
  SysResult<struct stat> null_info = null.ok() ? Fstat(null->get()) : Errno(null.error());
  if (!null_info.ok() || null_info->st_rdev != makedev(1, 3)) {
    return absl::FailedPreconditionError("/dev/null is not the null device");
  }
  null_ = std::move(*null);
  if (options_.counters != nullptr) KeepFromSession(options_.counters);
  if (absl::Status entered = EnterNamespaces(); !entered.ok()) return entered;
  if (absl::Status compiled = CompileFilters(); !compiled.ok()) return compiled;
  if (options_.audit_fd >= 0 && policy_.policy.audit != AuditLevel::kOff) {
    audit_ =
        std::make_unique<AuditLog>(options_.audit_fd, policy_.policy.audit, options_.session_id);
  }
  stdout_fd_ = options_.stdout_fd;
  stderr_fd_ = options_.stderr_fd;
  std::function<SessionEnd()> look_at_mounts;
  if (view_->HasQuotas()) look_at_mounts = [this] { return LookAtMounts(); };
  limits_ = std::make_unique<SessionLimits>(policy_.limits, view_->proc(), cgroup_,
                                            std::move(look_at_mounts));
  if (SysStatus output = limits_->InterposeOutput(&stdout_fd_, &stderr_fd_); !output.ok()) {
    return absl::InternalError(absl::StrCat("limits.output: ", strerror(output.error())));
  }
  return EnterDomain();
}

SessionEnd BrokerProcess::LookAtMounts() const {
  const MountView* const exceeded = view_->ExceededMount();
  if (exceeded == nullptr) return SessionEnd::kNone;
  return exceeded->overlay != nullptr ? SessionEnd::kOverlaySize : SessionEnd::kMaxBytes;
}

absl::Status BrokerProcess::AssumeIdentity() {
  if (absl::Status taken = TakeIdentity(policy_, view_.get()); !taken.ok()) return taken;
  DieWithParent();
  return absl::OkStatus();
}

// Both rulesets are made before the first is enforced: inside it, not every grant can be opened any
// more. Where the session has process ids of its own, the command is made by who may enter them,
// and so before the broker gives up what it does not keep (ForkCommand).
absl::Status BrokerProcess::EnterDomain() {
  if (!namespaces_.has_private_view()) {
    if (absl::Status assumed = AssumeIdentity(); !assumed.ok()) return assumed;
  }
  if (policy_.session_domain.handled_fs == 0) return absl::OkStatus();  // best_effort, no Landlock
  absl::StatusOr<SessionRulesets> rulesets =
      MakeRulesets(policy_.session_domain, policy_.broker_domain, *view_);
  if (!rulesets.ok()) return rulesets.status();
  session_ruleset_ = std::make_unique<LandlockRuleset>(std::move(rulesets->session));
  LandlockRuleset& broker = rulesets->broker;
  if (namespaces_.has_private_view()) {
    const uint64_t read = landlock::kFsReadFile | landlock::kFsReadDir;
    const uint64_t handled = policy_.broker_domain.handled_fs;
    if (absl::Status added = broker.Allow(view_->proc(), read & handled); !added.ok()) {
      return added;
    }
  }
  for (const MountView& mount : view_->mounts()) {
    if (mount.overlay == nullptr) continue;
    const uint64_t list = landlock::kFsReadDir & policy_.broker_domain.handled_fs;
    if (absl::Status added = broker.Allow(mount.overlay->upper(), list); !added.ok()) {
      return added;
    }
  }
  if (!kWalls.broker_landlock) return absl::OkStatus();
  if (SysStatus restricted = broker.RestrictSelf(); !restricted.ok()) {
    return absl::InternalError(
        absl::StrCat("entering the broker's Landlock domain: ", strerror(restricted.error())));
  }
  return absl::OkStatus();
}

void BrokerProcess::Serve() {
  std::array<pollfd, 3> sources = {
      pollfd{.fd = signals_.get(), .events = POLLIN},
      pollfd{.fd = limits_->events_fd(), .events = POLLIN},
      pollfd{.fd = hears_parent_ ? events_.get() : -1, .events = POLLIN}};
  if (poll(sources.data(), sources.size(), limits_->Timeout()) < 0) return;  // EINTR
  if (sources[0].revents != 0) ServeSignals();
  if (sources[2].revents != 0) HearParent();
  if (limits_->Check(mediator_->calls())) EndSession(SIGKILL);
}

void BrokerProcess::ServeSignals() {
  signalfd_siginfo info;
  if (read(signals_.get(), &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) return;
  if (info.ssi_signo == SIGTERM) EndSession(SIGKILL);
  ReapChildren();
}

void BrokerProcess::ReapChildren() {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED | __WALL)) > 0) {
    if (pid == namespaces_.reaper()) EndSession(SIGKILL);  // with it, everybody has ended
    if (pid == init_ && (WIFEXITED(status) || WIFSIGNALED(status))) limits_->Exempt(init_ = -1);
    if (pid != command_) continue;  // an orphan of the session
    if (WIFEXITED(status) || WIFSIGNALED(status)) EndSession(status);
    BrokerEvent event =
        MakeEvent(WIFSTOPPED(status) ? BrokerEvent::Kind::kStopped : BrokerEvent::Kind::kContinued);
    event.pid = command_;
    event.wait_status = status;
    Send(event);
  }
}

void BrokerProcess::EndSession(int wait_status) {
  limits_->Kill();
  if (!namespaces_.End()) KillDescendants();
  limits_->DrainOutput(signals_.get());
  if (getppid() != parent_) RemoveForParent();
  BrokerEvent event = MakeEvent(BrokerEvent::Kind::kExited);
  event.pid = command_;
  event.wait_status = wait_status;
  event.ended = limits_->ended();
  limits_->MeasureUse(&event.cpu_user, &event.cpu_system, &event.peak_memory);
  Send(event);
  _exit(0);
}

void BrokerProcess::RemoveForParent() const {
  for (const MountView& mount : view_->mounts()) {
    if (mount.rules->is_shared_memory) EmptySharedMemory(mount.root.fd());
  }
}

void BrokerProcess::FailStart(int exit_code, const std::string& message) {
  if (!namespaces_.End()) KillDescendants();
  BrokerEvent event = MakeEvent(BrokerEvent::Kind::kStartFailed);
  event.exit_code = exit_code;
  snprintf(event.message, sizeof(event.message), "%s", message.c_str());
  Send(event);
  _exit(kOwnFailure);
}

BrokerEvent BrokerProcess::MakeEvent(BrokerEvent::Kind kind) const {
  BrokerEvent event = {};
  event.kind = kind;
  if (mediator_ != nullptr) {
    event.mediated_calls = mediator_->calls();
    event.denials = mediator_->denials();
  }
  return event;
}

void BrokerProcess::Send(const BrokerEvent& event) const {
  if (send(events_.get(), &event, sizeof(event), MSG_NOSIGNAL) < 0) RawLog("broker: send", errno);
}

void RunBroker(const BrokerOptions& options, BrokerInheritance inherited) {
  BrokerProcess(options, std::move(inherited)).Run();
}

}  // namespace sessionctl
