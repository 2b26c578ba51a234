// listen(2), where the policy has rules for local addresses: on a TCP socket without an address it
// would choose one itself, which no rule has seen.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "policy/network_check.h"
#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/handlers/sockets.h"

namespace sessionctl {
namespace {

SocketAddress LocalAddress(int socket) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return ReadSocketAddress({reinterpret_cast<const char*>(&storage), size_t{size}});
}

int CheckLocal(CallContext& context, const SocketAddress& local) {
  if (local.kind != SocketAddress::Kind::kInet) return EACCES;
  return context.Take(CheckListening(context.session().policy().network, local.ip, local.port));
}

}  // namespace

Reply HandleListen(CallContext& context, const SyscallRequest& request) {
  SysResult<CallerSocket> socket = TakeSocket(context, request.fd);
  if (!socket.ok()) return Reply::Error(socket.error());
  const int fd = socket->fd.get();
  const bool has_rules = socket->IsInet() && socket->type == SOCK_STREAM;
  if (has_rules) {
    if (int error = CheckLocal(context, LocalAddress(fd)); error != 0) return Reply::Error(error);
  }
  if (!context.StillWaiting()) return Reply::CallerGone();
  if (listen(fd, request.backlog) != 0) return Reply::Error(errno);
  // Another thread may have taken the address away in between (shutdown(2) of a connection that is
  // being made). While it listens, it keeps what it has.
  const int error = has_rules ? CheckLocal(context, LocalAddress(fd)) : 0;
  if (error == 0) return Reply::Value(0);
  shutdown(fd, SHUT_RDWR);
  return Reply::Error(error);
}

}  // namespace sessionctl
