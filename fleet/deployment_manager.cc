#include "fleet/deployment_manager.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fleet/deployment_state.h"
#include "policy/deployment_policy.h"

namespace sessionctl {
namespace {

constexpr Milliseconds kSettle(15);  // what happens together is looked at once

int StartsIn(const std::vector<PlanLine>& plan) {
  int starts = 0;
  for (const PlanLine& line : plan) {
    if (line.action == PlanAction::kStart) starts += static_cast<int>(line.replicas.size());
  }
  return starts;
}

// Beyond every version that a session was started under, should the file have been lost.
int NextVersion(int version, const std::vector<PlacedSession>& found) {
  for (const PlacedSession& session : found) version = std::max(version, session.place.version);
  return version + 1;
}

std::set<std::string> EndedOrEnding(const std::vector<PlacedSession>& found) {
  std::set<std::string> ids;
  for (const PlacedSession& session : found) {
    if (!session.alive || session.stopping) ids.insert(session.id);
  }
  return ids;
}

bool IsSettled(PlaceState state) {
  return state == PlaceState::kRunning || state == PlaceState::kCompleted ||
         state == PlaceState::kFailed || state == PlaceState::kCrashLoop ||
         state == PlaceState::kStopped;
}

}  // namespace

DeploymentManager::DeploymentManager(Supervisor& supervisor, boost::asio::thread_pool& pool)
    : state_(std::make_shared<State>(supervisor, pool)) {}

DeploymentManager::~DeploymentManager() {
  if (state_->watch) state_->supervisor.Unwatch(*state_->watch);
}

absl::Status DeploymentManager::Open() {
  State& state = *state_;
  absl::StatusOr<DeploymentStore> store = DeploymentStore::Open(state.supervisor.store());
  if (!store.ok()) return state.unusable = store.status();
  state.store = *std::move(store);
  DeploymentListing listing = state.store->List();
  for (const std::string& message : listing.messages) {
    state.Publish("deployment.unreadable", "", message);
  }
  state.later_versions = {listing.later_versions.begin(), listing.later_versions.end()};
  state.watch = state.supervisor.Watch([weak = state.weak_from_this()](const FleetEvent& event) {
    if (const auto self = weak.lock()) self->HandleEvent(event);
  });
  for (StoredDeployment& stored : listing.deployments) {
    DeploymentEntry& entry = state.EntryOf(stored.wanted.deployment.name);
    entry.stored = std::move(stored);
    state.Schedule(entry, Milliseconds(0));
  }
  return absl::OkStatus();
}

DeploymentEntry& DeploymentManager::State::EntryOf(const std::string& name) {
  std::unique_ptr<DeploymentEntry>& entry = entries[name];
  if (entry == nullptr) {
    entry = std::make_unique<DeploymentEntry>(io);
    entry->stored.wanted.version = 0;
    entry->stored.wanted.deployment.name = name;
  }
  return *entry;
}

absl::Status DeploymentManager::State::CheckName(const std::string& name) const {
  if (!store.has_value()) return unusable;
  if (draining) return absl::UnavailableError("the supervisor is leaving");
  if (!later_versions.contains(name)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("deployment \"", name, "\" was applied by a later version of sessionctl"));
}

void DeploymentManager::State::Publish(const std::string& type, const std::string& name,
                                       const std::string& message) {
  supervisor.Publish({.type = type, .place = {.deployment = name}, .message = message});
}

// A deployment of which sessions live, but whose file was lost, has no entry and is yet there.
void DeploymentManager::State::HandleEvent(const FleetEvent& event) {
  if (event.type == "session.started") memory.NoteStarted(event.session);
  if (event.type == "session.ended") memory.NoteEnded(event.session);
  if (event.type == "session.removed") memory.Forget(event.session);
  if (event.place.deployment.empty() || !event.type.starts_with("session.")) return;
  const auto found = entries.find(event.place.deployment);
  if (found != entries.end()) Schedule(*found->second, kSettle);
}

absl::Status DeploymentManager::State::Keep(const StoredDeployment& stored) {
  absl::Status written = store->Write(stored);
  if (!written.ok()) return written;
  DeploymentEntry& entry = EntryOf(stored.wanted.deployment.name);
  entry.stored = stored;
  entry.failed.clear();
  Schedule(entry, Milliseconds(0));
  return absl::OkStatus();
}

absl::StatusOr<AppliedDeployment> DeploymentManager::State::Apply(
    Deployment deployment, std::vector<std::string> environment, bool dry) {
  const std::string name = deployment.name;
  if (absl::Status usable = CheckName(name); !usable.ok()) return usable;
  std::optional<WantedDeployment> before;
  const auto entry = entries.find(name);
  if (entry != entries.end()) before = entry->second->stored.wanted;
  const std::vector<PlacedSession> found = FindSessions(name);
  AppliedDeployment applied = {.name = name,
                               .version = before ? before->version : 0,
                               .plan = PlanDeployment(before, deployment, found)};
  if (const int starts = StartsIn(applied.plan); starts > 0) {
    if (absl::Status room = supervisor.Admit(starts); !room.ok()) return room;
  }
  if (dry) return applied;
  applied.version = NextVersion(applied.version, found);
  const StoredDeployment stored = {.wanted = {.deployment = std::move(deployment),
                                              .version = applied.version,
                                              .retried = EndedOrEnding(found)},
                                   .environment = std::move(environment)};
  if (absl::Status kept = Keep(stored); !kept.ok()) return kept;
  Publish("deployment.applied", name, absl::StrCat("version ", applied.version));
  return applied;
}

absl::StatusOr<AppliedDeployment> DeploymentManager::Apply(Deployment deployment,
                                                           std::vector<std::string> environment,
                                                           bool dry) {
  return state_->Apply(std::move(deployment), std::move(environment), dry);
}

absl::StatusOr<AppliedDeployment> DeploymentManager::Scale(
    const std::string& name, const std::map<std::string, int>& replicas, bool dry) {
  const auto entry = state_->entries.find(name);
  if (entry == state_->entries.end() || entry->second->stored.wanted.removing) {
    return absl::NotFoundError(absl::StrCat("no deployment \"", name, "\""));
  }
  Deployment deployment = entry->second->stored.wanted.deployment;
  int64_t sum = 0;
  size_t changed = 0;
  for (DeploymentSession& session : deployment.sessions) {
    const auto number = replicas.find(session.name);
    if (number != replicas.end()) {
      session.replicas = number->second;
      ++changed;
    }
    sum += session.replicas;
  }
  for (const auto& [session, number] : replicas) {
    if (changed == replicas.size()) break;
    if (FindSession(deployment, session) == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("deployment \"", name, "\" has no session \"", session, "\""));
    }
  }
  if (sum > kMaxReplicas) {
    return absl::InvalidArgumentError(
        absl::StrCat(sum, " sessions in all are more than ", kMaxReplicas));
  }
  return state_->Apply(std::move(deployment), entry->second->stored.environment, dry);
}

absl::Status DeploymentManager::Remove(const std::string& name) {
  if (absl::Status usable = state_->CheckName(name); !usable.ok()) return usable;
  const auto found = state_->entries.find(name);
  if (found != state_->entries.end()) {
    StoredDeployment stored = found->second->stored;
    if (stored.wanted.removing) return absl::OkStatus();
    stored.wanted.removing = true;
    if (absl::Status kept = state_->Keep(stored); !kept.ok()) return kept;
  } else {
    // Its file was lost; its sessions are there.
    if (state_->FindSessions(name).empty()) {
      return absl::NotFoundError(absl::StrCat("no deployment \"", name, "\""));
    }
    DeploymentEntry& entry = state_->EntryOf(name);
    entry.stored.wanted.removing = true;
    state_->Schedule(entry, Milliseconds(0));
  }
  state_->Publish("deployment.removing", name, "");
  return absl::OkStatus();
}

std::vector<std::string> DeploymentManager::Names() const {
  std::vector<std::string> names;
  names.reserve(state_->entries.size());
  for (const auto& [name, entry] : state_->entries) names.push_back(name);
  return names;
}

absl::StatusOr<DeploymentView> DeploymentManager::Inspect(const std::string& name) {
  const auto found = state_->entries.find(name);
  if (found == state_->entries.end()) {
    return absl::NotFoundError(absl::StrCat("no deployment \"", name, "\""));
  }
  DeploymentEntry& entry = *found->second;
  return DeploymentView{.wanted = entry.stored.wanted,
                        .places = state_->Decide(entry).places,
                        .message = entry.message};
}

bool DeploymentManager::busy() const {
  for (const auto& [name, entry] : state_->entries) {
    if (!entry->places.has_value()) return true;
    const auto unsettled = [](const PlaceStatus& place) { return !IsSettled(place.state); };
    if (entry->stored.wanted.removing || entry->look_at.has_value() ||
        std::any_of(entry->places->begin(), entry->places->end(), unsettled)) {
      return true;
    }
  }
  return false;
}

void DeploymentManager::Drain() { state_->draining = true; }

}  // namespace sessionctl
