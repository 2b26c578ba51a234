// `sessionctl kill`: a signal for a session's command.
#include <signal.h>
#include <string.h>

#include <cctype>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/store_access.h"
#include "supervisor/session_manager.h"

namespace sessionctl {
namespace {

struct KillFlags {
  std::vector<std::string> references;
  std::string signal = "TERM";
};

// "TERM", "SIGTERM", "term" or "15"; 0 for anything else.
int SignalNumber(const std::string& text) {
  std::string name = text;
  for (char& c : name) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
  if (name.compare(0, 3, "SIG") == 0) name.erase(0, 3);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    const char* abbreviation = sigabbrev_np(signal);
    if (text == std::to_string(signal)) return signal;
    if (abbreviation != nullptr && name == abbreviation) return signal;
  }
  return 0;
}

std::string CheckSignal(const std::string& text) {
  return SignalNumber(text) != 0 ? "" : "unknown signal \"" + text + "\"";
}

int Kill(const SessionStore& store, const std::vector<std::string>& ids, int signal) {
  int exit_code = 0;
  for (const std::string& id : ids) {
    absl::Status status = SignalSession(store, id, signal);
    if (!status.ok()) exit_code = Fail(kExitNotFound, status);
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
            return WithSessions(flags->references,
                                [flags](const SessionStore& store, const auto& ids) {
                                  return Kill(store, ids, SignalNumber(flags->signal));
                                });
          }};
}

}  // namespace sessionctl
