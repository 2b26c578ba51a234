// `sessionctl attach`: our streams become those of a session.
#include <iostream>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/stream_verbs.h"
#include "cli/supervisor_access.h"
#include "nlohmann/json.hpp"
#include "supervisor/session_record.h"

namespace sessionctl {
namespace {

struct AttachFlags {
  std::string reference;
  StreamOptions stream;
  bool no_stdin = false, no_replay = false;
};

int Attach(AttachFlags flags) {
  flags.stream.send_input = !flags.no_stdin;
  nlohmann::ordered_json request = {{"stdin", !flags.no_stdin}, {"replay", !flags.no_replay}};
  if (const std::optional<TerminalSize> size = OwnTerminalSize(); size.has_value()) {
    request["rows"] = size->rows;
    request["cols"] = size->columns;
  }
  const int failed = WithClient([&](const ControlClient& client) {
    std::string body;
    if (const int code = Ask(client, "GET", SessionTarget(flags.reference), "", &body)) return code;
    const absl::StatusOr<SessionRecord> record = RecordFromJson(body);
    flags.stream.terminal = record.ok() && record->terminal;
    return 0;
  });
  if (failed != 0) return failed;
  return RunStreamVerb(SessionTarget(flags.reference, "attach"), request.dump(), flags.stream);
}

}  // namespace

int RunStreamVerb(const std::string& target, const std::string& request,
                  const StreamOptions& options) {
  return WithClient([&](const ControlClient& client) {
    ClientReply refused;
    absl::StatusOr<UpgradedStream> stream = client.Upgrade(target, request, &refused);
    if (!stream.ok() && refused.status != 0) return FailReply(refused);
    if (!stream.ok()) return Fail(kExitOwnFailure, stream.status());
    absl::StatusOr<StreamResult> result =
        RunStream(std::move(stream->connection), stream->early, options);
    if (!result.ok()) return Fail(kExitUsage, result.status());
    if (!result->message.empty()) Fail(0, result->message);
    switch (result->end) {
      case StreamResult::End::kDetached: return 0;
      case StreamResult::End::kLost: return Fail(kExitOwnFailure, "the session's monitor has gone");
      case StreamResult::End::kRefused: return kExitOwnFailure;
      case StreamResult::End::kExited: break;
    }
    return ShellExitCode({.code = result->exit.code, .signal = result->exit.signal, .reason = ""});
  });
}

Command AddAttachCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("attach", "Join the streams of a session that runs");
  app->footer("Exit code: that of the session; 0 after the detach keys.\n");
  const auto flags = std::make_shared<AttachFlags>();
  app->add_flag("--no-stdin", flags->no_stdin, "Watch only");
  app->add_flag("--no-replay", flags->no_replay, "Not what was written before");
  app->add_option("--detach-keys", flags->stream.detach_keys, "\"\": none")
      ->type_name("KEYS")
      ->capture_default_str();
  app->add_option("ID", flags->reference, "Id, beginning of an id, or name")->required();
  return {app, [flags] { return Attach(*flags); }};
}

}  // namespace sessionctl
