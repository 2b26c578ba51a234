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
  const bool names_view =
      std::find(flags.extra.begin(), flags.extra.end(), "--view") != flags.extra.end();
  if (InPrivateView() && !names_view) Append(all, "--view", {"private"});
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
