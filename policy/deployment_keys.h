// Every key of [deployment] and [[session]], once, as in policy_keys.h. Constant after first use;
// any thread.
#ifndef POLICY_DEPLOYMENT_KEYS_H_
#define POLICY_DEPLOYMENT_KEYS_H_

#include <string>
#include <vector>

#include "policy/deployment.h"
#include "policy/policy_keys.h"

namespace sessionctl {

const std::vector<PolicyKey<Deployment>>& DeploymentKeys();

// With the section "ready" for [session.ready]; [session.limits] and [[session.mount]] have the
// keys of [limits] and [[mount]].
const std::vector<PolicyKey<DeploymentSession>>& DeploymentSessionKeys();

// Does a change of this key, of an empty section or not, replace the sessions that run? What only
// tells the supervisor what to do does not.
bool IsDefinitionKey(const PolicyKey<DeploymentSession>& key);

// What is wrong with the name of a deployment or session; "" when nothing is.
std::string CheckFleetName(const std::string& name);

}  // namespace sessionctl

#endif  // POLICY_DEPLOYMENT_KEYS_H_
