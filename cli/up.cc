// `sessionctl up`, `down`, `scale`: deployments.
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "cli/command.h"
#include "cli/deployment_access.h"
#include "cli/supervisor_access.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"
#include "policy/deployment_policy.h"
#include "policy/environment_rules.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

struct ApplyFlags {
  std::string file;
  std::vector<std::string> numbers;  // of scale: [DEPLOYMENT/]SESSION=N
  bool dry = false, as_json = false, no_wait = false;
};

constexpr char kUpFooter[] =
    "Prints what it changes and returns when every session runs or has ended. Applying the same\n"
    "file again changes nothing. Places that have failed are started again.\n\n"
    "Exit code: 0 when all run or completed; 1 when some do not, or the file is bad; 125 when\n"
    "sessionctl failed.\n\n"
    "Example:\n"
    "  sessionctl up --dry-run examples/deployments/shared-interpreters.toml\n";
constexpr char kScaleFooter[] =
    "SESSION is the name of a [[session]]. DEPLOYMENT/ can be left out when only one deployment\n"
    "has a session of that name. The file's own number counts again when it is applied.\n\n"
    "Example:\n"
    "  sessionctl scale interpreters/python=300\n";

void AddApplyFlags(CLI::App& app, ApplyFlags& flags) {
  app.add_flag("--dry-run", flags.dry, "Print what would change, and change nothing");
  app.add_flag("--json", flags.as_json, "The plan as JSON");
  app.add_flag("--no-wait", flags.no_wait, "Do not wait until all run");
}

int Apply(const ControlClient& client, const std::string& target, const ordered_json& request,
          const ApplyFlags& flags) {
  std::string answer;
  // Applying twice is applying once.
  if (const int failed = AskUntilAnswered(client, "POST", target, request.dump(), &answer)) {
    return failed;
  }
  return PrintAppliedAndWait(client, answer, flags.as_json, !flags.no_wait);
}

int Up(const ApplyFlags& flags) {
  absl::StatusOr<Deployment> file = LoadWithDefault(flags.file);
  if (!file.ok()) return Fail(kExitNotFound, file.status());
  if (file->name.empty()) {
    return Fail(kExitNotFound, flags.file + ": there is no [deployment] in it");
  }
  SpawnSpec passing;
  passing.environment = PassingVariables(file->policy.environment, CallerEnvironment());
  const ordered_json request = {{"deployment", DeploymentToToml(*file)},
                                {"environment", SpecToJson(passing)["environment"]},
                                {"dry_run", flags.dry}};
  return WithClient([&](const ControlClient& client) {
    return Apply(client, "/v1/deployments", request, flags);
  });
}

int Down(const std::vector<std::string>& names, bool no_wait) {
  return WithClient([&](const ControlClient& client) {
    int exit_code = 0;
    std::vector<std::string> asked;
    for (const std::string& name : names) {
      const int failed = AskUntilAnswered(client, "DELETE", DeploymentTarget(name), "", nullptr);
      if (failed != 0) exit_code = failed;
      if (failed == 0) asked.push_back(name);
    }
    if (no_wait) return exit_code;
    for (const std::string& name : asked) {
      if (const int failed = AwaitGone(client, name)) exit_code = failed;
    }
    return exit_code;
  });
}

struct ScaleNumber {
  std::string deployment, session;  // deployment "": to be looked for
  int replicas = 0;
};

std::optional<ScaleNumber> ParseNumber(const std::string& text) {
  ScaleNumber number;
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || !absl::SimpleAtoi(text.substr(equals + 1), &number.replicas) ||
      number.replicas < 0) {
    return std::nullopt;
  }
  const std::string name = text.substr(0, equals);
  const size_t slash = name.find('/');
  if (slash != std::string::npos) number.deployment = name.substr(0, slash);
  number.session = slash == std::string::npos ? name : name.substr(slash + 1);
  if (number.session.empty() || (slash == 0)) return std::nullopt;
  return number;
}

// The one deployment with a session of that name.
absl::StatusOr<std::string> DeploymentWith(const ordered_json& deployments,
                                           const std::string& session) {
  std::vector<std::string> found;
  for (const ordered_json& deployment : deployments) {
    for (const ordered_json& each : deployment.value("sessions", ordered_json::array())) {
      if (each.value("name", "") == session) found.push_back(deployment.value("name", ""));
    }
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    return absl::NotFoundError("no deployment has a session \"" + session + "\"");
  }
  std::string names;
  for (const std::string& name : found) names += " " + name + "/" + session;
  return absl::InvalidArgumentError("several deployments have a session \"" + session +
                                    "\":" + names);
}

int Scale(const ApplyFlags& flags) {
  std::vector<ScaleNumber> numbers;
  for (const std::string& text : flags.numbers) {
    std::optional<ScaleNumber> number = ParseNumber(text);
    if (!number.has_value()) {
      return Fail(kExitUsage, "scale: \"" + text + "\" is not [DEPLOYMENT/]SESSION=N");
    }
    numbers.push_back(*std::move(number));
  }
  return WithClient([&](const ControlClient& client) {
    std::string body;
    if (const int failed = Ask(client, "GET", "/v1/deployments", "", &body)) return failed;
    const ordered_json deployments = ordered_json::parse(body, nullptr, false);
    std::map<std::string, ordered_json> replicas;
    for (const ScaleNumber& number : numbers) {
      std::string deployment = number.deployment;
      if (deployment.empty()) {
        absl::StatusOr<std::string> found = DeploymentWith(deployments, number.session);
        if (!found.ok()) return Fail(kExitNotFound, found.status());
        deployment = *found;
      }
      replicas[deployment][number.session] = number.replicas;
    }
    int exit_code = 0;
    for (const auto& [deployment, wanted] : replicas) {
      const ordered_json request = {{"replicas", wanted}, {"dry_run", flags.dry}};
      const int failed = Apply(client, DeploymentTarget(deployment, "scale"), request, flags);
      if (failed != 0) exit_code = failed;
    }
    return exit_code;
  });
}

}  // namespace

Command AddUpCommand(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("up", "Have run what a deployment file says")->footer(kUpFooter);
  const auto flags = std::make_shared<ApplyFlags>();
  AddApplyFlags(*app, *flags);
  app->add_option("FILE", flags->file, "The deployment file")->required();
  return {app, [flags] { return Up(*flags); }};
}

Command AddDownCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("down", "Stop all sessions of deployments and forget them");
  const auto names = std::make_shared<std::vector<std::string>>();
  const auto no_wait = std::make_shared<bool>(false);
  app->add_flag("--no-wait", *no_wait, "Do not wait until all have ended");
  app->add_option("NAME", *names, "Names of deployments")->required();
  return {app, [names, no_wait] { return Down(*names, *no_wait); }};
}

Command AddScaleCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("scale", "Have more or fewer sessions of a deployment run")
                      ->footer(kScaleFooter);
  const auto flags = std::make_shared<ApplyFlags>();
  AddApplyFlags(*app, *flags);
  app->add_option("NAME=N", flags->numbers, "[DEPLOYMENT/]SESSION=N")->required();
  return {app, [flags] { return Scale(*flags); }};
}

}  // namespace sessionctl
