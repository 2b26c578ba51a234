// `sessionctl wait`: blocks until sessions have ended.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/store_access.h"
#include "supervisor/session_manager.h"

namespace sessionctl {
namespace {

int Wait(const SessionStore& store, const std::vector<std::string>& ids) {
  int exit_code = 0;
  for (const std::string& id : ids) {
    absl::StatusOr<SessionRecord> record = AwaitSession(store, id);
    if (!record.ok()) return Fail(kExitNotFound, record.status());
    exit_code = ShellExitCode(record->exit.value_or(SessionExit{}));
    std::cout << exit_code << std::endl;
  }
  return exit_code;
}

}  // namespace

Command AddWaitCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "wait", "Wait until sessions have ended, and print the exit code of each");
  app->footer(
      "Exit code: that of the last session named, as a shell counts (128+N for signal N, 125 for "
      "a\n"
      "lost session); 1 when there is no such session.\n");
  const auto references = std::make_shared<std::vector<std::string>>();
  app->add_option("ID", *references, "Ids, beginnings of ids, or names")->required();
  return {app, [references] { return WithSessions(*references, Wait); }};
}

}  // namespace sessionctl
