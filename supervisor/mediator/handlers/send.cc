// sendto(2) with an address, sendmsg(2), sendmmsg(2): where datagrams may name destinations that a
// rule has to be asked for. The payload is copied once and sent on the caller's own open file. What
// would sleep waits as connect does.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <utility>

#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/handlers/message.h"
#include "supervisor/mediator/handlers/sockets.h"

namespace sessionctl {
namespace {

constexpr uint64_t kStreamPiece = 64 << 10;    // of a stream, copied at a time
constexpr uint64_t kMaxDatagram = 512 << 10;   // of all workers at once, it has to fit in memory
constexpr uint64_t kUsualDatagram = 64 << 10;  // up to here the kernel alone says EMSGSIZE
constexpr uint64_t kMaxMessages = 1024;        // sendmmsg: UIO_MAXIOV

// Sends one message of a caller. Answers what the kernel does: bytes, or an errno.
class Sender {
 public:
  Sender(CallContext& context, const CallerSocket& socket, int flags)
      : context_(context), socket_(socket), flags_(flags) {}

  SysResult<int64_t> Send(CallerMessage message) {
    if (int error = CheckFlags(); error != 0) return Errno(error);
    if (int error = Decide(message); error != 0) return Errno(error);
    SysResult<OwnControl> control = CarryOver(context_, message.control, HasRules());
    if (!control.ok()) return Errno(control.error());
    control_ = std::move(*control);
    if (!context_.StillWaiting()) return Errno(ESRCH);
    return socket_.IsStream() && socket_.type != SOCK_SEQPACKET ? SendStream(&message.payload)
                                                                : SendWhole(message.payload);
  }

 private:
  bool HasRules() const {
    return context_.session().policy().network.mode != NetworkMode::kHost && socket_.IsInet();
  }

  int CheckFlags() {
    // It connects: see policy/network_group.
    if ((flags_ & MSG_FASTOPEN) != 0 && HasRules()) return EOPNOTSUPP;
    if ((flags_ & MSG_ZEROCOPY) == 0) return 0;
    // The pages would be the broker's. Without SO_ZEROCOPY the flag means nothing.
    int wanted = 0;
    socklen_t size = sizeof(wanted);
    getsockopt(socket_.fd.get(), SOL_SOCKET, SO_ZEROCOPY, &wanted, &size);
    flags_ &= ~MSG_ZEROCOPY;
    return wanted != 0 ? ENOBUFS : 0;
  }

  // A connected TCP stream does not look at the name, nor does SOCK_SEQPACKET; a stream of AF_UNIX
  // refuses any.
  int Decide(const CallerMessage& message) {
    if (!message.has_name) return 0;
    if (socket_.IsStream() && (flags_ & MSG_FASTOPEN) == 0) {
      if (socket_.domain == AF_UNIX && socket_.type == SOCK_STREAM) {
        to_ = Destination{message.name, OwnedFd()};
      }
      return 0;
    }
    SysResult<Destination> to =
        DecideOnDestination(context_, socket_, message.name, DestinationUse::kSend);
    if (!to.ok()) return to.error();
    to_ = std::move(*to);
    return 0;
  }

  SysResult<int64_t> SendWhole(const RemotePayload& payload) {
    if (payload.remaining() > kUsualDatagram && payload.remaining() > LargestDatagram()) {
      return Errno(EMSGSIZE);
    }
    SysResult<std::string> bytes = payload.Read(context_.task(), payload.remaining());
    if (!bytes.ok()) return Errno(bytes.error());
    return Transmit(*bytes, flags_);
  }

  uint64_t LargestDatagram() const {
    int size = 0;
    socklen_t length = sizeof(size);
    getsockopt(socket_.fd.get(), SOL_SOCKET, SO_SNDBUF, &size, &length);
    return std::min(static_cast<uint64_t>(size), kMaxDatagram);
  }

  // Piece by piece, as long as all of a piece goes: a short answer means that the kernel would have
  // returned there. What has been sent counts, whatever ends the rest.
  SysResult<int64_t> SendStream(RemotePayload* payload) {
    int64_t sent = 0;
    do {
      const uint64_t size = std::min(payload->remaining(), kStreamPiece);
      const bool last = size == payload->remaining();
      SysResult<std::string> bytes = payload->Read(context_.task(), size);
      if (bytes.ok() && sent > 0 && !context_.StillWaiting()) return Errno(ESRCH);
      SysResult<int64_t> piece =
          bytes.ok() ? Transmit(*bytes, last ? flags_ : flags_ & ~(MSG_OOB | MSG_EOR))
                     : SysResult<int64_t>(Errno(bytes.error()));
      if (!piece.ok()) return sent > 0 ? SysResult<int64_t>(sent) : piece;
      sent += *piece;
      progressed_ = true;
      if (static_cast<uint64_t>(*piece) < size) return sent;
      payload->Take(size);
      control_ = OwnControl();  // belongs to the first byte
    } while (payload->remaining() > 0);
    return sent;
  }

  // Tries without sleeping first: most sends need not, and whether one may is for a flag to say
  // that another thread can change (trap 47).
  SysResult<int64_t> Transmit(const std::string& bytes, int flags) {
    const bool may_sleep =
        (flags & MSG_DONTWAIT) == 0 && (fcntl(socket_.fd.get(), F_GETFL) & O_NONBLOCK) == 0;
    // It would not wait for the connection that it makes.
    const bool try_first = (flags & MSG_FASTOPEN) == 0;
    int64_t sent = 0;
    if (try_first || !may_sleep) {
      SysResult<int64_t> tried = SendOnce(bytes, 0, flags | MSG_DONTWAIT);
      if (!tried.ok() && (tried.error() != EAGAIN || !may_sleep)) return tried;
      sent = tried.ok() ? *tried : 0;
      const bool whole = tried.ok() && static_cast<size_t>(sent) == bytes.size();
      if (whole || !may_sleep || (tried.ok() && !socket_.IsStream())) return sent;
    }
    SysResult<int64_t> rest =
        context_.MayBlock([&] { return SendOnce(bytes, static_cast<size_t>(sent), flags); });
    if (rest.ok()) return sent + *rest;
    return sent > 0 ? SysResult<int64_t>(sent) : rest;
  }

  SysResult<int64_t> SendOnce(const std::string& bytes, size_t from, int flags) {
    iovec piece = {const_cast<char*>(bytes.data()) + from, bytes.size() - from};
    msghdr header = {};
    if (to_.has_value()) {
      header.msg_name = to_->bytes.data();
      header.msg_namelen = to_->size();
    }
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    if (from == 0 && !control_.bytes.empty()) {
      header.msg_control = control_.bytes.data();
      header.msg_controllen = control_.bytes.size();
    }
    // What has been sent already is the answer then, and comes without a signal.
    if (from > 0 || progressed_) flags |= MSG_NOSIGNAL;
    const ssize_t sent = sendmsg(socket_.fd.get(), &header, flags);
    if (sent >= 0) return static_cast<int64_t>(sent);
    const int error = errno;
    if (error == EPIPE) HandOnBrokenPipe();
    return Errno(error);
  }

  // The broker blocks SIGPIPE. Where the kernel sent it to this worker, it is the caller's.
  void HandOnBrokenPipe() const {
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    constexpr timespec kNow = {};
    if (sigtimedwait(&broken_pipe, nullptr, &kNow) != SIGPIPE) return;
    // The thread is held in its call, so its id is its own (trap 18).
    if (context_.StillWaiting()) context_.task().Signal(SIGPIPE);
  }

  CallContext& context_;
  const CallerSocket& socket_;
  int flags_;
  bool progressed_ = false;
  std::optional<Destination> to_;
  OwnControl control_;
};

// The message of sendmmsg(2) at `at`, and its msg_len. Was it sent whole?
SysResult<bool> SendOneOfMany(CallContext& context, const CallerSocket& socket, int flags,
                              uint64_t at) {
  SysResult<CallerMessage> message = ReadMessage(context.task(), at);
  if (!message.ok()) return Errno(message.error());
  const uint64_t size = message->payload.remaining();
  SysResult<int64_t> sent = Sender(context, socket, flags).Send(std::move(*message));
  if (!sent.ok()) return Errno(sent.error());
  const auto length = static_cast<uint32_t>(*sent);
  SysStatus told = context.task().WriteMemory(at + kMessageLengthOffset, &length, sizeof(length));
  if (!told.ok()) return Errno(told.error());
  return length == size;
}

Reply ReplyTo(const CallerSocket& socket, const SysResult<int64_t>& sent) {
  return sent.ok() ? Reply::Value(*sent) : SleeperError(socket, sent.error());
}

}  // namespace

Reply HandleSendto(CallContext& context, const SyscallRequest& request) {
  SysResult<CallerSocket> socket = TakeSocket(context, request.fd);
  if (!socket.ok()) return Reply::Error(socket.error());
  if (request.address_error != 0) return Reply::Error(request.address_error);
  if (static_cast<int64_t>(request.data_size) < 0) return Reply::Error(EFAULT);
  // An address of no bytes is one that is too short; AF_UNIX alone takes it for none.
  if (request.address.empty() && socket->IsInet() && !socket->IsStream()) {
    return Reply::Error(EINVAL);
  }
  CallerMessage message;
  message.has_name = !request.address.empty();
  message.name = request.address;
  message.payload = RemotePayload({{request.data_address, request.data_size}});
  return ReplyTo(*socket, Sender(context, *socket, request.send_flags).Send(std::move(message)));
}

Reply HandleSendmsg(CallContext& context, const SyscallRequest& request) {
  SysResult<CallerSocket> socket = TakeSocket(context, request.fd);
  if (!socket.ok()) return Reply::Error(socket.error());
  SysResult<CallerMessage> message = ReadMessage(context.task(), request.data_address);
  if (!message.ok()) return Reply::Error(message.error());
  return ReplyTo(*socket, Sender(context, *socket, request.send_flags).Send(std::move(*message)));
}

// Each message is read, decided on and sent in its turn, until one is not sent whole. An error
// after the first is not told (sendmmsg(2)).
Reply HandleSendmmsg(CallContext& context, const SyscallRequest& request) {
  SysResult<CallerSocket> socket = TakeSocket(context, request.fd);
  if (!socket.ok()) return Reply::Error(socket.error());
  const uint64_t count = std::min(request.data_size, kMaxMessages);
  int64_t messages = 0;
  for (bool whole = true; whole && static_cast<uint64_t>(messages) < count; ++messages) {
    const uint64_t at = request.data_address + static_cast<uint64_t>(messages) * kMessageStride;
    SysResult<bool> sent = SendOneOfMany(context, *socket, request.send_flags, at);
    if (!sent.ok() && messages == 0) return SleeperError(*socket, sent.error());
    if (!sent.ok()) break;
    whole = *sent;
  }
  return Reply::Value(messages);
}

}  // namespace sessionctl
