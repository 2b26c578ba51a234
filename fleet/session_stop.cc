// How the supervisor ends, restarts and removes sessions.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "fleet/spawn_spec.h"
#include "fleet/supervisor_state.h"
#include "nlohmann/json.hpp"
#include "sandbox/safe_file.h"
#include "supervisor/process_identity.h"
#include "supervisor/requested_end.h"
#include "supervisor/session_changes.h"

namespace sessionctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kMonitorGrace(10'000);  // for a monitor to end its session
constexpr size_t kMaxSpecFile = size_t{32} << 20;

// A process that has gone by itself meanwhile is what was wanted.
void SignalIfAlive(const ProcessIdentity& process, int signal) {
  SignalProcess(process, signal).IgnoreError();
}

void SignalMonitor(const SessionEntry& entry, int signal) {
  if (entry.monitor == nullptr) return SignalIfAlive(entry.record.monitor, signal);
  syscall(SYS_pidfd_send_signal, entry.monitor->native_handle(), signal, nullptr, 0);
}

}  // namespace

void Supervisor::State::Stop(const std::string& id, std::optional<milliseconds> timeout,
                             Finished done, const std::string& reason) {
  SessionEntry* entry = FindEntry(id);
  if (entry == nullptr || !entry->alive) {
    const absl::Status status =
        entry == nullptr ? absl::NotFoundError("no session " + id) : absl::OkStatus();
    return Post([done = std::move(done), status] { done(status); });
  }
  const bool asked_before = entry->stopping != nullptr;
  if (!asked_before) {
    entry->stopping = std::make_shared<Stopping>(io);
    entry->stopping->reason = reason;
  }
  entry->stopping->done.push_back(std::move(done));
  if (timeout.has_value()) entry->record.stop.timeout = timeout->count();
  if (entry->starting) {
    CancelQueued(id);  // one in flight is stopped once it has started
    return;
  }
  if (!asked_before || timeout.has_value()) BeginStop(*entry);
}

// What the supervisor before this one had begun to stop.
void Supervisor::State::ResumeStop(const std::string& id) {
  absl::StatusOr<SessionDirectory> directory = store.Find(id);
  if (!directory.ok()) return;
  const std::optional<RequestedEnd> requested = ReadRequestedEnd(directory->fd());
  if (!requested.has_value()) return;
  Stop(
      id, milliseconds(requested->timeout), [](const absl::Status&) {}, requested->reason);
}

// Before anybody is signalled.
void Supervisor::State::WriteEnding(const SessionEntry& entry) {
  absl::StatusOr<SessionDirectory> directory = store.Find(entry.record.id);
  if (!directory.ok()) return;
  const SysStatus written = WriteRequestedEnd(
      directory->fd(), {.reason = entry.stopping->reason, .timeout = entry.record.stop.timeout});
  if (!written.ok()) {
    Publish("ending.unwritten", entry,
            std::string(absl::ErrnoToStatus(written.error(), kSessionEndingFile).message()));
  }
}

void Supervisor::State::BeginStop(SessionEntry& entry) {
  if (entry.stopping->stage != Stopping::Stage::kAsked) return;
  const milliseconds timeout(entry.record.stop.timeout);
  WriteEnding(entry);
  ReadRecord(entry);
  if (!entry.unreadable.empty() || entry.record.process.pid == 0) {
    return ArmStop(entry, milliseconds(0));  // no command to ask: the monitor ends it
  }
  if (entry.record.state == SessionState::kRunning) {
    SignalIfAlive(entry.record.process, entry.record.stop.signal);
    SignalIfAlive(entry.record.process, SIGCONT);  // a stopped process does not see the other
  }
  ArmStop(entry, timeout);
}

void Supervisor::State::ArmStop(SessionEntry& entry, milliseconds after) {
  entry.stopping->timer.expires_after(after);
  entry.stopping->timer.async_wait(
      [weak = weak_from_this(), id = entry.record.id](const IoError& error) {
        const auto self = weak.lock();
        if (self != nullptr && !error) self->HandleStopTimeout(id);
      });
}

bool Supervisor::State::IsCommitting(const SessionEntry& entry) const {
  absl::StatusOr<SessionDirectory> directory = store.Find(entry.record.id);
  return directory.ok() && !WhatHoldsSessionChanges(directory->fd()).empty();
}

void Supervisor::State::HandleStopTimeout(const std::string& id) {
  SessionEntry* entry = FindEntry(id);
  if (entry == nullptr || entry->stopping == nullptr) return;
  Stopping& stopping = *entry->stopping;
  switch (stopping.stage) {
    case Stopping::Stage::kAsked:
      SignalMonitor(*entry, SIGTERM);
      SignalMonitor(*entry, SIGCONT);
      stopping.stage = Stopping::Stage::kMonitorAsked;
      return ArmStop(*entry, kMonitorGrace);
    case Stopping::Stage::kMonitorAsked:
      // The session has ended; its monitor does with its overlays what the policy says.
      if (IsCommitting(*entry)) return ArmStop(*entry, kMonitorGrace);
      SignalMonitor(*entry, SIGKILL);
      stopping.stage = Stopping::Stage::kMonitorKilled;
      return ArmStop(*entry, kMonitorGrace);
    case Stopping::Stage::kMonitorKilled:
      FinishStop(*entry, absl::DeadlineExceededError("session " + id + " does not end"));
  }
}

void Supervisor::State::FinishStop(SessionEntry& entry, const absl::Status& status) {
  if (entry.stopping == nullptr) return;
  const std::shared_ptr<Stopping> stopping = std::exchange(entry.stopping, nullptr);
  stopping->timer.cancel();
  for (Finished& done : stopping->done) {
    Post([done = std::move(done), status] { done(status); });
  }
}

absl::Status Supervisor::State::Kill(const std::string& id, int signal) {
  SessionEntry* entry = FindEntry(id);
  if (entry == nullptr) return absl::NotFoundError("no session " + id);
  if (entry->alive && !entry->starting) ReadRecord(*entry);
  if (!entry->unreadable.empty()) {
    return absl::FailedPreconditionError("session " + id + ": " + entry->unreadable);
  }
  if (entry->record.state != SessionState::kRunning) {
    return absl::FailedPreconditionError("session " + id + " is " +
                                         SessionStateName(entry->record.state));
  }
  return SignalProcess(entry->record.process, signal);
}

absl::Status Supervisor::State::Remove(const std::string& id) {
  SessionEntry* entry = FindEntry(id);
  if (entry == nullptr) return absl::NotFoundError("no session " + id);
  if (entry->alive) return absl::FailedPreconditionError("session " + id + " is running");
  if (absl::StatusOr<SessionDirectory> directory = store.Find(id); directory.ok()) {
    const std::string held = WhatHoldsSessionChanges(directory->fd());
    if (!held.empty()) return absl::FailedPreconditionError("session " + id + ": " + held);
  }
  absl::Status removed = store.Remove(id);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  Publish("session.removed", *entry);
  sessions.erase(id);
  return absl::OkStatus();
}

absl::StatusOr<SpawnSpec> Supervisor::State::StoredSpec(const std::string& id) const {
  absl::StatusOr<SessionDirectory> directory = store.Find(id);
  if (!directory.ok()) return directory.status();
  SysResult<std::string> text = ReadFileBeneath(directory->fd(), kSessionSpecFile, kMaxSpecFile);
  const auto unknown = [&](const std::string& why) {
    return absl::FailedPreconditionError("session " + id + " cannot be restarted: " + why);
  };
  if (!text.ok()) return unknown("nothing is kept of how it was started");
  const auto json = nlohmann::ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  SpawnSpec spec;
  if (const auto wrong = SpecFromJson(json, /*internal=*/true, spec); wrong.has_value()) {
    return unknown("spawn.json: " + wrong->field + ": " + wrong->message);
  }
  return spec;
}

void Supervisor::Restart(const std::string& id, std::optional<milliseconds> timeout,
                         std::function<void(const absl::StatusOr<SpawnResult>&)> done) {
  absl::StatusOr<SpawnSpec> spec = state_->StoredSpec(id);
  if (!spec.ok()) {
    return state_->Post([done, status = spec.status()] { done(status); });
  }
  if (!spec->place.deployment.empty()) ++spec->place.restarts;
  Stop(id, timeout,
       [weak = state_->weak_from_this(), spec = *std::move(spec),
        done](const absl::Status& stopped) {
         const auto self = weak.lock();
         if (self == nullptr || !stopped.ok()) return done(stopped);
         self->Enqueue(spec, [done](const SpawnResult& result) { done(result); });
       });
}

}  // namespace sessionctl
