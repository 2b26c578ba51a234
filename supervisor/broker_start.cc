// How the broker starts the command: forks it, takes the listener from it, and lets it execute.
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sandbox/base/fd_channel.h"
#include "sandbox/base/raw_log.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/notifier.h"
#include "supervisor/broker_fence.h"
#include "supervisor/broker_process_state.h"
#include "supervisor/session_identity.h"
#include "supervisor/session_init.h"

namespace sessionctl {
namespace {

// What the session may write is no limit of the broker's own log. Only after the command was
// forked: it keeps the limits that it was given.
void RaiseOwnLimits() {
  rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  signal(SIGXFSZ, SIG_IGN);  // EFBIG is answer enough
}

}  // namespace

void BrokerProcess::StartSession() {
  int channel[2];
  int status[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0 ||
      pipe2(status, O_CLOEXEC) != 0) {
    FailStart(kOwnFailure, absl::StrCat("socketpair: ", strerror(errno)));
  }
  LaunchPlan plan(ProgramPaths(options_.argv[0], options_.environment), options_.argv,
                  options_.environment);
  plan.stdio[0] = options_.stdin_fd;
  plan.stdio[1] = stdout_fd_;
  plan.stdio[2] = stderr_fd_;
  plan.keep_fds = policy_.policy.process.keep_fds;
  plan.working_directory = policy_.working_directory;
  plan.own_terminal_session = !options_.foreground;
  plan.signal_mask = mask_;
  PlanAttributes(policy_, &plan);
  plan.limits = policy_.limits.resources;
  plan.ruleset = session_ruleset_.get();
  plan.filter = filter_;
  plan.channel = channel[1];
  plan.lend_listener = policy_.network.sends_mediated;
  plan.status = status[1];
  plan.controlling_terminal = options_.terminal;
  plan.null = null_.get();
  plan.init_channel = options_.init_channel;
  if (options_.init_channel >= 0) {
    plan.run_init = RunSessionInit;
    plan.memory = memory_;
  }
  ForkCommand(plan);
  if (options_.foreground) setpgid(0, 0);  // out of the terminal's foreground group
  close(channel[1]);
  close(status[1]);
  TakeListener(channel[0]);
  AwaitExec(status[0], channel[0]);
  close(channel[0]);
  close(status[0]);
}

// Into the session's cgroup. Where the broker may not move processes any more (it has given up the
// right of root), the child enters it by the descriptor of whoever made it.
SysResult<pid_t> BrokerProcess::Fork(LaunchPlan& plan) const {
  if (cgroup_ != nullptr && !namespaces_.has_private_view()) {
    SysResult<pid_t> forked = ForkIntoCgroup(cgroup_->fd());
    if (forked.ok()) return forked;
  }
  plan.cgroup_procs = cgroup_ != nullptr ? cgroup_->procs_fd() : -1;
  if (namespaces_.has_private_view()) {
    return namespaces_.Fork([this] { return AssumePrivileges(PlanPrivileges(policy_.identity)); },
                            [&plan] { plan.RunChild(); });
  }
  const pid_t pid = fork();
  return pid < 0 ? SysResult<pid_t>(LastErrno()) : pid;
}

void BrokerProcess::ForkCommand(LaunchPlan& plan) {
  SysResult<pid_t> forked = Fork(plan);
  if (!forked.ok()) FailStart(kOwnFailure, absl::StrCat("fork: ", strerror(forked.error())));
  if (*forked == 0) plan.RunChild();
  command_ = *forked;
  if (!namespaces_.has_private_view()) return;
  if (absl::Status assumed = AssumeIdentity(); !assumed.ok()) {
    FailStart(kOwnFailure, assumed.ToString());
  }
}

// The listener by its number in the child, which waits (LaunchPlan::lend_listener).
SysResult<OwnedFd> BrokerProcess::BorrowListener(int channel) const {
  int number = -1;
  ssize_t size;
  do {
    size = recv(channel, &number, sizeof(number), MSG_WAITALL);
  } while (size < 0 && errno == EINTR);
  if (size != sizeof(number)) return Errno(EPIPE);
  SysResult<OwnedFd> child = PidfdOpen(command_, 0);
  if (!child.ok()) return child;
  return PidfdGetfd(child->get(), number);
}

void BrokerProcess::TakeListener(int channel) {
  SysResult<OwnedFd> listener =
      policy_.network.sends_mediated ? BorrowListener(channel) : ReceiveDescriptor(channel);
  if (!listener.ok()) {
    // The status pipe tells why, unless the child is still there, waiting for the broker.
    if (listener.error() != EPIPE) RawLog("broker: taking the listener", listener.error());
    shutdown(channel, SHUT_RDWR);
    return;
  }
  // The broker keeps nothing of the session's streams, so that their ends are seen when the session
  // closes them.
  dup2(null_.get(), STDIN_FILENO);
  dup2(null_.get(), STDOUT_FILENO);
  for (int fd :
       {options_.stdin_fd, options_.stdout_fd, options_.stderr_fd, options_.init_channel}) {
    if (fd > STDERR_FILENO) close(fd);
  }
  for (int fd : policy_.policy.process.keep_fds) close(fd);
  RaiseOwnLimits();
  mediator_ = std::make_unique<Mediator>(*view_, Notifier(std::move(*listener)), audit_.get());
  mediator_->HearOfTerminals(OwnedFd(options_.terminals_fd), std::move(terminals_));
  if (options_.counters != nullptr) mediator_->CountIn(options_.counters);
  // What the start took goes back: a fleet's brokers wait, and each would keep it.
  malloc_trim(0);
  if (SysStatus fenced = EnterBrokerFence(*own_filter_, events_.get()); !fenced.ok()) {
    FailStart(kOwnFailure, absl::StrCat("the broker's own fence: ", strerror(fenced.error())));
  }
  if (!limits_->StartOutput()) FailStart(kOwnFailure, "no thread for the output");
  if (!mediator_->workers().Start()) FailStart(kOwnFailure, "no thread for the mediator");
  if (!WriteAll(channel, "g", 1).ok()) return;
}

// End of file on the status pipe means that the command was executed.
void BrokerProcess::AwaitExec(int status, int channel) {
  LaunchFailure failure;
  ssize_t size;
  do {
    size = read(status, &failure, sizeof(failure));
  } while (size < 0 && errno == EINTR);
  if (size == static_cast<ssize_t>(sizeof(failure))) {
    int exit_code = kOwnFailure;
    std::string message = ExecFailure(failure, &exit_code);
    FailStart(exit_code, message);
  }
  if (mediator_ == nullptr) FailStart(kOwnFailure, "the session ended before it began");
  BrokerEvent event = MakeEvent(BrokerEvent::Kind::kStarted);
  event.pid = command_;
  Send(event);
  MeetInit(channel);
  limits_->Begin(command_);
}

// Its id was sent before the command was executed, so by our own code.
void BrokerProcess::MeetInit(int channel) {
  if (options_.init_channel < 0) return;
  pid_t number = -1;
  if (read(channel, &number, sizeof(number)) == static_cast<ssize_t>(sizeof(number))) {
    SysResult<pid_t> init = view_->TaskOf(number);
    init_ = init.ok() ? *init : -1;
  }
  limits_->Exempt(init_);
}

std::string BrokerProcess::ExecFailure(const LaunchFailure& failure, int* exit_code) const {
  std::string reason = strerror(failure.error);
  if (failure.stage != LaunchFailure::Stage::kExec) {
    std::string where = failure.stage == LaunchFailure::Stage::kWorkingDirectory
                            ? absl::StrCat(" ", policy_.working_directory)
                            : "";
    return absl::StrCat(LaunchStageName(failure.stage), where, ": ", reason);
  }
  *exit_code = failure.error == ENOENT ? kNotFound : kNotExecutable;
  std::string text = absl::StrCat(options_.argv[0], ": ", reason);
  if (failure.error == EACCES) {
    absl::StrAppend(&text,
                    " (not executable, or in no grant with exec: try --rox with its directory)");
  }
  return text;
}

}  // namespace sessionctl
