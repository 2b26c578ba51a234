// What is asked of a session's monitor over its control socket (SESSION_DIRECTORY/control,
// SOCK_SEQPACKET): one JSON message with one descriptor, the byte stream of whoever wants to be
// attached, or to have something executed in the session. The monitor answers with one JSON
// message, {"ok":true} or {"error":{"code","message"}}, and from then on speaks frames
// (stream_frames.h) on the stream. What is about mounts comes without a descriptor, and is answered
// when it is done. It answers its own user and root only.
#ifndef SUPERVISOR_SESSION_CONTROL_H_
#define SUPERVISOR_SESSION_CONTROL_H_

#include <sys/un.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supervisor/stream_frames.h"

namespace sessionctl {

inline constexpr char kSessionControlSocket[] = "control";
inline constexpr size_t kMaxControlRequest = size_t{128} * 1024;  // bytes of JSON

struct ControlRequest {
  enum class Operation { kAttach, kExec, kAddMount, kRemoveMount };
  Operation operation = Operation::kAttach;
  std::string early;       // frames that were read from the stream already
  std::string preamble;    // what the monitor writes to the stream before its first frame
  bool stdin_open = true;  // the client will send input
  // attach: the size of the client's terminal. exec: makes a terminal of that size.
  std::optional<TerminalSize> terminal;
  bool replay = true;  // attach: begins with the end of the log
  // exec only.
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "K=V", beside and before what the session's own says
  std::string working_directory;         // "": the session's own
  // kAddMount; of kRemoveMount `guest` only.
  std::string host, guest, mode;

  bool is_about_mounts() const {
    return operation == Operation::kAddMount || operation == Operation::kRemoveMount;
  }
};

std::string ControlRequestToJson(const ControlRequest& request);
// Errors: kInvalidArgument with the member that is wrong.
absl::StatusOr<ControlRequest> ControlRequestFromJson(const std::string& json);
// What the monitor answers.
std::string ControlAnswer(const absl::Status& status);

// Of the control socket in the directory that is open as `directory`, however long its path is.
sockaddr_un ControlAddress(int directory);

// Hands `stream` over to the monitor of the session whose directory is open as `directory`. Blocks
// until the monitor has answered, or `timeout` is over. The caller closes its own descriptor of the
// stream. Errors: kNotFound (nobody listens: the session has ended), kDeadlineExceeded, and what
// the monitor answers: kInvalidArgument, kFailedPrecondition (it cannot be done in this session),
// kResourceExhausted (too many clients), kPermissionDenied.
absl::Status HandOverStream(int directory, const ControlRequest& request, int stream,
                            std::chrono::milliseconds timeout);

// Asks for a change of the session's mounts. Errors: as above.
absl::Status AskForMount(int directory, const ControlRequest& request,
                         std::chrono::milliseconds timeout);

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_CONTROL_H_
