// Frames on the byte stream between a session's monitor and who is attached to it, or executes
// something in it: one byte type, three bytes zero, four bytes length (big-endian), then the
// payload. Both directions. Plain values, no I/O; both sides believe the other nothing.
#ifndef SUPERVISOR_STREAM_FRAMES_H_
#define SUPERVISOR_STREAM_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sessionctl {

enum class FrameType : uint8_t {
  kStdin = 0,   // to the monitor; empty: end of input
  kStdout = 1,  // from the monitor
  kStderr = 2,
  kResize = 3,  // to the monitor: rows and columns, two bytes each (big-endian)
  kExit = 4,    // from the monitor: JSON of a StreamExit; the last frame
  kDetach = 5,  // to the monitor; empty
  kError = 6,   // from the monitor: text; the last frame, or followed by kExit
};
inline constexpr size_t kFrameHeaderSize = 8;
inline constexpr size_t kMaxFramePayload = size_t{64} * 1024;

// Header and payload. A payload of more than kMaxFramePayload is cut.
std::string EncodeFrame(FrameType type, std::string_view payload);

struct Frame {
  FrameType type = FrameType::kStdin;
  std::string payload;
};

// Takes bytes as they come, gives frames. Holds at most one frame that is not complete.
class FrameReader {
 public:
  void Append(std::string_view bytes) { buffer_.append(bytes); }
  // nullopt: no whole frame yet. Errors: kInvalidArgument for what is no frame (an unknown type, a
  // byte that is not zero, a payload that is too long); the stream cannot be used any more.
  absl::StatusOr<std::optional<Frame>> Next();
  // Bytes that wait to be taken by Next.
  size_t waiting() const { return buffer_.size() - taken_; }

 private:
  std::string buffer_;
  size_t taken_ = 0;
};

struct TerminalSize {
  uint16_t rows = 24;
  uint16_t columns = 80;
};
std::string EncodeTerminalSize(TerminalSize size);
std::optional<TerminalSize> DecodeTerminalSize(std::string_view payload);

// What the last frame says: how the command, or what was executed, ended. All empty: nobody knows.
struct StreamExit {
  std::optional<int> code;
  std::optional<int> signal;
  std::string reason;  // as SessionExit::reason
};
std::string EncodeStreamExit(const StreamExit& exit);
// Errors: kInvalidArgument.
absl::StatusOr<StreamExit> DecodeStreamExit(const std::string& payload);

}  // namespace sessionctl

#endif  // SUPERVISOR_STREAM_FRAMES_H_
