// An event as the control API tells it.
#ifndef FLEET_EVENT_JSON_H_
#define FLEET_EVENT_JSON_H_

#include "fleet/supervisor.h"
#include "nlohmann/json_fwd.hpp"

namespace sessionctl {

nlohmann::ordered_json EventToJson(const FleetEvent& event);

}  // namespace sessionctl

#endif  // FLEET_EVENT_JSON_H_
