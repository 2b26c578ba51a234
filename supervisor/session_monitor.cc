#include "supervisor/session_monitor.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "policy/policy_parser.h"
#include "sandbox/base/raw_log.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/audit_log.h"
#include "supervisor/broker.h"
#include "supervisor/counters_file.h"
#include "supervisor/executed_programs.h"
#include "supervisor/kept_record.h"
#include "supervisor/mediator/syscall_table.h"
#include "supervisor/monitor_process.h"
#include "supervisor/poll_loop.h"
#include "supervisor/program_streams.h"
#include "supervisor/requested_end.h"
#include "supervisor/session_changes.h"
#include "supervisor/session_console.h"
#include "supervisor/session_init.h"
#include "supervisor/session_log.h"
#include "supervisor/session_mounts.h"

namespace sessionctl {
namespace {

constexpr int kBrokerExitMilliseconds = 5000;  // for the broker to end when it should

class Monitor {
 public:
  Monitor(const SessionStore& store, const MonitorOptions& options, OwnedFd report)
      : store_(store), options_(options), report_(std::move(report)) {}

  void Run();

 private:
  absl::Status Prepare();
  absl::Status Compile();
  absl::Status MakeDirectory();
  absl::Status OpenLogs();
  absl::Status StartBroker();
  absl::Status OpenConsole(BrokerOptions* options, OwnedFd* inits_end);

  void Watch();
  int Timeout() const;
  void AskBrokerToEnd();
  void EndStopped();
  bool HandleNextEvent();  // false: nothing more will come
  void HandleLost(const std::string& why);
  void HandleStarted(const BrokerEvent& event);
  void HandleExited(const BrokerEvent& event);
  void FailStart(int exit_code, const std::string& reason, const std::string& message);
  void End(SessionState state, SessionExit exit);
  void AwaitBrokerExit();
  void LetGo();
  void Report(int exit_code, const std::string& message);

  using Clock = std::chrono::steady_clock;

  const SessionStore& store_;
  const MonitorOptions& options_;
  OwnedFd report_;
  StopSignal stop_;
  OwnedFd null_, audit_;
  OwnedFd terminals_read_, terminals_write_;
  std::optional<CompiledPolicy> own_policy_;
  const CompiledPolicy* policy_ = nullptr;
  std::optional<SessionDirectory> directory_;
  std::optional<LockFile> lock_;
  std::optional<SessionLog> log_;
  std::optional<SessionConsole> console_;
  std::optional<Broker> broker_;
  std::optional<AuditLog> audit_log_;
  std::optional<SessionMounts> mounts_;
  KeptRecord record_;
  CallCounters* counters_ = nullptr;  // what a lost broker leaves behind; null: nobody can look on
  std::optional<Clock::time_point> kill_at_;  // SIGTERM has come: the broker has until then
};

absl::Status Monitor::Compile() {
  policy_ = options_.compiled;
  if (policy_ == nullptr) {
    absl::StatusOr<CompiledPolicy> compiled = CompilePolicy(
        *options_.policy, SessionVariables(options_.id), *options_.features, MediatedCalls());
    if (!compiled.ok()) return compiled.status();
    own_policy_ = *std::move(compiled);
    policy_ = &*own_policy_;
  }
  record_.Describe(*policy_);
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
  record_.value.id = options_.id;
  record_.value.name = options_.name;
  record_.value.command = options_.argv;
  record_.value.labels = options_.labels;
  record_.value.place = options_.place;
  record_.value.stop = options_.stop;
  record_.value.terminal = options_.terminal.has_value();
  record_.value.created = CurrentTimestamp();
  absl::StatusOr<ProcessIdentity> self = IdentifyProcess(getpid());
  if (!self.ok()) return self.status();
  record_.value.monitor = *self;
  return record_.Begin(*directory_);
}

absl::Status Monitor::OpenLogs() {
  const SessionPolicy& policy =
      options_.compiled != nullptr ? options_.compiled->policy : *options_.policy;
  SysStatus written =
      CreateFileBeneath(directory_->fd(), kSessionPolicyFile, PolicyToToml(policy), 0600);
  if (!written.ok()) return absl::ErrnoToStatus(written.error(), kSessionPolicyFile);
  if (!options_.spec.empty()) {
    written = CreateFileBeneath(directory_->fd(), kSessionSpecFile, options_.spec, 0600);
    if (!written.ok()) return absl::ErrnoToStatus(written.error(), kSessionSpecFile);
  }
  SysResult<SessionLog> log = SessionLog::Create(directory_->fd(), options_.log);
  if (!log.ok()) return absl::ErrnoToStatus(log.error(), kSessionOutputFile);
  SysResult<OwnedFd> audit = CreateLogBeneath(directory_->fd(), kSessionAuditFile, 0600);
  if (!audit.ok()) return absl::ErrnoToStatus(audit.error(), kSessionAuditFile);
  SysResult<OwnedFd> null = OpenAt(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
  if (!null.ok()) return absl::ErrnoToStatus(null.error(), "/dev/null");
  log_ = std::move(*log);
  audit_ = std::move(*audit);
  null_ = std::move(*null);
  return absl::OkStatus();
}

absl::Status Monitor::Prepare() {
  if (chdir("/") != 0) return absl::ErrnoToStatus(errno, "chdir /");
  if (absl::Status made = MakeDirectory(); !made.ok()) return made;
  if (absl::Status opened = OpenLogs(); !opened.ok()) return opened;
  if (absl::Status caught = stop_.Catch(); !caught.ok()) return caught;
  return store_.Publish(*directory_);
}

// The session's streams, and how others reach it.
absl::Status Monitor::OpenConsole(BrokerOptions* options, OwnedFd* inits_end) {
  const uid_t owner = policy_->identity.uid;
  SysResult<ProgramStreams> streams =
      options_.terminal.has_value()
          ? ProgramStreams::MakeTerminal(*options_.terminal, owner)
          : ProgramStreams::MakePipes(options_.stdin_open, /*apart=*/false, owner);
  if (!streams.ok()) return absl::ErrnoToStatus(streams.error(), "the session's streams");
  std::array<int, 2> pipe;
  if (pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0) return absl::ErrnoToStatus(errno, "pipe2");
  terminals_read_.Reset(pipe[0]);
  terminals_write_.Reset(pipe[1]);
  SysResult<InitChannel> init = InitChannel::Create(inits_end);
  if (!init.ok()) return absl::ErrnoToStatus(init.error(), "socketpair");
  if (streams->is_terminal()) {
    const uint32_t number = streams->terminal_number();
    SysStatus told = WriteAll(terminals_write_.get(), &number, sizeof(number));
    if (!told.ok()) return absl::ErrnoToStatus(told.error(), "pipe");
    options->terminal = true;
    options->terminal_path = streams->terminal_path();
    options->environment = EnvironmentForTerminal(std::move(options->environment));
  }
  const std::array<int, 3> ends = streams->theirs();
  options->stdin_fd = ends[0];
  options->stdout_fd = ends[1];
  options->stderr_fd = ends[2];
  options->terminals_fd = terminals_read_.get();
  options->init_channel = inits_end->get();
  console_.emplace(directory_->fd(), &*log_, std::move(*streams),
                   ExecutionContext{.init = std::move(*init),
                                    .environment = options->environment,
                                    .owner = owner,
                                    .terminals_fd = terminals_write_.get(),
                                    .own_view = policy_->view.is_private});
  return console_->Listen();
}

absl::Status Monitor::StartBroker() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (dup2(null_.get(), fd) < 0) return absl::ErrnoToStatus(errno, "dup2");
  }
  BrokerOptions options;
  options.session_id = options_.id;
  options.policy = policy_;
  options.filters = options_.filters;
  options.argv = options_.argv;
  options.environment = ResolveEnvironment(*policy_, options_.environment, options_.id);
  options.audit_fd = audit_.get();
  options.session_directory = directory_->fd();
  if (SysResult<CallCounters*> counters = MapCounters(directory_->fd()); counters.ok()) {
    options.counters = counters_ = *counters;
  }
  OwnedFd inits_end;
  if (absl::Status opened = OpenConsole(&options, &inits_end); !opened.ok()) return opened;
  absl::StatusOr<Broker> broker = Broker::Start(options);
  if (!broker.ok()) return broker.status();
  broker_ = *std::move(broker);
  console_->streams().LetGo();
  terminals_read_.Reset();
  audit_log_.emplace(audit_.get(), policy_->policy.audit, options_.id);
  mounts_.emplace(SessionVariables(options_.id), policy_, &*broker_, &record_, &*audit_log_);
  console_->TakeMountRequests([this](const ControlRequest& request, OwnedFd client) {
    mounts_->Take(request, std::move(client));
  });
  RaiseFileSizeLimit();
  if (absl::StatusOr<ProcessIdentity> identity = IdentifyProcess(broker_->pid()); identity.ok()) {
    record_.value.broker = *identity;
  }
  return absl::OkStatus();
}

void Monitor::Run() {
  if (absl::Status prepared = Prepare(); !prepared.ok()) {
    if (directory_.has_value()) store_.Discard(*directory_);
    Report(kOwnFailure, std::string(prepared.message()));
    return;
  }
  if (absl::Status compiled = Compile(); !compiled.ok()) {
    return FailStart(kOwnFailure, "policy error: ", std::string(compiled.message()));
  }
  if (absl::Status started = StartBroker(); !started.ok()) {
    return FailStart(kOwnFailure, "start failed: ", std::string(started.message()));
  }
  malloc_trim(0);  // what the start took: it waits from now on
  Watch();
  AwaitBrokerExit();
  broker_->KillSession();
  LetGo();
}

void Monitor::Watch() {
  PollLoop loop;
  for (;;) {
    bool has_event = false;
    bool must_stop = false;
    loop.Watch(broker_->events_fd(), POLLIN, [&has_event](short) { has_event = true; });
    if (!kill_at_.has_value()) {
      loop.Watch(stop_.fd(), POLLIN, [&must_stop](short) { must_stop = true; });
    }
    console_->Watch(&loop);
    mounts_->Watch(&loop);
    loop.Turn(Timeout());
    if (has_event && !HandleNextEvent()) return;
    if (must_stop) AskBrokerToEnd();
    if (kill_at_.has_value() && Clock::now() >= *kill_at_) return EndStopped();
  }
}

int Monitor::Timeout() const {
  // -1, as poll(2) takes it, is the largest number of all.
  const auto sooner = [](int one, int other) {
    return static_cast<int>(std::min(static_cast<unsigned>(one), static_cast<unsigned>(other)));
  };
  const int streams = sooner(console_->Timeout(), mounts_->Timeout());
  if (!kill_at_.has_value()) return streams;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*kill_at_ - Clock::now()).count();
  const int kill = static_cast<int>(std::max<int64_t>(left, 0));
  return sooner(streams, kill);
}

// The broker ends its session on SIGTERM and still tells the counts.
void Monitor::AskBrokerToEnd() {
  kill_at_ = Clock::now() + std::chrono::milliseconds(kBrokerExitMilliseconds);
  kill(broker_->pid(), SIGTERM);
  kill(broker_->pid(), SIGCONT);
}

// It did not: then the whole tree goes without it.
void Monitor::EndStopped() {
  broker_->KillSession();
  const auto requested = ReadRequestedEnd(directory_->fd());
  End(SessionState::kExited, {.code = {},
                              .signal = SIGKILL,
                              .reason = requested.has_value() ? requested->reason : "stopped"});
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
      FailStart(received.exit_code, "start failed: ", received.message);
      return false;
    case BrokerEvent::Kind::kExited: HandleExited(received); return false;
    case BrokerEvent::Kind::kRefusedCall: HandleLost(RefusedCallText(received)); return false;
    case BrokerEvent::Kind::kStopped:
    case BrokerEvent::Kind::kContinued:
    case BrokerEvent::Kind::kView: return true;
    case BrokerEvent::Kind::kMountsChanged: mounts_->HearBroker(received); return true;
  }
  return true;
}

void Monitor::HandleLost(const std::string& why) {
  broker_->KillSession();
  if (counters_ != nullptr) {
    record_.value.mediated_calls = counters_->calls;
    record_.value.denials = counters_->denials;
  }
  End(SessionState::kLost, {.code = {}, .signal = {}, .reason = why});
  Report(kOwnFailure, why);
}

void Monitor::HandleStarted(const BrokerEvent& event) {
  // `sessionctl kill` signals what is recorded here: a broker that was taken over may name anybody.
  absl::StatusOr<ProcessIdentity> identity = IdentifyProcess(event.pid);
  if (identity.ok() && ParentOf(event.pid) == broker_->pid()) {
    record_.value.process = *identity;
    console_->SetCommand(event.pid);
  }
  record_.value.state = SessionState::kRunning;
  record_.value.started = CurrentTimestamp();
  record_.Save();
  Report(0, "");
}

void Monitor::HandleExited(const BrokerEvent& event) {
  record_.value.mediated_calls = event.mediated_calls;
  record_.value.denials = event.denials;
  record_.value.usage = SessionUsage{
      .cpu_user = event.cpu_user, .cpu_system = event.cpu_system, .peak_memory = event.peak_memory};
  SessionExit exit;
  if (WIFSIGNALED(event.wait_status)) {
    exit.signal = WTERMSIG(event.wait_status);
    exit.reason = "signal";
  } else {
    exit.code = WEXITSTATUS(event.wait_status);
    exit.reason = "exited";
  }
  if (kill_at_.has_value()) exit.reason = "stopped";
  if (const auto requested = ReadRequestedEnd(directory_->fd())) exit.reason = requested->reason;
  const std::string limit = SessionEndName(event.ended);
  if (!limit.empty()) exit.reason = limit;
  if (IsTimeLimit(event.ended)) exit.code = kTimeLimitExit;
  End(SessionState::kExited, std::move(exit));
}

void Monitor::FailStart(int exit_code, const std::string& reason, const std::string& message) {
  End(SessionState::kFailed, {.code = exit_code, .signal = {}, .reason = reason + message});
  Report(exit_code, message);
}

// All output is in the log before the record says that it is over, and that it does before any
// client hears of it.
void Monitor::End(SessionState state, SessionExit exit) {
  if (mounts_.has_value()) mounts_->End();
  if (console_.has_value()) console_->DrainOutput();
  // Whoever waits for the end finds the changes where the policy wants them.
  if (state != SessionState::kFailed) {
    for (std::string& failure : EndSessionOverlays(directory_->fd())) {
      record_.value.warnings.push_back(std::move(failure));
    }
  }
  record_.value.output_bytes = log_->written();
  record_.value.output_lost_bytes = log_->lost();
  record_.value.state = state;
  record_.value.exit = exit;
  record_.value.ended = CurrentTimestamp();
  record_.SaveLast();
  if (console_.has_value()) {
    console_->End({.code = exit.code, .signal = exit.signal, .reason = exit.reason});
  }
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

// The session is over for whoever waits for the monitor or its locks. A child of ours sees those
// off who have not taken all of its output yet.
void Monitor::LetGo() {
  broker_.reset();
  for (const int fd : options_.keep_open) close(fd);
  lock_.reset();
  if (!console_->has_clients() || fork() != 0) return;
  console_->Linger();
  _exit(0);
}

void Monitor::Report(int exit_code, const std::string& message) {
  if (!report_.valid()) return;
  MonitorReport report = {.exit_code = exit_code, .message = {}};
  snprintf(report.message, sizeof(report.message), "%s", message.c_str());
  // Nobody to tell is no reason to stop.
  if (!WriteAll(report_.get(), &report, sizeof(report)).ok()) RawLog("report to spawn");
  report_.Reset();
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
  LeaveCaller(std::move(keep));
  if (options.umask.has_value()) umask(*options.umask);
  Monitor(store, options, std::move(report)).Run();
  _exit(0);
}

}  // namespace sessionctl
