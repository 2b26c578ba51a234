// `sessionctl events`: what happens to sessions, one JSON object a line.
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/supervisor_access.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

struct EventsFlags {
  std::vector<std::string> labels;
  bool follow = false;
};

int Events(const ControlClient& client, const EventsFlags& flags) {
  const std::string target = std::string("/v1/events?follow=") + (flags.follow ? "1" : "0") +
                             LabelQuery(flags.labels, "&");
  absl::StatusOr<ClientReply> reply =
      client.Stream("GET", target, "", "application/x-ndjson", [](std::string_view bytes) {
        return WriteAll(STDOUT_FILENO, bytes.data(), bytes.size()).ok();
      });
  if (!reply.ok()) return Fail(kExitOwnFailure, reply.status());
  return reply->ok() ? 0 : FailReply(*reply);
}

}  // namespace

Command AddEventsCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("events", "Print what has happened to sessions");
  const auto flags = std::make_shared<EventsFlags>();
  app->add_flag("-f,--follow", flags->follow, "Go on with what happens");
  app->add_option("--label", flags->labels, "Only of sessions with this label")
      ->type_name("K[=V]")
      ->allow_extra_args(false);
  return {app, [flags] {
            return WithClient([&](const ControlClient& client) { return Events(client, *flags); });
          }};
}

}  // namespace sessionctl
