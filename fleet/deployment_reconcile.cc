// Reconcile and RestartDelay (deployment_plan.h).
#include <algorithm>
#include <set>

#include "fleet/deployment_places.h"
#include "fleet/deployment_plan.h"

namespace sessionctl {
namespace {

void LookAgain(Milliseconds after, Actions* actions) {
  actions->again = std::min(actions->again.value_or(after), after);
}

// Goes through the places of one deployment and notes what to do.
class Reconciler {
 public:
  Reconciler(const WantedDeployment& wanted, const std::vector<PlacedSession>& found,
             const std::vector<PlaceName>& starting)
      : wanted_(wanted),
        definitions_(DefinitionIds(wanted.deployment)),
        places_(GroupByPlace(found, definitions_)),
        starting_(starting.begin(), starting.end()) {}

  Actions Run() {
    if (!wanted_.removing) {
      for (const DeploymentSession& session : wanted_.deployment.sessions) {
        for (int replica = 1; replica <= session.replicas; ++replica) {
          LookAtWanted(session, {session.name, replica});
        }
      }
    }
    for (const auto& [name, place] : places_) {
      if (!wanted_places_.contains(name)) LookAtUnwanted(name, place);
    }
    actions_.gone = wanted_.removing && places_.empty() && starting_.empty();
    return std::move(actions_);
  }

 private:
  void LookAtWanted(const DeploymentSession& session, const PlaceName& name) {
    wanted_places_.insert(name);
    const auto found = places_.find(name);
    const PlaceSessions place = found == places_.end() ? PlaceSessions() : found->second;
    for (const PlacedSession* surplus : place.surplus) Stop(*surplus);
    for (const PlacedSession* obsolete : place.obsolete) actions_.remove.push_back(obsolete->id);
    PlaceStatus status = {.place = name};
    if (place.alive != nullptr) {
      LookAtLiving(session, *place.alive, &status);
    } else if (starting_.contains(name)) {
      status.state = PlaceState::kWaiting;
    } else if (place.ended == nullptr) {
      Start(session, name, 0, 0);
    } else {
      LookAtEnded(session, *place.ended, &status);
    }
    actions_.places.push_back(std::move(status));
  }

  void LookAtLiving(const DeploymentSession& session, const PlacedSession& alive,
                    PlaceStatus* status) {
    status->id = alive.id;
    status->restarts = alive.place.restarts;
    status->failures = alive.place.failures;
    if (alive.stopping || alive.place.definition != definitions_.at(session.name)) {
      status->state = PlaceState::kStopping;
      Stop(alive);
      return;
    }
    status->state = alive.ready ? PlaceState::kRunning : PlaceState::kStarting;
    if (alive.ready || session.start_timeout == kUnlimited) return;
    const Milliseconds left = Milliseconds(session.start_timeout) - alive.age;
    if (left.count() > 0) {
      LookAgain(left, &actions_);
    } else {
      actions_.kill.push_back(alive.id);
    }
  }

  void LookAtEnded(const DeploymentSession& session, const PlacedSession& ended,
                   PlaceStatus* status) {
    status->id = ended.id;
    status->exit = ended.exit;
    status->restarts = ended.place.restarts;
    status->state = StateAfter(session.restart, ended);
    status->failures = FailuresAfter(session.restart, ended);
    const bool same = ended.place.definition == definitions_.at(session.name);
    const bool retried = wanted_.retried.contains(ended.id);
    if (!same || (retried && status->state != PlaceState::kCompleted)) {
      status->state = PlaceState::kWaiting;
      Start(session, status->place, 0, 0);
    } else if (status->state == PlaceState::kBackoff) {
      WaitOrStart(session, ended, status);
    }
  }

  void WaitOrStart(const DeploymentSession& session, const PlacedSession& ended,
                   PlaceStatus* status) {
    const Milliseconds delay = RestartDelay(session.restart, status->failures);
    // An end that seems to lie in the future is the clock's doing.
    const Milliseconds left = delay - std::max(ended.age, Milliseconds(0));
    if (left.count() <= 0) {
      status->state = PlaceState::kWaiting;
      Start(session, status->place, ended.place.restarts + 1, status->failures);
      return;
    }
    status->restart_in = left;
    LookAgain(left, &actions_);
  }

  void LookAtUnwanted(const PlaceName& name, const PlaceSessions& place) {
    if (place.ended != nullptr) actions_.remove.push_back(place.ended->id);
    for (const PlacedSession* obsolete : place.obsolete) actions_.remove.push_back(obsolete->id);
    for (const PlacedSession* surplus : place.surplus) Stop(*surplus);
    if (place.alive == nullptr) return;
    Stop(*place.alive);
    actions_.places.push_back(
        {.place = name, .state = PlaceState::kStopping, .id = place.alive->id});
  }

  void Stop(const PlacedSession& session) {
    if (!session.stopping) actions_.stop.push_back(session.id);
  }

  void Start(const DeploymentSession& session, const PlaceName& name, int restarts, int failures) {
    actions_.start.push_back({{.deployment = wanted_.deployment.name,
                               .session = name.first,
                               .replica = name.second,
                               .restarts = restarts,
                               .failures = failures,
                               .version = wanted_.version,
                               .definition = definitions_.at(session.name)}});
  }

  const WantedDeployment& wanted_;
  const std::map<std::string, std::string> definitions_;
  const std::map<PlaceName, PlaceSessions> places_;
  const std::set<PlaceName> starting_;
  std::set<PlaceName> wanted_places_;
  Actions actions_;
};

}  // namespace

const char* PlaceStateName(PlaceState state) {
  switch (state) {
    case PlaceState::kWaiting: return "waiting";
    case PlaceState::kStarting: return "starting";
    case PlaceState::kRunning: return "running";
    case PlaceState::kStopping: return "stopping";
    case PlaceState::kBackoff: return "backoff";
    case PlaceState::kCompleted: return "completed";
    case PlaceState::kFailed: return "failed";
    case PlaceState::kCrashLoop: return "crash-loop";
    case PlaceState::kStopped: return "stopped";
  }
  return "?";
}

Milliseconds RestartDelay(const RestartRule& rule, int failures) {
  if (failures <= 0) return Milliseconds(0);
  int64_t delay = rule.delay;
  for (int i = 1; i < failures && delay < rule.delay_max; ++i) delay *= 2;
  return Milliseconds(std::min(delay, rule.delay_max));
}

Actions Reconcile(const WantedDeployment& wanted, const std::vector<PlacedSession>& found,
                  const std::vector<PlaceName>& starting) {
  return Reconciler(wanted, found, starting).Run();
}

}  // namespace sessionctl
