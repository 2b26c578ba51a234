// `sessionctl prune`: forgets ended sessions.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/supervisor_access.h"
#include "nlohmann/json.hpp"

namespace sessionctl {

Command AddPruneCommand(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("prune", "Remove the directories of ended sessions, and print their ids");
  const auto labels = std::make_shared<std::vector<std::string>>();
  app->add_option("--label", *labels, "Only those with this label")
      ->type_name("K[=V]")
      ->allow_extra_args(false);
  const auto as_json = std::make_shared<bool>(false);
  app->add_flag("--json", *as_json, "Print the ids as JSON");
  return {app, [labels, as_json] {
            return WithClient([&](const ControlClient& client) {
              std::string body;
              const std::string target = "/v1/prune" + LabelQuery(*labels, "?");
              const int failed = Ask(client, "POST", target, "", &body);
              if (*as_json) {
                if (failed == 0) PrintJsonLine(body);
                return failed;
              }
              const auto ids = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
              for (const auto& id : ids) std::cout << id.get<std::string>() << "\n";
              return failed;
            });
          }};
}

}  // namespace sessionctl
