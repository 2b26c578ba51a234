// The sessions of a deployment by their places: what Reconcile and PlanDeployment both begin with.
// Pure; any thread.
#ifndef FLEET_DEPLOYMENT_PLACES_H_
#define FLEET_DEPLOYMENT_PLACES_H_

#include <map>
#include <string>
#include <vector>

#include "fleet/deployment_plan.h"

namespace sessionctl {

// The sessions of one place.
struct PlaceSessions {
  const PlacedSession* alive = nullptr;        // the one to keep, when several live
  std::vector<const PlacedSession*> surplus;   // that live beside it
  const PlacedSession* ended = nullptr;        // the latest that ended
  std::vector<const PlacedSession*> obsolete;  // that ended before
};

// `definitions`: the DefinitionId of each [[session]] by name; of two sessions that live, the one
// with the definition of today is kept, then the one that was there first.
std::map<PlaceName, PlaceSessions> GroupByPlace(
    const std::vector<PlacedSession>& found, const std::map<std::string, std::string>& definitions);

std::map<std::string, std::string> DefinitionIds(const Deployment& deployment);

// Short runs in a row, `ended` included.
int FailuresAfter(const RestartRule& rule, const PlacedSession& ended);

// What an ended session means for its place when nothing has changed: kBackoff (to be started
// again, now or later), kCompleted, kFailed, kCrashLoop or kStopped.
PlaceState StateAfter(const RestartRule& rule, const PlacedSession& ended);

}  // namespace sessionctl

#endif  // FLEET_DEPLOYMENT_PLACES_H_
