// connect(2): decided on by the copied address, carried out on the caller's own open file.
#include <sys/socket.h>

#include <cerrno>

#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/handlers/sockets.h"

namespace sessionctl {

Reply HandleConnect(CallContext& context, const SyscallRequest& request) {
  SysResult<CallerSocket> socket = TakeSocket(context, request.fd);
  // The descriptor, the address, and only then whether it is a socket (__sys_connect,
  // net/socket.c).
  const int error = socket.error() == ENOTSOCK && request.address_error != 0 ? request.address_error
                                                                             : socket.error();
  if (error != 0) return Reply::Error(error);
  if (request.address_error != 0) return Reply::Error(request.address_error);
  SysResult<Destination> to =
      DecideOnDestination(context, *socket, request.address, DestinationUse::kConnect);
  if (!to.ok()) return Reply::Error(to.error());
  if (!context.MayAct()) return Reply::CallerGone();
  const auto call = [&]() -> SysStatus {
    if (connect(socket->fd.get(), to->address(), to->size()) != 0) return LastErrno();
    return Done{};
  };
  // Whether it sleeps is for a flag to say that may change at any time, so every stream may.
  SysStatus connected = socket->IsStream() ? context.MayBlock(call) : call();
  return connected.ok() ? Reply::Value(0) : SleeperError(*socket, connected.error());
}

}  // namespace sessionctl
