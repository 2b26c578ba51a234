// `sessionctl inspect`: one session's record.
#include <iostream>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/supervisor_access.h"

namespace sessionctl {

Command AddInspectCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("inspect", "Print what is known of a session, as JSON");
  const auto reference = std::make_shared<std::string>();
  app->add_option("ID", *reference, "Id, beginning of an id, or name")->required();
  return {app, [reference] {
            return WithClient([&](const ControlClient& client) {
              std::string body;
              const int failed = Ask(client, "GET", SessionTarget(*reference), "", &body);
              std::cout << body;
              return failed;
            });
          }};
}

}  // namespace sessionctl
