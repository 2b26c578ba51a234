// `sessionctl stop`: ends sessions, politely first.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/store_access.h"
#include "supervisor/session_manager.h"

namespace sessionctl {
namespace {

constexpr double kMaxTimeoutSeconds = 86400;

struct StopFlags {
  std::vector<std::string> references;
  double timeout = 10;
  bool all = false;
};

int Stop(const SessionStore& store, const std::vector<std::string>& ids, double timeout) {
  const std::chrono::milliseconds wait(static_cast<long>(timeout * 1000));
  int exit_code = 0;
  for (const absl::Status& status : StopSessions(store, ids, wait)) {
    if (!status.ok()) exit_code = Fail(kExitNotFound, status);
  }
  return exit_code;
}

int StopAll(const SessionStore& store, double timeout) {
  std::vector<std::string> ids;
  for (const SessionRecord& record : store.List()) {
    if (!record.ended_already()) ids.push_back(record.id);
  }
  return Stop(store, ids, timeout);
}

int RunStop(const StopFlags& flags) {
  if (flags.all == !flags.references.empty()) {
    return Fail(kExitUsage, "stop: name sessions, or give --all");
  }
  if (flags.all) {
    return WithStore([&](const SessionStore& store) { return StopAll(store, flags.timeout); });
  }
  return WithSessions(flags.references, [&](const SessionStore& store, const auto& ids) {
    return Stop(store, ids, flags.timeout);
  });
}

}  // namespace

Command AddStopCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "stop", "End sessions: SIGTERM to the command, then the whole tree is killed");
  const auto flags = std::make_shared<StopFlags>();
  app->add_option("-t,--timeout", flags->timeout, "Time between the two, for all sessions together")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, kMaxTimeoutSeconds))
      ->capture_default_str();
  app->add_flag("--all", flags->all, "All running sessions");
  app->add_option("ID", flags->references, "Ids, beginnings of ids, or names");
  return {app, [flags] { return RunStop(*flags); }};
}

}  // namespace sessionctl
