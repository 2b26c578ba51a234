// Deployments as the control API tells them.
#ifndef FLEET_DEPLOYMENT_JSON_H_
#define FLEET_DEPLOYMENT_JSON_H_

#include <vector>

#include "fleet/deployment_manager.h"
#include "nlohmann/json_fwd.hpp"

namespace sessionctl {

nlohmann::ordered_json PlanToJson(const std::vector<PlanLine>& plan);

// `summary`: without each place and without the deployment as TOML.
nlohmann::ordered_json DeploymentToJson(const DeploymentView& view, bool summary);

}  // namespace sessionctl

#endif  // FLEET_DEPLOYMENT_JSON_H_
