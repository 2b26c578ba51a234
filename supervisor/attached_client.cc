#include "supervisor/attached_client.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace sessionctl {
namespace {

constexpr size_t kReceivedAtOnce = 16384;  // received in one go
// For a client that has to take its last frames.
constexpr std::chrono::seconds kPatience(5);

}  // namespace

AttachedClient::AttachedClient(OwnedFd stream, const ControlRequest& request)
    : stream_(std::move(stream)), sends_input_(request.stdin_open), backlog_(request.preamble) {
  reader_.Append(request.early);
}

void AttachedClient::Send(FrameType type, std::string_view payload) {
  if (!is_open() || finishing_) return;
  backlog_ += EncodeFrame(type, payload);
  Flush();
}

void AttachedClient::Finish(const StreamExit& exit) {
  Send(FrameType::kExit, EncodeStreamExit(exit));
  AwaitEnd();
}

void AttachedClient::Refuse(std::string_view why) {
  Send(FrameType::kError, why);
  AwaitEnd();
}

void AttachedClient::AwaitEnd() {
  if (finishing_) return;
  finishing_ = true;
  ExpectProgress();
  if (backlog() == 0) Drop();
}

void AttachedClient::ExpectProgress() { deadline_ = Clock::now() + kPatience; }

void AttachedClient::DropLate(Clock::time_point now) {
  if (deadline_.has_value() && now >= *deadline_) Drop();
}

void AttachedClient::Watch(PollLoop* loop, ProgramStreams* program) {
  TakeFrames(program);
  if (!is_open()) return;
  short events = 0;
  if (hears_ && !finishing_ && input_.empty()) events |= POLLIN;
  if (backlog() > 0) events |= POLLOUT;
  loop->Watch(stream_.get(), events, [this, program](short ready) { Serve(ready, program); });
  if (!input_.empty() && program->input_fd() >= 0) {
    loop->Watch(program->input_fd(), POLLOUT, [this, program](short) { FeedInput(program); });
  }
}

void AttachedClient::Serve(short ready, ProgramStreams* program) {
  if (!is_open()) return;
  if ((ready & POLLOUT) != 0) Flush();
  if ((ready & POLLIN) != 0 && is_open()) {
    Receive();
    TakeFrames(program);
  } else if ((ready & (POLLHUP | POLLERR)) != 0) {
    Drop();  // gone, and with it what the program did not take in time
  }
}

void AttachedClient::Receive() {
  std::array<char, kReceivedAtOnce> piece;
  const ssize_t count = recv(stream_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (count > 0) reader_.Append({piece.data(), static_cast<size_t>(count)});
  if (count == 0) hears_ = false;
  if (count < 0 && errno != EAGAIN && errno != EINTR) Drop();
}

void AttachedClient::TakeFrames(ProgramStreams* program) {
  while (is_open() && !finishing_ && input_.empty()) {
    absl::StatusOr<std::optional<Frame>> frame = reader_.Next();
    if (!frame.ok()) return Refuse(std::string(frame.status().message()));
    if (!frame->has_value() || !Take(**frame, program)) return;
  }
}

bool AttachedClient::Take(const Frame& frame, ProgramStreams* program) {
  switch (frame.type) {
    case FrameType::kStdin:
      if (!sends_input_) return true;
      input_ = frame.payload;
      input_ends_ = frame.payload.empty();
      FeedInput(program);
      return true;
    case FrameType::kResize: {
      const std::optional<TerminalSize> size = DecodeTerminalSize(frame.payload);
      if (size.has_value()) program->Resize(*size);
      if (!size.has_value()) Refuse("a window size has four bytes");
      return size.has_value();
    }
    case FrameType::kDetach: Drop(); return false;
    default: Refuse("a frame that only a session sends"); return false;
  }
}

void AttachedClient::FeedInput(ProgramStreams* program) {
  input_.erase(0, program->Write(input_));
  if (input_.empty() && std::exchange(input_ends_, false)) program->EndInput();
}

void AttachedClient::Flush() {
  while (is_open() && backlog() > 0) {
    const ssize_t count =
        send(stream_.get(), backlog_.data() + sent_, backlog(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) return Drop();
    sent_ += static_cast<size_t>(count);
    if (deadline_.has_value()) ExpectProgress();
  }
  if (backlog() == 0) {
    std::string().swap(backlog_);
    sent_ = 0;
    if (finishing_) Drop();
  } else if (sent_ >= kEnough) {
    backlog_.erase(0, std::exchange(sent_, 0));
  }
}

}  // namespace sessionctl
