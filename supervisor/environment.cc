// ResolveEnvironment and ProgramPaths (broker.h): a clean environment by default, and what the
// policy passes or sets.
#include <pwd.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "policy/environment_rules.h"
#include "supervisor/broker.h"

namespace sessionctl {
namespace {

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Where temporary files and a home can be: the first mount that may be written.
std::string WritableDirectory(const CompiledPolicy& policy) {
  for (const Mount& mount : policy.policy.mounts) {
    if (mount.is_writable()) return mount.guest;
  }
  return policy.working_directory;
}

}  // namespace

std::vector<std::string> ResolveEnvironment(const CompiledPolicy& policy,
                                            const std::vector<std::string>& caller,
                                            const std::string& session) {
  std::map<std::string, std::string> values;
  values["PATH"] = kDefaultPath;
  values["HOME"] = values["TMPDIR"] = WritableDirectory(policy);
  for (const CompiledMount& each : policy.mounts) {
    if (each.is_private_tmp) values["TMPDIR"] = each.mount.guest;
  }
  values["PWD"] = policy.working_directory;
  values["LANG"] = "C.UTF-8";
  if (const passwd* user = getpwuid(policy.identity.uid); user != nullptr) {
    values["USER"] = values["LOGNAME"] = user->pw_name;
  }
  const EnvironmentPolicy& rules = policy.policy.environment;
  for (const std::string& entry : PassingVariables(rules, caller)) {
    const size_t equals = entry.find('=');
    values[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  for (const auto& [name, value] : rules.set) {
    values[name] = absl::StrReplaceAll(value, {{"{session}", session}});
  }
  std::vector<std::string> environment;
  environment.reserve(values.size());
  for (const auto& [name, value] : values) environment.push_back(absl::StrCat(name, "=", value));
  return environment;
}

std::vector<std::string> ProgramPaths(const std::string& command,
                                      const std::vector<std::string>& environment) {
  if (command.find('/') != std::string::npos) return {command};
  std::string search;
  for (const std::string& entry : environment) {
    if (entry.compare(0, 5, "PATH=") == 0) search = entry.substr(5);
  }
  std::vector<std::string> paths;
  size_t at = 0;
  while (at <= search.size()) {
    size_t end = std::min(search.find(':', at), search.size());
    std::string directory = search.substr(at, end - at);
    paths.push_back((directory.empty() ? "." : directory) + "/" + command);
    at = end + 1;
  }
  return paths;
}

}  // namespace sessionctl
