#include "cli/stream_verbs.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "cli/command.h"

namespace sessionctl {
namespace {

constexpr std::chrono::seconds kAnswerTime(10);  // for a monitor to answer

int FailHandOver(const SessionDirectory& session, const absl::Status& status) {
  if (!absl::IsNotFound(status)) return Fail(kExitOwnFailure, status);
  absl::StatusOr<SessionRecord> record = session.CurrentRecord();
  const char* state = record.ok() ? SessionStateName(record->state) : "unreadable";
  return Fail(kExitNotFound,
              "session " + session.id() + " is " + state + ": nobody answers for it");
}

}  // namespace

int RunStreamVerb(const SessionDirectory& session, const ControlRequest& request,
                  const StreamOptions& options) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Fail(kExitOwnFailure, absl::ErrnoToStatus(errno, "socketpair"));
  }
  OwnedFd own(ends[0]);
  OwnedFd theirs(ends[1]);
  absl::Status taken = HandOverStream(session.fd(), request, theirs.get(), kAnswerTime);
  if (!taken.ok()) return FailHandOver(session, taken);
  theirs.Reset();
  absl::StatusOr<StreamResult> result = RunStream(std::move(own), "", options);
  if (!result.ok()) return Fail(kExitUsage, result.status());
  if (!result->message.empty()) Fail(0, result->message);
  switch (result->end) {
    case StreamResult::End::kDetached: return 0;
    case StreamResult::End::kLost: return Fail(kExitOwnFailure, "the session's monitor has gone");
    case StreamResult::End::kRefused: return kExitOwnFailure;
    case StreamResult::End::kExited: break;
  }
  return ShellExitCode({.code = result->exit.code, .signal = result->exit.signal, .reason = ""});
}

}  // namespace sessionctl
