#include "fleet/deployment_places.h"

#include <tuple>

#include "policy/deployment_policy.h"

namespace sessionctl {
namespace {

// Versions and restarts count upwards whatever the clock does.
bool IsLater(const PlacedSession& a, const PlacedSession& b) {
  return std::tie(a.place.version, a.place.restarts, a.created, a.id) >
         std::tie(b.place.version, b.place.restarts, b.created, b.id);
}

void AddAlive(const PlacedSession& session, const std::string& definition, PlaceSessions* place) {
  if (place->alive == nullptr) {
    place->alive = &session;
    return;
  }
  const bool current = session.place.definition == definition;
  const bool other_current = place->alive->place.definition == definition;
  const bool better = current != other_current ? current : IsLater(*place->alive, session);
  place->surplus.push_back(better ? place->alive : &session);
  if (better) place->alive = &session;
}

void AddEnded(const PlacedSession& session, PlaceSessions* place) {
  if (place->ended == nullptr) {
    place->ended = &session;
    return;
  }
  const bool later = IsLater(session, *place->ended);
  place->obsolete.push_back(later ? place->ended : &session);
  if (later) place->ended = &session;
}

bool Succeeded(const PlacedSession& ended) {
  return ended.exit && ended.exit->code == 0 && !ended.exit->signal;
}

}  // namespace

std::map<PlaceName, PlaceSessions> GroupByPlace(
    const std::vector<PlacedSession>& found,
    const std::map<std::string, std::string>& definitions) {
  std::map<PlaceName, PlaceSessions> places;
  for (const PlacedSession& session : found) {
    PlaceSessions& place = places[{session.place.session, session.place.replica}];
    if (!session.alive) {
      AddEnded(session, &place);
      continue;
    }
    const auto definition = definitions.find(session.place.session);
    AddAlive(session, definition == definitions.end() ? "" : definition->second, &place);
  }
  return places;
}

std::map<std::string, std::string> DefinitionIds(const Deployment& deployment) {
  std::map<std::string, std::string> ids;
  for (const DeploymentSession& session : deployment.sessions) {
    ids[session.name] = DefinitionId(deployment, session);
  }
  return ids;
}

int FailuresAfter(const RestartRule& rule, const PlacedSession& ended) {
  const bool healthy = ended.ready && ended.run >= Milliseconds(rule.healthy_after);
  return healthy ? 0 : ended.place.failures + 1;
}

PlaceState StateAfter(const RestartRule& rule, const PlacedSession& ended) {
  if (ended.exit && ended.exit->reason == "stopped") return PlaceState::kStopped;
  const bool again = rule.when == RestartWhen::kAlways ||
                     (rule.when == RestartWhen::kOnFailure && !Succeeded(ended));
  if (!again) return Succeeded(ended) ? PlaceState::kCompleted : PlaceState::kFailed;
  const bool loops = rule.limit > 0 && FailuresAfter(rule, ended) >= rule.limit;
  return loops ? PlaceState::kCrashLoop : PlaceState::kBackoff;
}

}  // namespace sessionctl
