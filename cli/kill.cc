// `sessionctl kill`: a signal for a session's command.
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/supervisor_access.h"
#include "nlohmann/json.hpp"
#include "sandbox/signal_names.h"

namespace sessionctl {
namespace {

struct KillFlags {
  std::vector<std::string> references;
  std::string signal = "TERM";
};

std::string CheckSignal(const std::string& text) {
  return SignalNumber(text) != 0 ? "" : "unknown signal \"" + text + "\"";
}

int Kill(const ControlClient& client, const KillFlags& flags) {
  const std::string request = nlohmann::json{{"signal", flags.signal}}.dump();
  int exit_code = 0;
  for (const std::string& reference : flags.references) {
    const int failed = Ask(client, "POST", SessionTarget(reference, "kill"), request, nullptr);
    if (failed != 0) exit_code = failed;
  }
  return exit_code;
}

}  // namespace

Command AddKillCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("kill", "Send a signal to the commands of sessions");
  const auto flags = std::make_shared<KillFlags>();
  app->add_option("-s,--signal", flags->signal, "Name or number")
      ->type_name("SIGNAL")
      ->check(CLI::Validator(CheckSignal, ""))
      ->capture_default_str();
  app->add_option("ID", flags->references, "Ids, beginnings of ids, or names")->required();
  return {app, [flags] {
            return WithClient([&](const ControlClient& client) { return Kill(client, *flags); });
          }};
}

}  // namespace sessionctl
