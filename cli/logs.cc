// `sessionctl logs`: what a session has written.
#include <unistd.h>

#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/supervisor_access.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

struct LogsFlags {
  std::string reference;
  bool follow = false;
  bool audit = false;
};

int Logs(const ControlClient& client, const LogsFlags& flags) {
  uint64_t written = 0;
  bool closed = false;
  const auto write = [&](std::string_view bytes) {
    closed = !WriteAll(STDOUT_FILENO, bytes.data(), bytes.size()).ok();
    written += bytes.size();
    return !closed;
  };
  // A supervisor that dies meanwhile is started again, and goes on where this one was.
  for (;;) {
    const std::string target =
        SessionTarget(flags.reference, "logs") + "?follow=" + (flags.follow ? "1" : "0") +
        (flags.audit ? "&audit=1" : "") + "&offset=" + std::to_string(written);
    absl::StatusOr<ClientReply> reply = client.Stream("GET", target, "", "*/*", write);
    if (closed) return 0;
    if (absl::IsUnavailable(reply.status())) continue;
    if (!reply.ok()) return Fail(kExitOwnFailure, reply.status());
    return reply->ok() ? 0 : FailReply(*reply);
  }
}

}  // namespace

Command AddLogsCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("logs", "Print the output of a session");
  const auto flags = std::make_shared<LogsFlags>();
  app->add_flag("-f,--follow", flags->follow, "Go on until the session ends");
  app->add_flag("--audit", flags->audit, "The audit events instead of the output");
  app->add_option("ID", flags->reference, "Id, beginning of an id, or name")->required();
  return {app, [flags] {
            return WithClient([&](const ControlClient& client) { return Logs(client, *flags); });
          }};
}

}  // namespace sessionctl
