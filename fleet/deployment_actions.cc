// How the deployment manager looks at a deployment and does what Reconcile says.
#include <algorithm>
#include <utility>

#include "fleet/deployment_state.h"
#include "policy/deployment_policy.h"

namespace sessionctl {
namespace {

using Clock = std::chrono::steady_clock;

// In the supervisor's queue at once: what else is started waits behind so many at most, and what is
// not wanted any more has not been queued yet.
constexpr int kMaxFlying = 32;
constexpr Milliseconds kNoRoomPause(1'000);
constexpr Milliseconds kHoldFirst(100);
constexpr Milliseconds kHoldLongest(5'000);

Milliseconds Since(SteadyTime then) {
  return std::chrono::duration_cast<Milliseconds>(Clock::now() - then);
}

bool IsProbed(const DeploymentSession* session) {
  return session != nullptr && !(session->ready.file.empty() && session->ready.output.empty());
}

}  // namespace

// Looking costs as much as there are sessions, and happenings come in bursts: at most a third of
// the time is spent on it.
void DeploymentManager::State::Schedule(DeploymentEntry& entry, Milliseconds after) {
  const SteadyTime at = Clock::now() + std::max(after, 2 * entry.cost);
  if (entry.look_at.has_value() && *entry.look_at <= at) return;
  entry.look_at = at;
  entry.timer.expires_at(at);
  entry.timer.async_wait([weak = weak_from_this(), name = entry.stored.wanted.deployment.name](
                             const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self != nullptr && !error) self->Look(name);
  });
}

std::vector<PlacedSession> DeploymentManager::State::FindSessions(const std::string& name) {
  Selector selector;
  selector.deployment = name;
  const auto entry = entries.find(name);
  std::vector<PlacedSession> found;
  for (const KnownSession& session : supervisor.List(selector)) {
    const DeploymentSession* definition =
        entry == entries.end()
            ? nullptr
            : FindSession(entry->second->stored.wanted.deployment, session.record.place.session);
    found.push_back(memory.Place(session, IsProbed(definition)));
  }
  if (entry == entries.end()) return found;
  for (auto& [place, failed] : entry->second->failed) {
    found.push_back(failed.session);
    found.back().age = Since(failed.at);
  }
  return found;
}

Actions DeploymentManager::State::Decide(DeploymentEntry& entry) {
  std::vector<PlaceName> starting(entry.flying.begin(), entry.flying.end());
  for (const auto& [place, held] : entry.held) {
    if (Clock::now() < held.until) starting.push_back(place);
  }
  return Reconcile(entry.stored.wanted, FindSessions(entry.stored.wanted.deployment.name),
                   starting);
}

void DeploymentManager::State::Look(const std::string& name) {
  const auto found = entries.find(name);
  if (found == entries.end() || draining) return;
  DeploymentEntry& entry = *found->second;
  const SteadyTime begun = Clock::now();
  entry.look_at.reset();
  const Actions actions = Decide(entry);
  entry.cost = Since(begun);
  TellChanges(entry, actions.places);
  entry.places = actions.places;
  if (actions.gone) return Forget(name);
  Act(entry, actions);
  if (actions.again.has_value()) Schedule(entry, *actions.again);
  ProbeSoon(Milliseconds(0));
}

void DeploymentManager::State::Act(DeploymentEntry& entry, const Actions& actions) {
  const auto ignore = [](const absl::Status&) {};  // the next look sees what became of it
  for (const std::string& id : actions.kill) {
    supervisor.Stop(id, Milliseconds(0), ignore, "start_timeout");
  }
  for (const std::string& id : actions.stop) supervisor.Stop(id, std::nullopt, ignore);
  for (const std::string& id : actions.remove) {
    if (std::erase_if(entry.failed,
                      [&id](const auto& each) { return each.second.session.id == id; }) > 0) {
      Schedule(entry, Milliseconds(0));
    } else {
      supervisor.Remove(id).IgnoreError();  // as above
    }
  }
  Start(entry, actions.start);
}

void DeploymentManager::State::Start(DeploymentEntry& entry,
                                     const std::vector<PlaceStart>& starts) {
  if (entry.held.empty()) entry.message.clear();
  const int room = std::min(static_cast<int>(starts.size()), kMaxFlying - flying);
  entry.crowded_out = room < static_cast<int>(starts.size());
  if (room <= 0) return;
  if (const absl::Status admitted = supervisor.Admit(room); !admitted.ok()) {
    entry.message = std::string(admitted.message());
    return Schedule(entry, kNoRoomPause);
  }
  const std::string name = entry.stored.wanted.deployment.name;
  for (int i = 0; i < room; ++i) {
    const SessionPlace& place = starts[static_cast<size_t>(i)].place;
    entry.flying.insert({place.session, place.replica});
    ++flying;
    supervisor.Spawn(MakeSpec(entry.stored, place),
                     [weak = weak_from_this(), name, place](const SpawnResult& result) {
                       if (const auto self = weak.lock()) self->HandleStart(name, place, result);
                     });
  }
}

void DeploymentManager::State::HandleStart(const std::string& name, const SessionPlace& place,
                                           const SpawnResult& result) {
  --flying;
  for (auto& [other, entry] : entries) {
    if (std::exchange(entry->crowded_out, false)) Schedule(*entry, Milliseconds(0));
  }
  const auto found = entries.find(name);
  if (found == entries.end()) return;
  DeploymentEntry& entry = *found->second;
  const PlaceName where = {place.session, place.replica};
  entry.flying.erase(where);
  if (result.place_taken) {
    HeldPlace& held = entry.held[where];
    held.delay = std::clamp(2 * held.delay, kHoldFirst, kHoldLongest);
    held.until = Clock::now() + held.delay;
    entry.message = result.message;
    return Schedule(entry, held.delay);
  }
  entry.held.erase(where);
  if (result.exit_code != 0 && absl::IsNotFound(supervisor.Find(result.id).status())) {
    const std::string reason = result.stopped ? "stopped" : "start failed: " + result.message;
    entry.failed[where] = {
        .session = {.id = result.id,
                    .place = place,
                    .created = CurrentTimestamp(),
                    .exit = SessionExit{.code = result.exit_code, .reason = reason}},
        .at = Clock::now()};
  }
  Schedule(entry, Milliseconds(0));
}

// What a person would want to be told, once.
void DeploymentManager::State::TellChanges(const DeploymentEntry& entry,
                                           const std::vector<PlaceStatus>& places) {
  std::map<PlaceName, PlaceState> before;
  if (entry.places.has_value()) {
    for (const PlaceStatus& place : *entry.places) before[place.place] = place.state;
  }
  for (const PlaceStatus& place : places) {
    const auto was = before.find(place.place);
    if (was != before.end() && was->second == place.state) continue;
    const bool told = place.state == PlaceState::kBackoff ||
                      place.state == PlaceState::kCrashLoop || place.state == PlaceState::kFailed;
    if (!told) continue;
    supervisor.Publish({.type = std::string("place.") + PlaceStateName(place.state),
                        .session = place.id,
                        .place = {.deployment = entry.stored.wanted.deployment.name,
                                  .session = place.place.first,
                                  .replica = place.place.second},
                        .exit = place.exit});
  }
}

void DeploymentManager::State::Forget(const std::string& name) {
  if (const absl::Status removed = store->Remove(name); !removed.ok()) {
    DeploymentEntry& entry = *entries.at(name);
    entry.message = std::string(removed.message());
    return Schedule(entry, kNoRoomPause);
  }
  entries.erase(name);
  Publish("deployment.removed", name, "");
}

}  // namespace sessionctl
