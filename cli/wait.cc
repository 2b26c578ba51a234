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

struct WaitFlags {
  std::vector<std::string> references;
  bool as_json = false;
};

int Wait(const ControlClient& client, const WaitFlags& flags) {
  int exit_code = 0;
  for (const std::string& reference : flags.references) {
    absl::StatusOr<ClientReply> reply = AwaitEnd(client, reference);
    if (!reply.ok()) return Fail(kExitOwnFailure, reply.status());
    if (!reply->ok()) return FailReply(*reply);
    absl::StatusOr<SessionRecord> record = RecordFromJson(reply->body);
    if (!record.ok()) return Fail(kExitOwnFailure, record.status());
    exit_code = ShellExitCode(record->exit.value_or(SessionExit{}));
    if (flags.as_json) {
      PrintJsonLine(reply->body);
    } else {
      std::cout << exit_code << std::endl;
    }
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
  const auto flags = std::make_shared<WaitFlags>();
  app->add_flag("--json", flags->as_json, "Print each session's record instead of its exit code");
  app->add_option("ID", flags->references, "Ids, beginnings of ids, or names")->required();
  return {app, [flags] {
            return WithClient([&](const ControlClient& client) { return Wait(client, *flags); });
          }};
}

}  // namespace sessionctl
