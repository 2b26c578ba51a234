// Which of a caller's environment variables a policy passes on. Pure.
#ifndef POLICY_ENVIRONMENT_RULES_H_
#define POLICY_ENVIRONMENT_RULES_H_

#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace sessionctl {

bool PassesVariable(const EnvironmentPolicy& rules, std::string_view name);

// The entries of `caller` ("K=V") that pass.
std::vector<std::string> PassingVariables(const EnvironmentPolicy& rules,
                                          const std::vector<std::string>& caller);

}  // namespace sessionctl

#endif  // POLICY_ENVIRONMENT_RULES_H_
