// Reads [deployment] and [[session]]: what policy_parser, the only caller, leaves to this pair.
#ifndef POLICY_DEPLOYMENT_PARSER_H_
#define POLICY_DEPLOYMENT_PARSER_H_

#include <toml++/toml.h>

#include "absl/status/status.h"
#include "policy/deployment.h"
#include "policy/toml_reader.h"

namespace sessionctl {

// [deployment].
absl::Status ReadDeployment(const ValueReader& reader, const toml::node& node,
                            Deployment* deployment);
// [[session]].
absl::Status ReadSessions(const ValueReader& reader, const toml::node& node,
                          Deployment* deployment);
// What only the whole file shows, whose top level is `table`.
absl::Status CheckDeployment(const ValueReader& reader, const toml::table& table,
                             const Deployment& deployment);

}  // namespace sessionctl

#endif  // POLICY_DEPLOYMENT_PARSER_H_
