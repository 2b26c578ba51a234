#include "cli/stream_client.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sessionctl {
namespace {

constexpr size_t kPiece = 16384;
constexpr size_t kEnough = size_t{256} * 1024;  // waits to be written; no more is received then
constexpr size_t kWriteAtOnce = 4096;           // PIPE_BUF: does not block when poll(2) says so
constexpr int kLastControl = 31;                // of the characters that a key with ctrl gives

// "ctrl-p,ctrl-q" → the characters that these keys send.
absl::StatusOr<std::string> ParseDetachKeys(const std::string& text) {
  std::string keys;
  if (text.empty()) return keys;
  for (const absl::string_view each : absl::StrSplit(text, ',')) {
    const std::string key(each);
    if (key.size() == 1) {
      keys += key;
    } else if (key.size() == 6 && key.starts_with("ctrl-") && (key[5] & 0x40) != 0 &&
               (key[5] & kLastControl) != 0) {
      keys.push_back(static_cast<char>(key[5] & kLastControl));
    } else {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", key, "\" is no key: one character, or ctrl- and a letter or one of @[\\]^_"));
    }
  }
  return keys;
}

// Finds the detach keys in what is typed. What begins like them is held back until it is known.
class KeyFilter {
 public:
  explicit KeyFilter(std::string keys) : keys_(std::move(keys)) {}

  // What goes to the session; true in `detached` when the keys were complete.
  std::string Pass(std::string_view typed, bool* detached) {
    if (keys_.empty()) return std::string(typed);
    std::string passed;
    for (const char each : typed) {
      held_.push_back(each);
      // The longest end of what is held that the keys begin with goes on being held.
      size_t begin = 0;
      while (!keys_.starts_with(std::string_view(held_).substr(begin))) ++begin;
      passed += held_.substr(0, begin);
      held_.erase(0, begin);
      if (held_ == keys_) {
        *detached = true;
        return passed;
      }
    }
    return passed;
  }

 private:
  const std::string keys_;
  std::string held_;
};

// Our own terminal in raw mode. Signals that would end or stop us are held, so that it can be put
// back first.
class RawTerminal {
 public:
  RawTerminal() {
    if (tcgetattr(STDIN_FILENO, &modes_) != 0) return;
    sigemptyset(&held_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGALRM, SIGUSR1,
                             SIGUSR2, SIGWINCH}) {
      sigaddset(&held_, signal);
    }
    sigprocmask(SIG_BLOCK, &held_, &mask_);
    signals_.Reset(signalfd(-1, &held_, SFD_CLOEXEC | SFD_NONBLOCK));
    active_ = true;
    Enter();
  }
  ~RawTerminal() {
    if (!active_) return;
    Leave();
    sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  int signals_fd() const { return signals_.get(); }

  // The next signal that came, 0: none.
  int NextSignal() const {
    signalfd_siginfo info;
    const ssize_t size = read(signals_.get(), &info, sizeof(info));
    return size == sizeof(info) ? static_cast<int>(info.ssi_signo) : 0;
  }

  // Stops as the signal would have, and goes on raw.
  void Suspend() const {
    Leave();
    raise(SIGSTOP);
    Enter();
  }

 private:
  void Enter() const {
    termios raw = modes_;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  }
  void Leave() const { tcsetattr(STDIN_FILENO, TCSADRAIN, &modes_); }

  bool active_ = false;
  termios modes_ = {};
  sigset_t held_ = {}, mask_ = {};
  OwnedFd signals_;
};

class StreamClient {
 public:
  StreamClient(OwnedFd connection, const std::string& early, const StreamOptions& options,
               std::string detach_keys)
      : connection_(std::move(connection)),
        options_(options),
        keys_(std::move(detach_keys)),
        sends_input_(options.send_input) {
    reader_.Append(early);
  }

  // The signal that ended us instead, 0: none.
  int Run(StreamResult* result) {
    if (options_.terminal && isatty(STDIN_FILENO)) terminal_.emplace();
    TakeFrames();
    while (!IsOver()) Turn();
    if (detached_) result_.end = StreamResult::End::kDetached;
    *result = std::move(result_);
    terminal_.reset();
    return ended_by_;
  }

 private:
  bool IsOver() const { return detached_ || ended_by_ != 0 || (finished_ && output_.empty()); }

  void Turn() {
    enum { kInput, kStream, kOutput, kSignals };
    const bool wants_input = sends_input_ && !finished_ && outgoing_.empty();
    short stream = 0;
    if (!finished_ && waiting_ < kEnough) stream |= POLLIN;
    if (!finished_ && !outgoing_.empty()) stream |= POLLOUT;
    std::array<pollfd, 4> sources = {
        pollfd{.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
        pollfd{.fd = stream != 0 ? connection_.get() : -1, .events = stream, .revents = 0},
        pollfd{.fd = output_.empty() ? -1 : output_.front().first, .events = POLLOUT, .revents = 0},
        pollfd{.fd = terminal_ ? terminal_->signals_fd() : -1, .events = POLLIN, .revents = 0}};
    if (poll(sources.data(), sources.size(), -1) < 0) return;
    if (sources[kSignals].revents != 0) TakeSignals();
    if ((sources[kStream].revents & POLLOUT) != 0) SendOutgoing();
    if ((sources[kStream].revents & (POLLIN | POLLHUP | POLLERR)) != 0) Receive();
    if (sources[kOutput].revents != 0) WriteOutput();
    if (sources[kInput].revents != 0) ReadInput();
  }

  void Finish() { finished_ = true; }

  void TakeSignals() {
    for (int signal; (signal = terminal_->NextSignal()) != 0;) {
      if (signal == SIGWINCH) {
        SendSize();
      } else if (signal == SIGTSTP) {
        terminal_->Suspend();
        SendSize();
      } else {
        ended_by_ = signal;
      }
    }
  }

  void SendSize() {
    if (const std::optional<TerminalSize> size = OwnTerminalSize(); size.has_value()) {
      outgoing_ += EncodeFrame(FrameType::kResize, EncodeTerminalSize(*size));
    }
  }

  void ReadInput() {
    std::array<char, kPiece> piece;
    const ssize_t count = read(STDIN_FILENO, piece.data(), piece.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (count <= 0) {
      outgoing_ += EncodeFrame(FrameType::kStdin, "");
      sends_input_ = false;
      return;
    }
    const std::string_view typed(piece.data(), static_cast<size_t>(count));
    const std::string passed =
        terminal_.has_value() ? keys_.Pass(typed, &detached_) : std::string(typed);
    if (!passed.empty()) outgoing_ += EncodeFrame(FrameType::kStdin, passed);
    if (detached_) outgoing_ += EncodeFrame(FrameType::kDetach, "");
    SendOutgoing();
  }

  void SendOutgoing() {
    const ssize_t count =
        send(connection_.get(), outgoing_.data(), outgoing_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) outgoing_.erase(0, static_cast<size_t>(count));
    // Broken: what the other end has sent before can still be received.
    if (count < 0 && errno != EAGAIN && errno != EINTR) outgoing_.clear();
  }

  void Receive() {
    std::array<char, kPiece> piece;
    const ssize_t count = recv(connection_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return Finish();
    reader_.Append({piece.data(), static_cast<size_t>(count)});
    TakeFrames();
  }

  void TakeFrames() {
    while (!finished_) {
      absl::StatusOr<std::optional<Frame>> frame = reader_.Next();
      if (!frame.ok()) {
        result_.message = "what the session sends cannot be read";
        return Finish();
      }
      if (!frame->has_value()) return;
      Take(**frame);
    }
  }

  void Take(const Frame& frame) {
    switch (frame.type) {
      case FrameType::kStdout: return Print(STDOUT_FILENO, frame.payload);
      case FrameType::kStderr: return Print(STDERR_FILENO, frame.payload);
      case FrameType::kError:
        result_.end = StreamResult::End::kRefused;
        result_.message = frame.payload;
        return;
      case FrameType::kExit:
        if (absl::StatusOr<StreamExit> exit = DecodeStreamExit(frame.payload); exit.ok()) {
          result_.end = StreamResult::End::kExited;
          result_.exit = *std::move(exit);
        }
        return Finish();
      default: return;
    }
  }

  void Print(int fd, const std::string& text) {
    if (text.empty()) return;
    waiting_ += text.size();
    output_.emplace_back(fd, text);
  }

  void WriteOutput() {
    auto& [fd, text] = output_.front();
    const ssize_t count = write(fd, text.data(), std::min(text.size(), kWriteAtOnce));
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) {  // nobody reads us any more
      detached_ = true;
      return;
    }
    waiting_ -= static_cast<size_t>(count);
    text.erase(0, static_cast<size_t>(count));
    if (text.empty()) output_.pop_front();
  }

  OwnedFd connection_;
  const StreamOptions& options_;
  KeyFilter keys_;
  std::optional<RawTerminal> terminal_;
  FrameReader reader_;
  bool sends_input_;
  bool finished_ = false;  // nothing more will be received
  bool detached_ = false;
  int ended_by_ = 0;
  std::string outgoing_;
  std::deque<std::pair<int, std::string>> output_;  // in the order in which it came
  size_t waiting_ = 0;                              // bytes in it
  StreamResult result_;
};

}  // namespace

std::optional<TerminalSize> OwnTerminalSize() {
  winsize window = {};
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
    if (ioctl(fd, TIOCGWINSZ, &window) == 0) {
      return TerminalSize{.rows = window.ws_row, .columns = window.ws_col};
    }
  }
  return std::nullopt;
}

absl::StatusOr<StreamResult> RunStream(OwnedFd connection, const std::string& early,
                                       const StreamOptions& options) {
  absl::StatusOr<std::string> keys = ParseDetachKeys(options.detach_keys);
  if (!keys.ok()) return keys.status();
  StreamResult result;
  const int signal_number =
      StreamClient(std::move(connection), early, options, *std::move(keys)).Run(&result);
  if (signal_number != 0) {
    // As if we had never held it.
    signal(signal_number, SIG_DFL);
    raise(signal_number);
  }
  return result;
}

}  // namespace sessionctl
