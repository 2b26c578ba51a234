// `sessionctl restart`: ends sessions and starts ones like them.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/supervisor_access.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

struct RestartFlags {
  std::vector<std::string> references;
  bool as_json = false;
};

int Restart(const ControlClient& client, const RestartFlags& flags) {
  int exit_code = 0;
  for (const std::string& reference : flags.references) {
    std::string body;
    if (const int failed = Ask(client, "POST", SessionTarget(reference, "restart"), "", &body)) {
      exit_code = failed;
      continue;
    }
    const auto result = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (flags.as_json) PrintJsonLine(body);
    if (result.value("exit_code", 0) == 0) {
      if (!flags.as_json) std::cout << result.value("id", "") << "\n";
    } else {
      exit_code = Fail(result.value("exit_code", 0), result.value("message", ""));
    }
  }
  return exit_code;
}

}  // namespace

Command AddRestartCommand(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("restart", "End sessions, start ones like them, and print the new ids");
  const auto flags = std::make_shared<RestartFlags>();
  app->add_flag("--json", flags->as_json, "Print what became of each start");
  app->add_option("ID", flags->references, "Ids, beginnings of ids, or names")->required();
  return {app, [flags] {
            return WithClient([&](const ControlClient& client) { return Restart(client, *flags); });
          }};
}

}  // namespace sessionctl
