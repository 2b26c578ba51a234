// `sessionctl mount`: the mounts of a session, and those that it gets while it runs.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/policy_flags.h"
#include "cli/supervisor_access.h"
#include "cli/table.h"
#include "fleet/exchange.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr char kSessionHelp[] = "Id, beginning of an id, or name";

struct MountWords {
  std::string reference, what;
  bool as_json = false;
};

std::string CellOf(const json& mount, const char* key) {
  return PrintableCell(mount.value(key, ""));
}

int ListMounts(const ControlClient& client, const MountWords& flags) {
  std::string body;
  const int failed =
      AskUntilAnswered(client, "GET", SessionTarget(flags.reference, "mounts"), "", &body);
  if (failed != 0) return failed;
  const json answer = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return Fail(kExitOwnFailure, "the supervisor's answer is no JSON");
  if (flags.as_json) {
    std::cout << body;
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"GUEST", "MODE", "GIVEN", "HOST"}};
  for (const json& mount : answer["mounts"]) {
    rows.push_back({CellOf(mount, "guest"), CellOf(mount, "mode"),
                    mount.value("added", false) ? "later" : "at start", CellOf(mount, "host")});
  }
  std::cout << TableText(rows);
  return 0;
}

int AddMount(const ControlClient& client, const MountWords& flags) {
  absl::StatusOr<Mount> mount = ParseMountFlag(flags.what);
  if (!mount.ok()) return Fail(kExitUsage, std::string(mount.status().message()));
  if (mount->create || !mount->exec) {
    return Fail(kExitUsage, "mount add: ro and rw are the modes of a mount that is given later");
  }
  ordered_json request = {{"host", BytesToJson(mount->host)}, {"mode", MountModeName(mount->mode)}};
  if (!mount->guest.empty()) request["guest"] = BytesToJson(mount->guest);
  return Ask(client, "POST", SessionTarget(flags.reference, "mounts"), request.dump(), nullptr);
}

int RemoveMount(const ControlClient& client, const MountWords& flags) {
  const std::string target =
      SessionTarget(flags.reference, "mounts") + "?guest=" + PercentEncode(flags.what);
  return Ask(client, "DELETE", target, "", nullptr);
}

using Act = int (*)(const ControlClient&, const MountWords&);

Command AddMountVerb(CLI::App* app, const char* operand, const char* help, Act act) {
  const auto flags = std::make_shared<MountWords>();
  app->add_option("ID", flags->reference, kSessionHelp)->required();
  if (operand != nullptr) {
    app->add_option(operand, flags->what, help)->required();
  } else {
    app->add_flag("--json", flags->as_json, "Print the answer as JSON");
  }
  return {app, [flags, act] {
            return WithClient([&](const ControlClient& client) { return act(client, *flags); });
          }};
}

}  // namespace

std::vector<Command> AddMountCommands(CLI::App& root) {
  CLI::App* mount = root.add_subcommand("mount", "Give a running session mounts, and take them");
  mount->require_subcommand(1);
  mount->footer(
      "A session can get mounts below /mnt when its policy has reserved room for them at the "
      "start\n"
      "(--reserve, [filesystem] reserve = true).\n");
  return {AddMountVerb(mount->add_subcommand("add", "Mount a directory of the host's below /mnt"),
                       "SRC[:DST][:MODE]", "Host's directory, where it is seen, ro or rw (default)",
                       AddMount),
          AddMountVerb(mount->add_subcommand("rm", "Take off a mount that was added"), "DST",
                       "Where it is seen", RemoveMount),
          AddMountVerb(mount->add_subcommand("ls", "List a session's mounts"), nullptr, nullptr,
                       ListMounts)};
}

}  // namespace sessionctl
