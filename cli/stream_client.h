// The terminal side of `attach` and `exec`: copies between our standard streams and a stream of
// frames (supervisor/stream_frames.h). On a terminal it is raw meanwhile, and restored on every way
// out, signals included.
#ifndef CLI_STREAM_CLIENT_H_
#define CLI_STREAM_CLIENT_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"
#include "supervisor/stream_frames.h"

namespace sessionctl {

struct StreamOptions {
  bool send_input = true;  // our standard input goes to the session
  bool terminal = false;   // the other end is a terminal: ours becomes raw, and sizes are told
  std::string detach_keys = "ctrl-p,ctrl-q";  // as docker writes them; "": none
};

struct StreamResult {
  enum class End {
    kExited,    // `exit` is known
    kDetached,  // by the detach keys
    kLost,      // the stream ended without a last frame: the monitor is gone
    kRefused,   // the monitor sent an error; `message` is it
  };
  End end = End::kLost;
  StreamExit exit;
  std::string message;  // also beside kExited: why what was to be executed was not
};

// The size of our own terminal, when standard input or output is one.
std::optional<TerminalSize> OwnTerminalSize();

// Until the stream ends, or the user detaches. `early`: bytes of the stream that were read already.
// Errors: kInvalidArgument for detach keys that cannot be read.
absl::StatusOr<StreamResult> RunStream(OwnedFd connection, const std::string& early,
                                       const StreamOptions& options);

}  // namespace sessionctl

#endif  // CLI_STREAM_CLIENT_H_
