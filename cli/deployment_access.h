// What the subcommands share that deal with deployments.
#ifndef CLI_DEPLOYMENT_ACCESS_H_
#define CLI_DEPLOYMENT_ACCESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "fleet/control_client.h"
#include "policy/deployment.h"

namespace sessionctl {

// A deployment or policy file, on top of what lies beneath every policy: `default`, where it names
// no profile itself. Errors: those of LoadDeploymentFile.
absl::StatusOr<Deployment> LoadWithDefault(const std::string& path);

std::string DeploymentTarget(const std::string& name, const std::string& verb = "");

// Prints the plan of an answer to apply or scale, or with `as_json` the answer itself, then waits
// until every place runs or has ended, with progress on standard error. 0: all run or completed;
// else 1, and each that does not is named. `wait` false: only prints.
int PrintAppliedAndWait(const ControlClient& client, const std::string& answer, bool as_json,
                        bool wait);

// Waits until a deployment is gone.
int AwaitGone(const ControlClient& client, const std::string& name);

}  // namespace sessionctl

#endif  // CLI_DEPLOYMENT_ACCESS_H_
