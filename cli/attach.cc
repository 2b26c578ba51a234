// `sessionctl attach`: our streams become those of a session.
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/store_access.h"
#include "cli/stream_verbs.h"

namespace sessionctl {
namespace {

struct AttachFlags {
  std::string reference;
  std::string detach_keys = StreamOptions().detach_keys;
  bool no_stdin = false;
  bool no_replay = false;
};

int Attach(const SessionStore& store, const std::string& id, const AttachFlags& flags) {
  absl::StatusOr<SessionDirectory> session = store.Find(id);
  if (!session.ok()) return Fail(kExitNotFound, session.status());
  absl::StatusOr<SessionRecord> record = session->CurrentRecord();
  if (!record.ok()) return Fail(kExitOwnFailure, record.status());
  ControlRequest request;
  request.stdin_open = !flags.no_stdin;
  request.replay = !flags.no_replay;
  request.terminal = OwnTerminalSize();
  return RunStreamVerb(*session, request,
                       {.send_input = !flags.no_stdin,
                        .terminal = record->terminal,
                        .detach_keys = flags.detach_keys});
}

}  // namespace

Command AddAttachCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("attach", "Join the streams of a session that runs");
  app->footer(
      "Begins with the end of its log. Input arrives where the session was spawned with -i or "
      "--tty.\n"
      "Exit code: that of the session; 0 after the detach keys.\n");
  const auto flags = std::make_shared<AttachFlags>();
  app->add_flag("--no-stdin", flags->no_stdin, "Watch only");
  app->add_flag("--no-replay", flags->no_replay, "Not what was written before");
  app->add_option("--detach-keys", flags->detach_keys, "\"\": none")
      ->type_name("KEYS")
      ->capture_default_str();
  app->add_option("ID", flags->reference, "Id, beginning of an id, or name")->required();
  return {app, [flags] {
            return WithSessions({flags->reference},
                                [flags](const SessionStore& store, const auto& ids) {
                                  return Attach(store, ids[0], *flags);
                                });
          }};
}

}  // namespace sessionctl
