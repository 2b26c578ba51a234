#include "supervisor/session_monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "policy/policy_parser.h"
#include "sandbox/base/raw_log.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/broker.h"
#include "supervisor/mediator/syscall_table.h"

namespace sessionctl {
namespace {

constexpr int kBrokerExitMilliseconds = 5000;  // for the broker to end when it should

// The write end of the pipe through which the SIGTERM handler wakes the monitor, and whose handler
// it is: a broker that inherits the handler takes the default action.
volatile int stop_pipe = -1;
volatile pid_t stop_owner = -1;

void HandleStop(int signal) {
  const int saved = errno;
  if (getpid() == stop_owner) {
    const char byte = 's';
    if (write(stop_pipe, &byte, 1) < 0) {
      // The pipe is full: the monitor will wake anyway.
    }
  } else {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
    raise(signal);
  }
  errno = saved;
}

void HandleNothing(int) {}

void InstallHandler(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

// Closes everything above descriptor 2 but `keep`.
void CloseAllExcept(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned first = 3;
  for (const int fd : keep) {
    if (fd < static_cast<int>(first)) continue;
    if (static_cast<unsigned>(fd) > first) syscall(SYS_close_range, first, fd - 1, 0);
    first = static_cast<unsigned>(fd) + 1;
  }
  syscall(SYS_close_range, first, UINT_MAX, 0);
}

class Monitor {
 public:
  Monitor(const SessionStore& store, const MonitorOptions& options, OwnedFd report)
      : store_(store), options_(options), report_(std::move(report)) {}

  void Run();

 private:
  absl::Status Prepare();
  absl::Status CompileOwnPolicy();
  absl::Status MakeDirectory();
  absl::Status OpenStreams();
  absl::Status CatchSignals();
  absl::Status StartBroker();

  void Watch();
  void AskBrokerToEnd();
  void EndStopped();
  bool HandleNextEvent();  // false: nothing more will come
  void HandleLost(const std::string& why);
  void HandleStarted(const BrokerEvent& event);
  void HandleExited(const BrokerEvent& event);
  void End(SessionState state, SessionExit exit);
  void AwaitBrokerExit();
  void Report(int exit_code, const std::string& message);
  void Save(Durability durability);

  const SessionStore& store_;
  const MonitorOptions& options_;
  OwnedFd report_;
  OwnedFd stop_read_, stop_write_;
  OwnedFd null_, output_, audit_;
  std::optional<CompiledPolicy> own_policy_;
  const CompiledPolicy* policy_ = nullptr;
  std::optional<SessionDirectory> directory_;
  std::optional<LockFile> lock_;
  std::optional<Broker> broker_;
  SessionRecord record_;
  bool stopping_ = false;  // SIGTERM has come
};

absl::Status Monitor::CompileOwnPolicy() {
  absl::StatusOr<CompiledPolicy> compiled = CompilePolicy(
      *options_.policy, SessionVariables(options_.id), *options_.features, MediatedCalls());
  if (!compiled.ok()) return compiled.status();
  own_policy_ = *std::move(compiled);
  policy_ = &*own_policy_;
  return absl::OkStatus();
}

// Everything is in place under a dotted name, lock held, before the session can be seen.
absl::Status Monitor::MakeDirectory() {
  absl::StatusOr<SessionDirectory> directory = store_.Create(options_.id);
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);
  SysResult<LockFile> lock =
      LockFile::Acquire(directory_->fd(), kSessionLockFile, LockWait::kBlock);
  if (!lock.ok()) return absl::ErrnoToStatus(lock.error(), "lock");
  lock_ = std::move(*lock);
  record_.id = options_.id;
  record_.name = options_.name;
  record_.command = options_.argv;
  record_.labels = options_.labels;
  record_.place = options_.place;
  record_.stop = options_.stop;
  record_.terminal = options_.terminal.has_value();
  record_.created = CurrentTimestamp();
  record_.missing_walls = policy_->missing_walls;
  record_.user = policy_->identity.user;
  record_.capabilities = policy_->policy.process.capabilities;
  record_.warnings = policy_->warnings;
  for (const PlannedLimit& limit : policy_->limits.limits) {
    record_.limits.push_back(
        {.name = limit.name, .value = limit.value, .by = LimitHolderName(limit.holder)});
  }
  for (const CompiledMount& mount : policy_->mounts) {
    const bool read_only = mount.mount.mode == MountMode::kReadOnly;
    SessionMount recorded = {.host = mount.mount.host, .mode = read_only ? "ro" : "rw"};
    if (mount.mount.max_bytes != kUnlimited) recorded.max_bytes = mount.mount.max_bytes;
    if (mount.mount.max_files != kUnlimited) recorded.max_files = mount.mount.max_files;
    record_.mounts.push_back(std::move(recorded));
  }
  absl::StatusOr<ProcessIdentity> self = IdentifyProcess(getpid());
  if (!self.ok()) return self.status();
  record_.monitor = *self;
  return directory_->WriteRecord(record_, Durability::kFast);
}

absl::Status Monitor::OpenStreams() {
  SysStatus policy = WriteFileAtomically(directory_->fd(), kSessionPolicyFile,
                                         PolicyToToml(policy_->policy), 0600, Durability::kFast);
  if (!policy.ok()) return absl::ErrnoToStatus(policy.error(), kSessionPolicyFile);
  SysResult<OwnedFd> output = CreateLogBeneath(directory_->fd(), kSessionOutputFile, 0600);
  if (!output.ok()) return absl::ErrnoToStatus(output.error(), kSessionOutputFile);
  SysResult<OwnedFd> audit = CreateLogBeneath(directory_->fd(), kSessionAuditFile, 0600);
  if (!audit.ok()) return absl::ErrnoToStatus(audit.error(), kSessionAuditFile);
  SysResult<OwnedFd> null = OpenAt(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
  if (!null.ok()) return absl::ErrnoToStatus(null.error(), "/dev/null");
  output_ = std::move(*output);
  audit_ = std::move(*audit);
  null_ = std::move(*null);
  return absl::OkStatus();
}

absl::Status Monitor::CatchSignals() {
  std::array<int, 2> pipe;
  if (pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0) return absl::ErrnoToStatus(errno, "pipe2");
  stop_read_.Reset(pipe[0]);
  stop_write_.Reset(pipe[1]);
  stop_pipe = pipe[1];
  stop_owner = getpid();
  InstallHandler(SIGTERM, HandleStop);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2, SIGTSTP}) {
    InstallHandler(signal, HandleNothing);
  }
  return absl::OkStatus();
}

absl::Status Monitor::Prepare() {
  if (options_.compiled != nullptr) {
    policy_ = options_.compiled;
  } else if (absl::Status compiled = CompileOwnPolicy(); !compiled.ok()) {
    return compiled;
  }
  if (chdir("/") != 0) return absl::ErrnoToStatus(errno, "chdir /");
  if (absl::Status made = MakeDirectory(); !made.ok()) return made;
  if (absl::Status opened = OpenStreams(); !opened.ok()) return opened;
  if (absl::Status caught = CatchSignals(); !caught.ok()) return caught;
  return store_.Publish(*directory_);
}

absl::Status Monitor::StartBroker() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (dup2(null_.get(), fd) < 0) return absl::ErrnoToStatus(errno, "dup2");
  }
  BrokerOptions options;
  options.session_id = options_.id;
  options.policy = policy_;
  options.argv = options_.argv;
  options.environment = ResolveEnvironment(*policy_, options_.environment);
  options.stdin_fd = null_.get();
  options.stdout_fd = output_.get();
  options.stderr_fd = output_.get();
  options.audit_fd = audit_.get();
  absl::StatusOr<Broker> broker = Broker::Start(options);
  if (!broker.ok()) return broker.status();
  broker_ = *std::move(broker);
  if (absl::StatusOr<ProcessIdentity> identity = IdentifyProcess(broker_->pid()); identity.ok()) {
    record_.broker = *identity;
  }
  return absl::OkStatus();
}

void Monitor::Run() {
  if (absl::Status prepared = Prepare(); !prepared.ok()) {
    if (directory_.has_value()) store_.Discard(*directory_);
    Report(kOwnFailure, std::string(prepared.message()));
    return;
  }
  if (absl::Status started = StartBroker(); !started.ok()) {
    const std::string message(started.message());
    End(SessionState::kFailed,
        {.code = kOwnFailure, .signal = {}, .reason = "start failed: " + message});
    Report(kOwnFailure, message);
    return;
  }
  Watch();
  AwaitBrokerExit();
  broker_->KillSession();
}

void Monitor::Watch() {
  std::array<pollfd, 2> sources = {pollfd{.fd = broker_->events_fd(), .events = POLLIN},
                                   pollfd{.fd = stop_read_.get(), .events = POLLIN}};
  for (;;) {
    const int ready =
        poll(sources.data(), sources.size(), stopping_ ? kBrokerExitMilliseconds : -1);
    if (ready < 0) continue;  // EINTR: by our own handlers
    if (ready == 0) return EndStopped();
    if (sources[0].revents != 0 && !HandleNextEvent()) return;
    if (sources[1].revents != 0) {
      AskBrokerToEnd();
      sources[1].fd = -1;  // once is enough
    }
  }
}

// The broker ends its session on SIGTERM and still tells the counts.
void Monitor::AskBrokerToEnd() {
  stopping_ = true;
  kill(broker_->pid(), SIGTERM);
  kill(broker_->pid(), SIGCONT);
}

// It did not: then the whole tree goes without it.
void Monitor::EndStopped() {
  broker_->KillSession();
  End(SessionState::kExited, {.code = {}, .signal = SIGKILL, .reason = "stopped"});
}

bool Monitor::HandleNextEvent() {
  SysResult<std::optional<BrokerEvent>> event = broker_->ReadEvent();
  if (!event.ok() || !event->has_value()) {
    HandleLost("broker lost");
    return false;
  }
  const BrokerEvent& received = **event;
  switch (received.kind) {
    case BrokerEvent::Kind::kStarted: HandleStarted(received); return true;
    case BrokerEvent::Kind::kStartFailed:
      End(SessionState::kFailed, {.code = received.exit_code,
                                  .signal = {},
                                  .reason = std::string("start failed: ") + received.message});
      Report(received.exit_code, received.message);
      return false;
    case BrokerEvent::Kind::kExited: HandleExited(received); return false;
    case BrokerEvent::Kind::kRefusedCall: HandleLost(RefusedCallText(received)); return false;
    case BrokerEvent::Kind::kStopped:
    case BrokerEvent::Kind::kContinued: return true;
  }
  return true;
}

void Monitor::HandleLost(const std::string& why) {
  broker_->KillSession();
  End(SessionState::kLost, {.code = {}, .signal = {}, .reason = why});
  Report(kOwnFailure, why);
}

void Monitor::HandleStarted(const BrokerEvent& event) {
  // `sessionctl kill` signals what is recorded here: a broker that was taken over may name anybody.
  absl::StatusOr<ProcessIdentity> identity = IdentifyProcess(event.pid);
  if (identity.ok() && ParentOf(event.pid) == broker_->pid()) record_.process = *identity;
  record_.state = SessionState::kRunning;
  record_.started = CurrentTimestamp();
  Save(Durability::kFast);
  Report(0, "");
}

void Monitor::HandleExited(const BrokerEvent& event) {
  record_.mediated_calls = event.mediated_calls;
  record_.denials = event.denials;
  SessionExit exit;
  if (WIFSIGNALED(event.wait_status)) {
    exit.signal = WTERMSIG(event.wait_status);
    exit.reason = "signal";
  } else {
    exit.code = WEXITSTATUS(event.wait_status);
    exit.reason = "exited";
  }
  if (stopping_) exit.reason = "stopped";
  const std::string limit = SessionEndName(event.ended);
  if (!limit.empty()) exit.reason = limit;
  if (IsTimeLimit(event.ended)) exit.code = kTimeLimitExit;
  End(SessionState::kExited, std::move(exit));
}

void Monitor::End(SessionState state, SessionExit exit) {
  record_.state = state;
  record_.exit = std::move(exit);
  record_.ended = CurrentTimestamp();
  Save(Durability::kSynced);
}

// After its last event the broker has only its own end left; one that hangs is killed with the
// rest.
void Monitor::AwaitBrokerExit() {
  pollfd source = {.fd = broker_->events_fd(), .events = POLLIN};
  while (poll(&source, 1, kBrokerExitMilliseconds) > 0) {
    SysResult<std::optional<BrokerEvent>> event = broker_->ReadEvent();
    if (!event.ok() || !event->has_value()) return;
  }
}

void Monitor::Report(int exit_code, const std::string& message) {
  if (!report_.valid()) return;
  MonitorReport report = {.exit_code = exit_code, .message = {}};
  snprintf(report.message, sizeof(report.message), "%s", message.c_str());
  // Nobody to tell is no reason to stop.
  if (!WriteAll(report_.get(), &report, sizeof(report)).ok()) RawLog("report to spawn");
  report_.Reset();
}

void Monitor::Save(Durability durability) {
  // A full disk must not end a session; the lock tells the truth about its life.
  if (!directory_->WriteRecord(record_, durability).ok()) RawLog("state.json");
}

}  // namespace

std::string CurrentUserName() {
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr && entry->pw_name != nullptr ? entry->pw_name : std::to_string(geteuid());
}

PolicyVariables SessionVariables(const std::string& id) {
  // Without a state directory (no home, no runtime directory) there is nothing to keep.
  absl::StatusOr<std::string> state = SessionStore::DefaultPath();
  return {.session = id,
          .user = CurrentUserName(),
          .state_directory = state.ok() ? *state : std::string()};
}

void RunMonitor(const SessionStore& store, const MonitorOptions& options, OwnedFd report) {
  const SessionPolicy& policy =
      options.compiled != nullptr ? options.compiled->policy : *options.policy;
  std::vector<int> keep = policy.process.keep_fds;
  keep.insert(keep.end(), options.keep_open.begin(), options.keep_open.end());
  keep.push_back(store.fd());
  keep.push_back(report.get());
  CloseAllExcept(std::move(keep));
  setsid();
  if (options.umask.has_value()) umask(*options.umask);
  Monitor(store, options, std::move(report)).Run();
  _exit(0);
}

}  // namespace sessionctl
