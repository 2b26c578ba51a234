// `sessionctl spawn`: detached sessions.
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "cli/command.h"
#include "cli/policy_flags.h"
#include "cli/program.h"
#include "cli/supervisor_access.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"
#include "policy/environment_rules.h"
#include "policy/identity.h"
#include "policy/policy_parser.h"

namespace sessionctl {
namespace {

constexpr int kMaxCount = 10000;

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
  std::vector<std::string> labels;
  int count = 1;
  bool stdin_open = false, terminal = false, as_json = false;
};

// Prints what has started as it starts, and on a terminal how many have.
class Outcomes {
 public:
  Outcomes(int count, bool as_json)
      : count_(count), as_json_(as_json), bar_(count > 1 && isatty(STDERR_FILENO) != 0) {}

  void Take(std::string_view bytes) {
    pending_ += bytes;
    for (size_t end; (end = pending_.find('\n')) != std::string::npos;) {
      TakeLine(pending_.substr(0, end));
      pending_.erase(0, end + 1);
    }
    std::cout.flush();  // whoever reads them from a pipe sees each, too
  }

  int Finish() {
    if (bar_) std::cerr << "\r\x1b[K";
    std::cout.flush();
    if (exit_code_ == 0 && done_ < count_) {
      return Fail(kExitOwnFailure, std::to_string(done_) + " of " + std::to_string(count_) +
                                       " sessions were started");
    }
    return exit_code_;
  }

 private:
  void TakeLine(const std::string& line) {
    const auto result = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!result.is_object()) return;
    ++done_;
    const std::string id = result.value("id", "");
    const int code = result.value("exit_code", kExitOwnFailure);
    if (as_json_) std::cout << line << "\n";
    if (code == 0 && !as_json_) std::cout << id << "\n";
    if (code != 0) {
      if (bar_) std::cerr << "\r\x1b[K";
      Fail(code, "session " + id + ": " + result.value("message", ""));
      if (exit_code_ == 0) exit_code_ = code;
    }
    if (bar_) std::cerr << "\rstarting " << done_ << " of " << count_ << std::flush;
  }

  const int count_;
  const bool as_json_, bar_;
  std::string pending_;
  int done_ = 0, exit_code_ = 0;
};

mode_t CallersUmask() {
  const mode_t mask = umask(022);
  umask(mask);
  return mask;
}

absl::StatusOr<nlohmann::ordered_json> MakeRequest(const SpawnFlags& flags, SessionPolicy policy) {
  if (!policy.process.keep_fds.empty()) {
    return absl::InvalidArgumentError(
        "--keep-fd: a spawned session is not started by this process and inherits nothing of it; "
        "use run");
  }
  std::string& user = policy.process.user;
  if (user.empty()) user = DefaultUserOfSpawned();
  if (const std::string warning = IdentityWarning(policy.process); !warning.empty()) Warn(warning);
  SpawnSpec spec;
  spec.command = ProgramArguments(flags.command, flags.program);
  spec.policy = PolicyToToml(policy);
  spec.environment = PassingVariables(policy.environment, CallerEnvironment());
  spec.name = flags.name;
  spec.stdin_open = flags.stdin_open;
  spec.umask = CallersUmask();
  if (flags.terminal) spec.terminal = TerminalSize{};
  for (const std::string& label : flags.labels) {
    const size_t equals = label.find('=');
    spec.labels[label.substr(0, equals)] =
        equals == std::string::npos ? "" : label.substr(equals + 1);
  }
  nlohmann::ordered_json request = SpecToJson(spec);
  request["count"] = flags.count;
  return request;
}

int Spawn(const SpawnFlags& flags) {
  if (ProgramArguments(flags.command, flags.program).empty()) {
    return Fail(kExitUsage, "spawn: no command given\nTry 'sessionctl spawn --help'.");
  }
  absl::StatusOr<SessionPolicy> policy = BuildPolicy(flags.policy);
  if (!policy.ok()) return Fail(kExitOwnFailure, policy.status());
  absl::StatusOr<nlohmann::ordered_json> request = MakeRequest(flags, *std::move(policy));
  if (!request.ok()) return Fail(kExitOwnFailure, request.status());
  return WithClient([&](const ControlClient& client) {
    Outcomes outcomes(flags.count, flags.as_json);
    absl::StatusOr<ClientReply> reply =
        client.Stream("POST", "/v1/sessions", request->dump(), "application/x-ndjson",
                      [&](std::string_view bytes) {
                        outcomes.Take(bytes);
                        return true;
                      });
    if (!reply.ok()) {
      outcomes.Finish();
      return Fail(kExitOwnFailure, reply.status());
    }
    if (!reply->ok()) return FailReply(*reply), kExitOwnFailure;
    return outcomes.Finish();
  });
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
  app->add_option("--name", flags->name, "Name of the session; with --count NAME-1, NAME-2, ...")
      ->type_name("NAME");
  app->add_option("--label", flags->labels, "A label of the session (repeatable)")
      ->type_name("K=V")
      ->allow_extra_args(false);
  app->add_flag("-i,--interactive", flags->stdin_open, "Standard input is what `attach` sends");
  app->add_flag("--tty", flags->terminal, "The command gets a terminal of its own");
  app->add_flag("--json", flags->as_json, "One JSON object a session, as each has started");
  return {app, [flags] { return Spawn(*flags); }, &flags->program};
}

}  // namespace sessionctl
