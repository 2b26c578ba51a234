#include "policy/environment_rules.h"

namespace sessionctl {

bool PassesVariable(const EnvironmentPolicy& rules, std::string_view name) {
  for (const std::string_view pattern : rules.pass) {
    if (!pattern.empty() && pattern.back() == '*') {
      const std::string_view prefix = pattern.substr(0, pattern.size() - 1);
      if (name.substr(0, prefix.size()) == prefix) return true;
    } else if (pattern == name) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> PassingVariables(const EnvironmentPolicy& rules,
                                          const std::vector<std::string>& caller) {
  std::vector<std::string> passing;
  for (const std::string& entry : caller) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    if (PassesVariable(rules, entry.substr(0, equals))) passing.push_back(entry);
  }
  return passing;
}

}  // namespace sessionctl
