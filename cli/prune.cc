// `sessionctl prune`: forgets ended sessions.
#include <iostream>
#include <string>

#include "cli/command.h"
#include "cli/store_access.h"
#include "supervisor/session_manager.h"

namespace sessionctl {

Command AddPruneCommand(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("prune", "Remove the directories of ended sessions, and print their ids");
  return {app, [] {
            return WithStore([](const SessionStore& store) {
              for (const std::string& id : PruneSessions(store)) std::cout << id << "\n";
              return 0;
            });
          }};
}

}  // namespace sessionctl
