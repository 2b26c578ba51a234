#include "supervisor/session_console.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "sandbox/base/fd_channel.h"
#include "supervisor/socket_peer.h"

namespace sessionctl {
namespace {

constexpr size_t kPiece = 16384;  // of the session's output
constexpr int kBacklog = 64;      // connections that wait to be accepted
constexpr size_t kMaxCallers = 32;
constexpr int kMostAccepted = 16;  // in one turn
constexpr std::chrono::seconds kCallerPatience(5);
constexpr std::chrono::milliseconds kAcceptPause(100);
constexpr std::chrono::seconds kLongestFarewell(60);
constexpr size_t kReplay = kMaxFramePayload;

bool IsStream(const OwnedFd& fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace

SessionConsole::SessionConsole(int directory, SessionLog* log, ProgramStreams streams,
                               ExecutionContext context)
    : directory_(directory),
      log_(log),
      streams_(std::move(streams)),
      executed_(std::move(context)) {}

SessionConsole::~SessionConsole() {
  if (listener_.valid()) unlinkat(directory_, kSessionControlSocket, 0);
}

absl::Status SessionConsole::Listen() {
  OwnedFd listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.valid()) return absl::ErrnoToStatus(errno, "socket");
  const sockaddr_un address = ControlAddress(directory_);
  const mode_t mask = umask(0177);
  const int bound =
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  umask(mask);
  if (bound != 0) return absl::ErrnoToStatus(error, kSessionControlSocket);
  listener_ = std::move(listener);
  if (listen(listener_.get(), kBacklog) != 0) return absl::ErrnoToStatus(errno, "listen");
  return absl::OkStatus();
}

void SessionConsole::Watch(PollLoop* loop) {
  Sweep();
  if (streams_.output_fd() >= 0) {
    loop->Watch(streams_.output_fd(), POLLIN, [this](short) { ReadOutput(); });
  }
  if (listener_.valid() && !accept_again_.has_value()) {
    loop->Watch(listener_.get(), POLLIN, [this](short) { Accept(); });
  }
  for (const auto& caller : callers_) {
    loop->Watch(caller->socket.get(), POLLIN, [this, it = caller.get()](short) { Hear(it); });
  }
  for (const auto& attached : attached_) {
    CatchUp(attached.get());
    attached->client.Watch(loop, &streams_);
  }
  executed_.Watch(loop);
}

void SessionConsole::Sweep() {
  const auto now = Clock::now();
  if (accept_again_.has_value() && now >= *accept_again_) accept_again_.reset();
  std::erase_if(callers_, [now](const auto& caller) {
    return !caller->socket.valid() || now >= caller->deadline;
  });
  for (const auto& attached : attached_) attached->client.DropLate(now);
  std::erase_if(attached_, [](const auto& attached) { return !attached->client.is_open(); });
}

int SessionConsole::Timeout() const {
  std::optional<Clock::time_point> first = executed_.deadline();
  const auto consider = [&first](const std::optional<Clock::time_point>& when) {
    if (when.has_value()) first = first.has_value() ? std::min(*first, *when) : *when;
  };
  consider(accept_again_);
  for (const auto& caller : callers_) consider(caller->deadline);
  for (const auto& attached : attached_) consider(attached->client.deadline());
  if (!first.has_value()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*first - Clock::now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

bool SessionConsole::ReadOutput() {
  std::array<char, kPiece> piece;
  const size_t size = streams_.ReadOutput(piece.data(), piece.size());
  if (size > 0) Distribute({piece.data(), size});
  return size > 0;
}

void SessionConsole::Distribute(std::string_view data) {
  const uint64_t offset = log_->written();
  log_->Append(data);
  for (const auto& attached : attached_) {
    if (attached->behind || !attached->client.is_open()) continue;
    if (attached->client.HasRoomFor(data.size())) {
      attached->client.Send(FrameType::kStdout, data);
    } else {
      attached->behind = true;
      attached->offset = offset;
    }
  }
}

void SessionConsole::CatchUp(Attached* attached) const {
  AttachedClient& client = attached->client;
  while (attached->behind && client.is_open() && client.backlog() < AttachedClient::kEnough) {
    if (attached->offset < log_->first_kept()) {
      return client.Refuse("too slow: the log has dropped what comes next");
    }
    const std::string data = log_->ReadAt(attached->offset, kMaxFramePayload);
    if (!data.empty()) client.Send(FrameType::kStdout, data);
    attached->offset += data.size();
    attached->behind = !data.empty() && attached->offset < log_->written();
  }
}

void SessionConsole::DrainOutput() {
  while (ReadOutput()) {
  }
}

void SessionConsole::Accept() {
  for (int i = 0; i < kMostAccepted; ++i) {
    OwnedFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        accept_again_ = Clock::now() + kAcceptPause;
      }
      return;
    }
    if (!PeerMayCommand(socket.get())) {
      const std::string answer = ControlAnswer(absl::PermissionDeniedError(
          "this session takes nothing from another user, or from inside a session"));
      send(socket.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      continue;
    }
    // Whoever has been silent for longest makes room. Swept before the next turn: one that is
    // ready in this turn still has its place in the list.
    if (callers_.size() >= kMaxCallers) callers_[callers_.size() - kMaxCallers]->socket.Reset();
    callers_.push_back(std::make_unique<Caller>(
        Caller{.socket = std::move(socket), .deadline = Clock::now() + kCallerPatience}));
  }
}

void SessionConsole::Hear(Caller* caller) {
  if (!caller->socket.valid()) return;
  const std::string answer = ControlAnswer(Answer(caller));
  if (!caller->socket.valid()) return;  // it is answered later
  send(caller->socket.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  caller->socket.Reset();
}

absl::Status SessionConsole::Answer(Caller* caller) {
  std::string text(kMaxControlRequest, '\0');
  SysResult<ReceivedMessage> message =
      ReceiveWithDescriptors(caller->socket.get(), text.data(), text.size(), MSG_DONTWAIT);
  if (message.error() == EMSGSIZE) return absl::InvalidArgumentError("the request is too large");
  if (!message.ok()) return absl::ErrnoToStatus(message.error(), "receiving the request");
  text.resize(message->size);
  absl::StatusOr<ControlRequest> request = ControlRequestFromJson(text);
  const bool mounts = request.ok() && request->is_about_mounts();
  if (!mounts && (message->count != 1 || !IsStream(message->descriptors[0]))) {
    return absl::InvalidArgumentError("a request comes with one descriptor, a stream socket");
  }
  if (!request.ok()) return request.status();
  if (mounts) {
    mount_requests_(*request, std::move(caller->socket));
    return absl::OkStatus();
  }
  if (attached_.size() + executed_.client_count() >= kMaxClients) {
    return absl::ResourceExhaustedError("this session has too many clients");
  }
  OwnedFd& stream = message->descriptors[0];
  return request->operation == ControlRequest::Operation::kExec ? executed_.Start(*request, &stream)
                                                                : Attach(*request, &stream);
}

absl::Status SessionConsole::Attach(const ControlRequest& request, OwnedFd* stream) {
  uint64_t offset = log_->written();
  if (request.replay) {
    offset = std::max(log_->first_kept(), offset - std::min<uint64_t>(offset, kReplay));
  }
  if (request.terminal.has_value()) streams_.Resize(*request.terminal);
  attached_.push_back(
      std::make_unique<Attached>(Attached{.client = AttachedClient(std::move(*stream), request),
                                          .behind = offset < log_->written(),
                                          .offset = offset}));
  return absl::OkStatus();
}

void SessionConsole::End(const StreamExit& exit) {
  if (listener_.valid()) unlinkat(directory_, kSessionControlSocket, 0);
  listener_.Reset();
  callers_.clear();
  executed_.End();
  end_ = exit;
  for (const auto& attached : attached_) attached->client.ExpectProgress();
}

bool SessionConsole::has_clients() const { return !attached_.empty() || executed_.has_clients(); }

// Those who are behind first read on.
void SessionConsole::Linger() {
  const auto deadline = Clock::now() + kLongestFarewell;
  PollLoop loop;
  while (has_clients() && Clock::now() < deadline) {
    for (const auto& attached : attached_) {
      CatchUp(attached.get());
      if (!attached->behind) attached->client.Finish(end_);
    }
    Watch(&loop);
    if (has_clients()) loop.Turn(Timeout());
  }
}

}  // namespace sessionctl
