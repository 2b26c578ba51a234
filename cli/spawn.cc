// `sessionctl spawn`: detached sessions.
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "cli/command.h"
#include "cli/policy_flags.h"
#include "cli/program.h"
#include "cli/stream_client.h"
#include "policy/identity.h"
#include "sandbox/kernel_features.h"
#include "supervisor/session_manager.h"
#include "supervisor/session_store.h"

namespace sessionctl {
namespace {

constexpr int kMaxCount = 10000;
constexpr TerminalSize kUsualTerminal = {.rows = 24, .columns = 80};

constexpr char kSpawnDescription[] = "Start detached sessions and print one id a line";
constexpr char kSpawnFooter[] =
    "Synopsis: sessionctl spawn [OPTIONS] [--] CMD [ARGS...]\n"
    "Returns when every session has started or failed. Output goes to `sessionctl logs`.\n\n"
    "Exit code: 0 when all have started; else that of the first that failed: 125 when sessionctl\n"
    "failed, 126 when CMD cannot be executed, 127 when it is not found; 2 for a usage error.\n\n"
    "Examples:\n"
    "  sessionctl spawn --mount /tmp/shared --cmd python3 --count 150 -- job.py\n"
    "  sessionctl spawn --name web --mount '/srv/work-{session}:rw,create' -- ./server\n";

struct SpawnFlags {
  PolicyFlags policy;
  ProgramWords program;
  std::string command, name;
  int count = 1;
  bool interactive = false;
  bool terminal = false;
};

int PrintOutcomes(const std::vector<SpawnOutcome>& outcomes) {
  int exit_code = 0;
  for (const SpawnOutcome& outcome : outcomes) {
    if (outcome.exit_code == 0) {
      std::cout << outcome.id << "\n";
      continue;
    }
    Fail(outcome.exit_code, "session " + outcome.id + ": " + outcome.message);
    if (exit_code == 0) exit_code = outcome.exit_code;
  }
  std::cout.flush();
  return exit_code;
}

int Spawn(const SpawnFlags& flags) {
  SpawnRequest request;
  request.argv = ProgramArguments(flags.command, flags.program);
  if (request.argv.empty()) {
    return Fail(kExitUsage, "spawn: no command given\nTry 'sessionctl spawn --help'.");
  }
  absl::StatusOr<SessionPolicy> policy = BuildPolicy(flags.policy);
  if (!policy.ok()) return Fail(kExitOwnFailure, policy.status());
  absl::StatusOr<SessionStore> store = SessionStore::OpenDefault();
  if (!store.ok()) return Fail(kExitOwnFailure, store.status());
  request.policy = *std::move(policy);
  std::string& user = request.policy.process.user;
  if (user.empty()) user = DefaultUserOfSpawned();
  if (const std::string warning = IdentityWarning(request.policy.process); !warning.empty()) {
    Warn(warning);
  }
  request.features = ProbeKernelFeatures();
  request.environment = CallerEnvironment();
  request.name = flags.name;
  request.count = flags.count;
  request.stdin_open = flags.interactive || flags.terminal;
  if (flags.terminal) request.terminal = OwnTerminalSize().value_or(kUsualTerminal);
  absl::StatusOr<std::vector<SpawnOutcome>> outcomes = SpawnSessions(*store, request);
  if (!outcomes.ok()) return Fail(kExitOwnFailure, outcomes.status());
  return PrintOutcomes(*outcomes);
}

}  // namespace

Command AddSpawnCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("spawn", kSpawnDescription)->footer(kSpawnFooter);
  const auto flags = std::make_shared<SpawnFlags>();
  AddPolicyFlags(*app, flags->policy);
  app->add_option("--cmd", flags->command, "The command; then all further words are its arguments")
      ->type_name("CMD");
  app->add_option("--count", flags->count, "How many sessions to start")
      ->type_name("N")
      ->check(CLI::Range(1, kMaxCount));
  app->add_flag("-i,--interactive", flags->interactive,
                "Standard input stays open for `attach`; else it is /dev/null");
  app->add_flag("--tty", flags->terminal, "The command gets a terminal of its own");
  app->add_option("--name", flags->name, "Name of the session; with --count NAME-1, NAME-2, ...")
      ->type_name("NAME");
  return {app, [flags] { return Spawn(*flags); }, &flags->program};
}

}  // namespace sessionctl
