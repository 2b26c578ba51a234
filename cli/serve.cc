// `sessionctl serve`: the supervisor; `sessionctl zygote`: the process that it forks sessions from.
#include "fleet/serve.h"

#include <memory>
#include <string>

#include "cli/command.h"
#include "fleet/front.h"
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
  app->add_option("--start-patience", options->start_patience,
                  "Replace the process that starts sessions when it takes none for that time")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_flag("--replace", options->replace, "Take the place of the one that runs");
  app->add_option("--ready-fd", options->ready_fd)->group("");
  const auto front = std::make_shared<FrontOptions>();
  const auto system = std::make_shared<bool>(false);
  CLI::Option* flag = app->add_flag(
      "--system", *system, "Serve all users of a group, each by a supervisor of its own (root)");
  app->add_option("--group", front->group, "Who may connect")->type_name("NAME")->needs(flag);
  app->add_option("--socket", front->socket, "Where")
      ->type_name("PATH")
      ->capture_default_str()
      ->needs(flag);
  app->add_option("--state-base", front->state_base,
                  "The users' state directories are below it, not where their own verbs have them")
      ->type_name("DIR")
      ->needs(flag);
  return {app, [options, front, system] {
            if (!*system) return Serve(*options);
            front->ready_fd = options->ready_fd;
            return ServeSystem(*front);
          }};
}

Command AddZygoteCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("zygote", "")->group("");
  return {app, [] { return RunZygote(); }};
}

}  // namespace sessionctl
