#include "supervisor/session_manager.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "policy/policy_compiler.h"
#include "sandbox/base/owned_fd.h"
#include "supervisor/mediator/syscall_table.h"
#include "supervisor/session_monitor.h"

namespace sessionctl {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPollInterval(10);
constexpr std::chrono::seconds kMonitorGrace(10);  // for a monitor to end its session

struct PendingStart {
  std::string id;
  OwnedFd report;
};

absl::StatusOr<PendingStart> ForkMonitor(const SessionStore& store, const MonitorOptions& options) {
  std::array<int, 2> pipe;
  if (pipe2(pipe.data(), O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2");
  OwnedFd read_end(pipe[0]);
  OwnedFd write_end(pipe[1]);
  const pid_t child = fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child == 0) {
    read_end.Reset();
    RunMonitor(store, options, std::move(write_end));
  }
  return PendingStart{options.id, std::move(read_end)};
}

SpawnOutcome AwaitStart(const PendingStart& pending) {
  MonitorReport report = {};
  ssize_t count;
  while ((count = read(pending.report.get(), &report, sizeof(report))) < 0 && errno == EINTR) {
  }
  if (count != sizeof(report)) return {pending.id, 125, "the session's monitor was killed"};
  report.message[sizeof(report.message) - 1] = '\0';
  return {pending.id, report.exit_code, report.message};
}

std::string NumberedName(const SpawnRequest& request, int number) {
  if (request.name.empty() || request.count == 1) return request.name;
  return request.name + "-" + std::to_string(number);
}

// Polls until nobody holds the session's lock. False at the deadline.
bool AwaitUnlocked(const SessionDirectory& session, Clock::time_point deadline) {
  while (session.IsLocked()) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPollInterval);
  }
  return true;
}

// A process that has gone by itself meanwhile is what was wanted.
void SignalIfAlive(const ProcessIdentity& process, int signal) {
  SignalProcess(process, signal).IgnoreError();
}

struct Stopping {
  std::optional<SessionDirectory> session;
  absl::Status status;
};

Stopping AskToEnd(const SessionStore& store, const std::string& id) {
  absl::StatusOr<SessionDirectory> session = store.Find(id);
  if (!session.ok()) return {std::nullopt, session.status()};
  absl::StatusOr<SessionRecord> record = session->CurrentRecord();
  if (record.ok() && record->state == SessionState::kRunning) {
    SignalIfAlive(record->process, SIGTERM);
    SignalIfAlive(record->process, SIGCONT);  // a stopped process does not see the other
  }
  return {*std::move(session), absl::OkStatus()};
}

absl::Status MakeEnd(const SessionDirectory& session, Clock::time_point deadline) {
  if (AwaitUnlocked(session, deadline)) return absl::OkStatus();
  absl::StatusOr<SessionRecord> record = session.ReadRecord();
  if (!record.ok()) return record.status();
  for (const int signal : {SIGTERM, SIGKILL}) {
    SignalIfAlive(record->monitor, signal);
    if (AwaitUnlocked(session, Clock::now() + kMonitorGrace)) return absl::OkStatus();
  }
  return absl::DeadlineExceededError("session " + session.id() + " does not end");
}

}  // namespace

bool NamesSession(const SessionPolicy& policy) {
  for (const Mount& mount : policy.mounts) {
    if (mount.host.find("{session}") != std::string::npos) return true;
  }
  return policy.process.working_directory.value_or("").find("{session}") != std::string::npos;
}

absl::StatusOr<std::vector<SpawnOutcome>> SpawnSessions(const SessionStore& store,
                                                        const SpawnRequest& request) {
  MonitorOptions options = {.argv = request.argv,
                            .environment = request.environment,
                            .policy = &request.policy,
                            .features = &request.features,
                            .terminal = request.terminal,
                            .stdin_open = request.stdin_open};
  std::optional<CompiledPolicy> shared;
  if (!NamesSession(request.policy)) {
    absl::StatusOr<CompiledPolicy> compiled =
        CompilePolicy(request.policy, SessionVariables(""), request.features, MediatedCalls());
    if (!compiled.ok()) return compiled.status();
    shared = *std::move(compiled);
    options.compiled = &*shared;
  }
  std::vector<PendingStart> pending;
  for (int number = 1; number <= request.count; ++number) {
    options.id = NewSessionId();
    options.name = NumberedName(request, number);
    absl::StatusOr<PendingStart> start = ForkMonitor(store, options);
    if (!start.ok()) return start.status();
    pending.push_back(*std::move(start));
  }
  std::vector<SpawnOutcome> outcomes;
  outcomes.reserve(pending.size());
  for (const PendingStart& start : pending) outcomes.push_back(AwaitStart(start));
  return outcomes;
}

absl::Status SignalSession(const SessionStore& store, const std::string& id, int signal) {
  absl::StatusOr<SessionDirectory> session = store.Find(id);
  if (!session.ok()) return session.status();
  absl::StatusOr<SessionRecord> record = session->CurrentRecord();
  if (!record.ok()) return record.status();
  if (record->state != SessionState::kRunning) {
    return absl::FailedPreconditionError("session " + id + " is " +
                                         SessionStateName(record->state));
  }
  return SignalProcess(record->process, signal);
}

std::vector<absl::Status> StopSessions(const SessionStore& store,
                                       const std::vector<std::string>& ids,
                                       std::chrono::milliseconds timeout) {
  std::vector<Stopping> stopping;
  stopping.reserve(ids.size());
  for (const std::string& id : ids) stopping.push_back(AskToEnd(store, id));
  const Clock::time_point deadline = Clock::now() + timeout;
  std::vector<absl::Status> statuses;
  statuses.reserve(ids.size());
  for (const Stopping& each : stopping) {
    statuses.push_back(each.session.has_value() ? MakeEnd(*each.session, deadline) : each.status);
  }
  return statuses;
}

absl::StatusOr<SessionRecord> AwaitSession(const SessionStore& store, const std::string& id) {
  absl::StatusOr<SessionDirectory> session = store.Find(id);
  if (!session.ok()) return session.status();
  SysStatus released = LockFile::AwaitRelease(session->fd(), kSessionLockFile);
  if (!released.ok()) return absl::ErrnoToStatus(released.error(), "session " + id);
  return session->CurrentRecord();
}

std::vector<std::string> PruneSessions(const SessionStore& store) {
  std::vector<std::string> removed;
  for (const SessionRecord& record : store.List()) {
    if (record.ended_already() && store.Remove(record.id).ok()) removed.push_back(record.id);
  }
  store.RemoveAbandonedStarts();
  return removed;
}

}  // namespace sessionctl
