// `sessionctl exec`: a program inside a session that runs.
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/store_access.h"
#include "cli/stream_verbs.h"

namespace sessionctl {
namespace {

constexpr TerminalSize kUsualTerminal = {.rows = 24, .columns = 80};

struct ExecFlags {
  ProgramWords words;  // ID CMD ARGS…
  std::vector<std::string> environment;
  std::string workdir;
  bool interactive = false;
  bool terminal = false;
};

int Exec(const ExecFlags& flags) {
  // After the session's id a `--` may stand, as before it.
  const size_t first = flags.words.size() > 1 && flags.words[1] == "--" ? 2 : 1;
  if (flags.words.size() <= first) {
    return Fail(kExitUsage,
                "exec: a session and a command are needed\nTry 'sessionctl exec --help'.");
  }
  for (const std::string& variable : flags.environment) {
    if (variable.find('=') == std::string::npos || variable[0] == '=') {
      return Fail(kExitUsage, "exec: --env needs K=V, not \"" + variable + "\"");
    }
  }
  ControlRequest request;
  request.operation = ControlRequest::Operation::kExec;
  request.argv = {flags.words.begin() + static_cast<ptrdiff_t>(first), flags.words.end()};
  request.environment = flags.environment;
  request.working_directory = flags.workdir;
  request.stdin_open = flags.interactive;
  if (flags.terminal) request.terminal = OwnTerminalSize().value_or(kUsualTerminal);
  return WithSessions({flags.words[0]}, [&](const SessionStore& store, const auto& ids) {
    absl::StatusOr<SessionDirectory> session = store.Find(ids[0]);
    if (!session.ok()) return Fail(kExitNotFound, session.status());
    return RunStreamVerb(
        *session, request,
        {.send_input = flags.interactive, .terminal = flags.terminal, .detach_keys = ""});
  });
}

}  // namespace

Command AddExecCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("exec", "Run a program inside a session that runs");
  app->footer(
      "Synopsis: sessionctl exec [OPTIONS] ID [--] CMD [ARGS...]\n"
      "It is under the session's policy, in the same domain, behind the same broker.\n\n"
      "Exit code: that of the program, 126 when it cannot be executed, 127 when it is not found;\n"
      "1 when there is no such session, 125 when its monitor refuses or is gone.\n");
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
