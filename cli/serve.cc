// `sessionctl serve`: the supervisor; `sessionctl zygote`: the process that it forks sessions from.
#include "fleet/serve.h"

#include <memory>
#include <string>

#include "cli/command.h"
#include "fleet/zygote_process.h"

namespace sessionctl {

Command AddServeCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("serve", "Run the supervisor of this user's sessions");
  app->footer(
      "The other verbs start one by themselves. Sessions outlive it: the next one finds them.\n"
      "Exit code: 0 when it was told to leave or was idle, 1 when another one runs.\n");
  const auto options = std::make_shared<ServeOptions>();
  app->add_option("--idle-exit", options->idle_exit,
                  "Leave after that time without a session and a client; 0: never")
      ->type_name("SECONDS")
      ->envname("SESSIONCTL_IDLE_EXIT")
      ->check(CLI::NonNegativeNumber);
  app->add_option("--max-sessions", options->max_sessions, "Refuse to start more than that")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_flag("--replace", options->replace, "Take the place of the one that runs");
  app->add_option("--ready-fd", options->ready_fd)->group("");
  return {app, [options] { return Serve(*options); }};
}

Command AddZygoteCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("zygote", "")->group("");
  return {app, [] { return RunZygote(); }};
}

}  // namespace sessionctl
