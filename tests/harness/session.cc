#include "tests/harness/session.h"

#include <algorithm>
#include <cstdlib>

#include "tests/harness/user_and_view.h"

namespace harness {
namespace {

std::string FromEnvironment(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value != nullptr && *value != 0 ? value : otherwise;
}

void Append(std::vector<std::string>& argv, const char* flag,
            const std::vector<std::string>& values) {
  for (const std::string& value : values) {
    argv.push_back(flag);
    argv.push_back(value);
  }
}

// By its name, or by what only a private one gives: a guest path, an overlay, room for mounts.
bool ChoosesView(const SessionFlags& flags) {
  const auto needs_private = [](const std::string& mount) {
    return mount.find(":/") != std::string::npos || mount.find(":overlay") != std::string::npos;
  };
  const auto chooses = [](const std::string& flag) {
    return flag == "--view" || flag == "--reserve";
  };
  return std::any_of(flags.mounts.begin(), flags.mounts.end(), needs_private) ||
         std::any_of(flags.extra.begin(), flags.extra.end(), chooses);
}

}  // namespace

std::string SessionctlPath() { return FromEnvironment("SESSIONCTL", Built("sessionctl")); }

std::string TestcasePath(const std::string& name) {
  return FromEnvironment("SESSIONCTL_TESTCASES", Built("testcases")) + "/" + name;
}

std::vector<std::string> SessionArgv(const SessionFlags& flags,
                                     const std::vector<std::string>& argv) {
  std::vector<std::string> all = {SessionctlPath(), "run"};
  Append(all, "--mount", flags.mounts);
  Append(all, "--rox", flags.read_exec);
  Append(all, "--deny", flags.deny);
  if (!flags.scope.empty()) Append(all, "--scope", {flags.scope});
  if (!ChoosesView(flags)) Append(all, "--view", {InPrivateView() ? "private" : "host"});
  all.insert(all.end(), flags.extra.begin(), flags.extra.end());
  all.push_back("--");
  all.insert(all.end(), argv.begin(), argv.end());
  return all;
}

std::string OutsideErrno() { return InPrivateView() ? "ENOENT" : "EACCES"; }

Outcome RunEither(const std::optional<SessionFlags>& flags, Command command) {
  if (flags.has_value()) command.argv = SessionArgv(*flags, command.argv);
  return Run(command);
}

}  // namespace harness
