// The supervisor's starts: a queue, and a bounded number of them in flight with the zygote.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "fleet/spawn_spec.h"
#include "fleet/supervisor_state.h"
#include "fleet/zygote_process.h"
#include "nlohmann/json.hpp"
#include "supervisor/broker.h"

namespace sessionctl {
namespace {

// Of a start that a dying zygote may never have looked at, or that is what kills it.
constexpr int kMaxTries = 10;
constexpr std::chrono::milliseconds kLaunchAgain(200);

// Also when no other one runs yet.
bool HasDied(const Zygote& zygote, int generation) {
  return zygote.generation() != generation || zygote.pid() < 0;
}

SessionRecord RecordOfQueued(const std::string& id, const SpawnSpec& spec) {
  SessionRecord record;
  record.id = id;
  record.name = spec.name;
  record.labels = spec.labels;
  record.place = spec.place;
  record.command = spec.command;
  record.created = CurrentTimestamp();
  record.stop = spec.stop;
  record.terminal = spec.terminal.has_value();
  return record;
}

}  // namespace

std::string Supervisor::State::Enqueue(SpawnSpec spec, Spawned done) {
  std::string id = NewSessionId();
  while (FindEntry(id) != nullptr) id = NewSessionId();
  SessionEntry& entry = sessions[id];
  entry.record = RecordOfQueued(id, spec);
  entry.alive = entry.starting = true;
  Publish("session.starting", entry);
  queue.push_back({.id = id, .spec = std::move(spec), .done = std::move(done)});
  Post([self = shared_from_this()] { self->Pump(); });
  return id;
}

void Supervisor::State::Pump() {
  while (!queue.empty() && static_cast<int>(flying.size()) < options.max_starts) {
    QueuedSpawn spawn = std::move(queue.front());
    queue.pop_front();
    Launch(std::move(spawn));
  }
}

void Supervisor::State::Launch(QueuedSpawn spawn) {
  ++spawn.tries;
  absl::StatusOr<OwnedFd> report = zygote->Request(spawn.id, SpecToJson(spawn.spec).dump() + "\n");
  IoError error;
  auto descriptor = std::make_unique<Descriptor>(io);
  if (report.ok()) descriptor->assign(report->get(), error);
  if (!report.ok() || error) {
    const std::string why = report.ok() ? error.message() : std::string(report.status().message());
    // It may have died a moment ago, and another one will be there.
    if (spawn.tries < kMaxTries) return LaunchSoon(std::move(spawn), -1, why);
    return FinishSpawn(spawn, kOwnFailure, why);
  }
  report->Release();
  const std::string id = spawn.id;
  flying[id] = {.spawn = std::move(spawn),
                .report = std::move(descriptor),
                .generation = zygote->generation()};
  AwaitReport(id);
}

void Supervisor::State::AwaitReport(const std::string& id) {
  flying[id].report->async_wait(Descriptor::wait_read,
                                [weak = weak_from_this(), id](const IoError& error) {
                                  const auto self = weak.lock();
                                  if (self != nullptr && !error) self->HandleReport(id);
                                });
}

void Supervisor::State::HandleReport(const std::string& id) {
  const auto it = flying.find(id);
  if (it == flying.end()) return;
  FlyingSpawn flown = std::move(it->second);
  flying.erase(it);
  MonitorReport report = {};
  ssize_t size;
  while ((size = read(flown.report->native_handle(), &report, sizeof(report))) < 0 &&
         errno == EINTR) {
  }
  if (size != sizeof(report)) {
    HandleNoReport(std::move(flown));
  } else {
    report.message[sizeof(report.message) - 1] = '\0';
    const bool taken = report.exit_code == kPlaceTaken;
    FinishSpawn(flown.spawn, taken ? kOwnFailure : report.exit_code, report.message, taken);
  }
  Pump();
}

// The monitor has died, or there never was one because the zygote died first: then once more. The
// end of the pipe says that no process is left that could still start this session.
void Supervisor::State::HandleNoReport(FlyingSpawn flown) {
  const bool published = store.Find(flown.spawn.id).ok();
  if (!published && flown.spawn.tries < kMaxTries && HasDied(*zygote, flown.generation)) {
    return queue.push_front(std::move(flown.spawn));
  }
  const std::string killed = "the session's monitor was killed";
  // The end of the zygote may be told after the end of its pipes.
  if (!published && flown.spawn.tries < kMaxTries) {
    return LaunchSoon(std::move(flown.spawn), flown.generation, killed);
  }
  FinishSpawn(flown.spawn, kOwnFailure, killed);
}

void Supervisor::State::LaunchSoon(QueuedSpawn spawn, int not_from, const std::string& otherwise) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io, kLaunchAgain);
  const std::string id = spawn.id;
  flying[id] = {.spawn = std::move(spawn), .report = nullptr, .generation = not_from};
  timer->async_wait([weak = weak_from_this(), id, otherwise, timer](const IoError& error) {
    const auto self = weak.lock();
    if (self == nullptr || error) return;
    const auto it = self->flying.find(id);
    if (it == self->flying.end()) return;
    FlyingSpawn waited = std::move(it->second);
    self->flying.erase(it);
    if (HasDied(*self->zygote, waited.generation)) {
      self->queue.push_front(std::move(waited.spawn));
    } else {
      self->FinishSpawn(waited.spawn, kOwnFailure, otherwise);
    }
    self->Pump();
  });
}

void Supervisor::State::FinishSpawn(const QueuedSpawn& spawn, int exit_code,
                                    const std::string& message, bool place_taken) {
  SpawnResult result = {.id = spawn.id,
                        .name = spawn.spec.name,
                        .exit_code = exit_code,
                        .message = message,
                        .place_taken = place_taken};
  SessionEntry* entry = FindEntry(spawn.id);
  result.stopped = exit_code != 0 && entry != nullptr && entry->stopping != nullptr;
  Post([done = spawn.done, result = std::move(result)] { done(result); });
  if (entry == nullptr) return;
  entry->starting = false;
  if (Load(spawn.id) == nullptr) {  // never published: nothing is left of it
    entry->alive = false;
    entry->record.state = SessionState::kFailed;
    entry->record.exit = SessionExit{.code = exit_code, .reason = "start failed: " + message};
    Publish("session.failed", *entry, message);
    HandleEnd(*entry);
    sessions.erase(spawn.id);
    return;
  }
  Publish(exit_code == 0 ? "session.started" : "session.failed", *entry, message);
  if (!entry->alive) return HandleEnd(*entry);
  if (entry->stopping != nullptr) BeginStop(*entry);
}

bool Supervisor::State::CancelQueued(const std::string& id) {
  const auto it = std::find_if(queue.begin(), queue.end(),
                               [&](const QueuedSpawn& spawn) { return spawn.id == id; });
  if (it == queue.end()) return false;
  const QueuedSpawn spawn = std::move(*it);
  queue.erase(it);
  FinishSpawn(spawn, kOwnFailure, "stopped before it was started");
  return true;
}

}  // namespace sessionctl
