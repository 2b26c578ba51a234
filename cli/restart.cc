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

int Restart(const ControlClient& client, const std::vector<std::string>& references) {
  int exit_code = 0;
  for (const std::string& reference : references) {
    std::string body;
    if (const int failed = Ask(client, "POST", SessionTarget(reference, "restart"), "", &body)) {
      exit_code = failed;
      continue;
    }
    const auto result = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (result.value("exit_code", 0) == 0) {
      std::cout << result.value("id", "") << "\n";
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
  const auto references = std::make_shared<std::vector<std::string>>();
  app->add_option("ID", *references, "Ids, beginnings of ids, or names")->required();
  return {app, [references] {
            return WithClient(
                [&](const ControlClient& client) { return Restart(client, *references); });
          }};
}

}  // namespace sessionctl
