// `sessionctl logs`: what a session has written.
#include <unistd.h>

#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/program.h"
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
  uint64_t position = 0;
  bool begun = false;
  bool closed = false;
  const auto write = [&](std::string_view bytes) {
    closed = !WriteAll(STDOUT_FILENO, bytes.data(), bytes.size()).ok();
    position += bytes.size();
    return !closed;
  };
  const auto begin = [&](uint64_t offset) {
    if (begun && offset > position) {
      Warn(std::to_string(offset - position) + " bytes were dropped before they were read");
    }
    begun = true;
    position = offset;
  };
  // A supervisor that dies meanwhile is started again, and goes on where this one was. One that has
  // to skip something breaks off.
  for (;;) {
    const std::string target =
        SessionTarget(flags.reference, "logs") + "?follow=" + (flags.follow ? "1" : "0") +
        (flags.audit ? "&audit=1" : "") + "&offset=" + std::to_string(position);
    absl::StatusOr<ClientReply> reply = client.Stream("GET", target, "", "*/*", write, begin);
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
