// The side of the broker's parent: what it prepares, and what it hears.
#include "supervisor/broker.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sandbox/base/fd_channel.h"
#include "sandbox/landlock_uapi.h"
#include "sandbox/seccomp_filter.h"
#include "supervisor/broker_process.h"
#include "supervisor/session_overlays.h"
#include "supervisor/session_store.h"

namespace sessionctl {
namespace {

// The broker opens it anew when the session opens /dev/tty, or the terminal by its name.
void AddTerminal(const std::string& path, CompiledPolicy* policy) {
  policy->view.terminal = path;
  if (policy->broker_domain.handled_fs == 0) return;
  const uint64_t access = landlock::kFsReadFile | landlock::kFsWriteFile | landlock::kFsIoctlDev;
  policy->broker_domain.grants.push_back(
      {path, access & policy->broker_domain.handled_fs, "the session's terminal"});
}

// The name of the terminal that it is in the foreground of; "": none.
std::string CallersTerminal(int standard_input) {
  char name[64];
  return ttyname_r(standard_input, name, sizeof(name)) == 0 ? name : "";
}

// The session's init is one task more than the policy counts.
std::vector<CgroupSetting> WithRoomForInit(std::vector<CgroupSetting> settings) {
  for (CgroupSetting& setting : settings) {
    if (setting.file == "pids.max") setting.value = absl::StrCat(std::stoll(setting.value) + 1);
  }
  return settings;
}

}  // namespace

absl::StatusOr<Broker> Broker::Start(const BrokerOptions& options) {
  if (options.policy == nullptr || options.argv.empty() || options.argv[0].empty()) {
    return absl::InvalidArgumentError("no command");
  }
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return absl::InternalError(absl::StrCat("socketpair: ", strerror(errno)));
  }
  Broker broker;
  broker.events_.Reset(sockets[0]);
  OwnedFd theirs(sockets[1]);
  // A session whose broker is killed falls to us, not to init.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    return absl::InternalError(absl::StrCat("PR_SET_CHILD_SUBREAPER: ", strerror(errno)));
  }
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  if (options.policy->private_shared_memory) {
    // A machine whose /dev/shm cannot be used has no shared memory for its sessions either.
    const SessionIdentity& identity = options.policy->identity;
    if (SysResult<SharedMemory> made = SharedMemory::Create(identity.uid, identity.gid);
        made.ok()) {
      broker.shared_memory_ = std::move(*made);
    }
  }
  absl::StatusOr<SessionOverlays> overlays =
      MakeSessionOverlays(*options.policy, options.session_directory);
  if (!overlays.ok()) return overlays.status();
  if (absl::Status made = broker.MakeCgroup(options); !made.ok()) return made;
  pid_t parent = getpid();
  broker.pid_ = fork();
  if (broker.pid_ < 0) return absl::ResourceExhaustedError(absl::StrCat("fork: ", strerror(errno)));
  if (broker.pid_ == 0) {
    broker.events_.Reset();
    // Since the fork there is one for each of us: ours is changed where it lies, and not copied.
    CompiledPolicy policy = std::move(const_cast<CompiledPolicy&>(*options.policy));
    if (options.terminal) AddTerminal(options.terminal_path, &policy);
    if (options.foreground) policy.view.terminal = CallersTerminal(options.stdin_fd);
    if (broker.shared_memory_) AddSharedMemory(broker.shared_memory_->path(), &policy);
    AddSessionOverlays(*overlays, &policy);
    const SessionCgroup* cgroup = broker.cgroup_ ? &*broker.cgroup_ : nullptr;
    RunBroker(options, {.policy = std::move(policy),
                        .cgroup = cgroup,
                        .events = std::move(theirs),
                        .parent = parent,
                        .mask = mask});
  }
  return broker;
}

// One that only helps to kill and to count may be missing; one that holds a limit may not.
absl::Status Broker::MakeCgroup(const BrokerOptions& options) {
  const CompiledPolicy& policy = *options.policy;
  if (!policy.limits.has_cgroup) return absl::OkStatus();
  const bool has_init = options.init_channel >= 0;
  SysResult<SessionCgroup> made = SessionCgroup::Create(
      policy.cgroup_directory, NewSessionId(),
      has_init ? WithRoomForInit(policy.limits.cgroup) : policy.limits.cgroup);
  if (made.ok()) {
    cgroup_.emplace(std::move(*made));
    return absl::OkStatus();
  }
  if (policy.limits.cgroup.empty() && policy.limits.watch.frozen_cpu == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("limits: a cgroup in ", policy.cgroup_directory, ": ", strerror(made.error())));
}

void Broker::KillSession() {
  if (cgroup_) (void)cgroup_->Kill().ok();
  KillDescendants();
}

SysResult<std::optional<BrokerEvent>> Broker::ReadEvent() {
  BrokerEvent event;
  SysResult<ReceivedMessage> message = ReceiveWithDescriptors(events_.get(), &event, sizeof(event));
  if (!message.ok()) return Errno(message.error());
  if (message->size == 0) return std::optional<BrokerEvent>();
  if (message->size != sizeof(event)) return Errno(EBADMSG);
  // Once, and before anything of the session's has run.
  if (event.kind == BrokerEvent::Kind::kView && message->count == 1 && !heard_start_) {
    view_ = std::move(message->descriptors[0]);
  }
  heard_start_ = true;
  event.message[sizeof(event.message) - 1] = '\0';
  // It goes to somebody's terminal.
  std::replace_if(
      std::begin(event.message), std::end(event.message) - 1,
      [](unsigned char c) { return c != '\0' && (c < ' ' || c == 0x7f); }, '?');
  return std::optional<BrokerEvent>(event);
}

SysStatus Broker::Request(const BrokerRequest& request, int root) {
  return SendWithDescriptors(events_.get(), &request, sizeof(request), &root, 1,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
}

std::string RefusedCallText(const BrokerEvent& event) {
  const std::string name = SyscallName(event.refused_call);
  return absl::StrCat("broker lost: its own filter stopped it at ",
                      name.empty() ? absl::StrCat("system call ", event.refused_call) : name,
                      ", which no broker calls that way");
}

}  // namespace sessionctl
