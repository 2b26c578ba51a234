#include "supervisor/mediator/handlers/sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <cerrno>
#include <utility>

#include "policy/network_check.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

using Kind = SocketAddress::Kind;

int IntOption(int socket, int option) {
  int value = 0;
  socklen_t size = sizeof(value);
  getsockopt(socket, SOL_SOCKET, option, &value, &size);
  return value;
}

bool HasSendTimeout(int socket) {
  timeval timeout = {};
  socklen_t size = sizeof(timeout);
  getsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, &size);
  return timeout.tv_sec != 0 || timeout.tv_usec != 0;
}

const NetworkPlan& PlanOf(const CallContext& context) { return context.session().policy().network; }

// The socket file behind a path is pinned, decided on by where it is, and then named by the
// descriptor: what is connected to is what was decided on.
SysResult<Destination> DecideOnPath(CallContext& context, const std::string& path) {
  SysResult<PinnedObject> object = context.resolver().Object(CallerPath{AT_FDCWD, path}, true);
  if (!object.ok()) return Errno(object.error());
  // What is no socket, nothing is said to: the kernel says whether it may not be written or
  // refuses.
  const int error =
      S_ISSOCK(object->info.st_mode) ? context.CheckObject(Operation::kConnect, *object) : 0;
  if (error != 0) return Errno(error);
  Destination destination;
  destination.bytes = UnixAddress(FdPath(object->fd.get()).c_str());
  destination.pinned = std::move(object->fd);
  return destination;
}

// AF_UNSPEC: connect(2) undoes a connection by it; as a destination, UDP over IPv4 takes it for
// AF_INET.
int DecideOnUnspecified(CallContext& context, const CallerSocket& socket,
                        const SocketAddress& address, const std::string& bytes,
                        DestinationUse use) {
  if (use == DestinationUse::kConnect || !socket.IsInet()) return 0;
  if (bytes.size() < sizeof(sockaddr_in)) return EINVAL;
  return context.Take(
      CheckDestination(PlanOf(context), address.ip, address.port, socket.transport()));
}

}  // namespace

Transport CallerSocket::transport() const {
  if (!IsInet()) return Transport::kOther;
  if (protocol == IPPROTO_TCP) return Transport::kTcp;
  return protocol == IPPROTO_UDP ? Transport::kUdp : Transport::kOther;
}

SysResult<CallerSocket> TakeSocket(CallContext& context, int fd) {
  SysResult<OwnedFd> same = context.task().Descriptor(fd);
  if (!same.ok()) return Errno(same.error());
  const int flags = fcntl(same->get(), F_GETFL);
  SysResult<struct stat> info = Fstat(same->get());
  if (flags < 0 || !info.ok()) return Errno(EBADF);
  if ((flags & O_PATH) != 0) {
    SysResult<std::string> path = PathOfDescriptor(same->get());
    if (!path.ok() || !path->starts_with("socket:")) return Errno(EBADF);
    return Errno(context.Take({EACCES, "this machine's pidfd_getfd is taken away"}));
  }
  if (!S_ISSOCK(info->st_mode)) return Errno(ENOTSOCK);
  CallerSocket socket;
  socket.domain = IntOption(same->get(), SO_DOMAIN);
  socket.type = IntOption(same->get(), SO_TYPE);
  socket.protocol = IntOption(same->get(), SO_PROTOCOL);
  socket.fd = std::move(*same);
  return socket;
}

int DecideOnAbstract(CallContext& context) {
  if (!PlanOf(context).abstract_refused) return 0;
  return context.Take({EACCES, "abstract UNIX sockets need Landlock ABI 6"});
}

SysResult<Destination> DecideOnDestination(CallContext& context, const CallerSocket& socket,
                                           const std::string& bytes, DestinationUse use) {
  const SocketAddress address = ReadSocketAddress(bytes);
  const bool is_unix = address.kind == Kind::kUnixPath || address.kind == Kind::kUnixAbstract ||
                       address.kind == Kind::kUnixUnnamed;
  if (address.kind != Kind::kUnspecified && is_unix != (socket.domain == AF_UNIX)) {
    return Errno(is_unix && socket.IsInet() ? EAFNOSUPPORT : EINVAL);
  }
  Destination destination;
  destination.bytes = bytes;
  int error = 0;
  switch (address.kind) {
    case Kind::kMalformed: return Errno(EINVAL);
    case Kind::kUnspecified:
      error = DecideOnUnspecified(context, socket, address, bytes, use);
      break;
    case Kind::kInet:
      error = context.Take(
          CheckDestination(PlanOf(context), address.ip, address.port, socket.transport()));
      WriteOutLoopback(&destination.bytes);
      break;
    case Kind::kUnixPath: return DecideOnPath(context, address.path);
    case Kind::kUnixAbstract:
    case Kind::kUnixUnnamed: error = DecideOnAbstract(context); break;
    case Kind::kOther: error = context.Take(CheckFamily(PlanOf(context), address.family)); break;
  }
  if (error != 0) return Errno(error);
  return destination;
}

Reply SleeperError(const CallerSocket& socket, int error) {
  if (error == ESRCH) return Reply::CallerGone();
  const bool timed = error == kErestartsys && HasSendTimeout(socket.fd.get());
  return Reply::Error(timed ? EINTR : error);
}

}  // namespace sessionctl
