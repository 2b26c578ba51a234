// `sessionctl wait`: blocks until sessions have ended.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/supervisor_access.h"
#include "supervisor/session_record.h"

namespace sessionctl {
namespace {

// A supervisor that dies meanwhile is started again, and asked again.
absl::StatusOr<ClientReply> AwaitEnd(const ControlClient& client, const std::string& reference) {
  for (;;) {
    absl::StatusOr<ClientReply> reply = client.Request("GET", SessionTarget(reference, "wait"));
    if (!absl::IsUnavailable(reply.status())) return reply;
  }
}

int Wait(const ControlClient& client, const std::vector<std::string>& references) {
  int exit_code = 0;
  for (const std::string& reference : references) {
    absl::StatusOr<ClientReply> reply = AwaitEnd(client, reference);
    if (!reply.ok()) return Fail(kExitOwnFailure, reply.status());
    if (!reply->ok()) return FailReply(*reply);
    absl::StatusOr<SessionRecord> record = RecordFromJson(reply->body);
    if (!record.ok()) return Fail(kExitOwnFailure, record.status());
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
  return {
      app, [references] {
        return WithClient([&](const ControlClient& client) { return Wait(client, *references); });
      }};
}

}  // namespace sessionctl
