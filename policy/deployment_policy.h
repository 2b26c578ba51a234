// What a deployment comes to: the policy of each of its sessions, which of its sessions changed,
// and the deployment as a file again. Pure functions; any thread.
#ifndef POLICY_DEPLOYMENT_POLICY_H_
#define POLICY_DEPLOYMENT_POLICY_H_

#include <map>
#include <string>
#include <vector>

#include "policy/deployment.h"

namespace sessionctl {

// The policy of replica `replica` (from 1) of `session`: the file's own with the session's mounts
// (one of the same host replaces the file's), limits and environment. {replica} and {deployment}
// expand in mount hosts, the working directory and the session's environment; with replica 0,
// {replica} stays. {session} and {user} are the compiler's.
SessionPolicy PolicyOf(const Deployment& deployment, const DeploymentSession& session, int replica);

// Null: there is none of that name.
const DeploymentSession* FindSession(const Deployment& deployment, const std::string& name);

// The labels of its sessions: those of the deployment, and over them its own.
std::map<std::string, std::string> LabelsOf(const Deployment& deployment,
                                            const DeploymentSession& session);

// `text` with {replica} and {deployment} expanded, as above.
std::string ExpandReplica(std::string text, const Deployment& deployment, int replica);

// Thirty-two hexadecimal digits that stand for all a session is started with. The same for all
// replicas; another when a session that runs has to be replaced.
std::string DefinitionId(const Deployment& deployment, const DeploymentSession& session);

// The keys whose values differ: "command", "limits.memory", "mount" … `replaces`: only those that
// make another definition, else only the others.
std::vector<std::string> ChangedKeys(const Deployment& before, const DeploymentSession& was,
                                     const Deployment& after, const DeploymentSession& is,
                                     bool replaces);

// As TOML that ParseDeployment reads back to the same values (but for where they were written).
std::string DeploymentToToml(const Deployment& deployment);

}  // namespace sessionctl

#endif  // POLICY_DEPLOYMENT_POLICY_H_
