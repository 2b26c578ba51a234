// `sessionctl exec`: a program inside a session that runs.
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/stream_verbs.h"
#include "cli/supervisor_access.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

struct ExecFlags {
  ProgramWords words;  // ID CMD ARGS…
  std::vector<std::string> environment;
  std::string workdir;
  bool interactive = false, terminal = false;
};

int Exec(const ExecFlags& flags) {
  if (flags.words.size() < 2) {
    return Fail(kExitUsage,
                "exec: a session and a command are needed\nTry 'sessionctl exec --help'.");
  }
  // After the session's id a `--` may stand, as before it.
  const size_t first = flags.words[1] == "--" ? 2 : 1;
  nlohmann::ordered_json request;
  request["command"] = nlohmann::ordered_json::array();
  for (size_t i = first; i < flags.words.size(); ++i) {
    request["command"].push_back(BytesToJson(flags.words[i]));
  }
  request["environment"] = nlohmann::ordered_json::object();
  for (const std::string& variable : flags.environment) {
    const size_t equals = variable.find('=');
    if (equals == std::string::npos) return Fail(kExitUsage, "exec: --env needs K=V");
    request["environment"][variable.substr(0, equals)] = BytesToJson(variable.substr(equals + 1));
  }
  if (!flags.workdir.empty()) request["workdir"] = flags.workdir;
  request["stdin"] = flags.interactive;
  request["terminal"] = flags.terminal;
  if (const std::optional<TerminalSize> size = OwnTerminalSize(); size.has_value()) {
    request["rows"] = size->rows;
    request["cols"] = size->columns;
  }
  return RunStreamVerb(
      SessionTarget(flags.words[0], "exec"), request.dump(),
      {.send_input = flags.interactive, .terminal = flags.terminal, .detach_keys = ""});
}

}  // namespace

Command AddExecCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("exec", "Run a program inside a session that runs");
  app->footer(
      "Synopsis: sessionctl exec [OPTIONS] ID [--] CMD [ARGS...]\n\n"
      "Exit code: that of the program; 1 when there is no such session, 125 when it was lost.\n");
  const auto flags = std::make_shared<ExecFlags>();
  app->add_flag("-i,--interactive", flags->interactive, "Our standard input goes to the program");
  app->add_flag("-t,--tty", flags->terminal, "The program gets a terminal");
  app->add_option("-e,--env", flags->environment, "A variable for the program")
      ->type_name("K=V")
      ->allow_extra_args(false);
  app->add_option("--workdir", flags->workdir, "Where it starts")->type_name("PATH");
  return {app, [flags] { return Exec(*flags); }, &flags->words};
}

}  // namespace sessionctl
