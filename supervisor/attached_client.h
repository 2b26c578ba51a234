// One client on a stream of frames, as its monitor sees it: what it is sent waits here in a bounded
// backlog, what it sends is believed nothing. Never waits.
#ifndef SUPERVISOR_ATTACHED_CLIENT_H_
#define SUPERVISOR_ATTACHED_CLIENT_H_

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/base/owned_fd.h"
#include "supervisor/poll_loop.h"
#include "supervisor/program_streams.h"
#include "supervisor/session_control.h"
#include "supervisor/stream_frames.h"

namespace sessionctl {

class AttachedClient {
 public:
  using Clock = std::chrono::steady_clock;
  // Whoever sends waits when this much has not been taken …
  static constexpr size_t kEnough = size_t{64} * 1024;
  // … and nobody may keep more.
  static constexpr size_t kMost = size_t{256} * 1024;

  AttachedClient(OwnedFd stream, const ControlRequest& request);

  bool is_open() const { return stream_.valid(); }
  size_t backlog() const { return backlog_.size() - sent_; }
  bool HasRoomFor(size_t size) const { return backlog() + size + kFrameHeaderSize <= kMost; }

  // Queues frames, and sends what goes at once.
  void Send(FrameType type, std::string_view payload);
  // The last frame: the client goes when it has taken all, or after a while without progress.
  void Finish(const StreamExit& exit);
  // With an error that the client is told.
  void Refuse(std::string_view why);
  void Drop() { stream_.Reset(); }
  // From now on it is dropped when it takes nothing for a while.
  void ExpectProgress();

  // For the next turn: input goes to `program`.
  void Watch(PollLoop* loop, ProgramStreams* program);
  // When it has to be looked at again, if it does.
  std::optional<Clock::time_point> deadline() const { return deadline_; }
  void DropLate(Clock::time_point now);

 private:
  void Serve(short ready, ProgramStreams* program);
  void Receive();
  void TakeFrames(ProgramStreams* program);
  bool Take(const Frame& frame, ProgramStreams* program);
  void FeedInput(ProgramStreams* program);
  void Flush();
  void AwaitEnd();

  OwnedFd stream_;
  const bool sends_input_;
  FrameReader reader_;
  bool hears_ = true;        // the client may send more
  std::string input_;        // of a frame, what the program has not taken yet
  bool input_ends_ = false;  // … and nothing comes after it
  std::string backlog_;
  size_t sent_ = 0;
  bool finishing_ = false;
  std::optional<Clock::time_point> deadline_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_ATTACHED_CLIENT_H_
