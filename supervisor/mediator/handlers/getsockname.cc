// getsockname(2), where sockets are bound by their last name only: tells the whole one.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/handlers/sockets.h"

namespace sessionctl {
namespace {

// As move_addr_to_user() (net/socket.c): the length is told whole, the address as far as there is
// room.
SysStatus TellAddress(const RemoteTask& task, const std::string& address, uint64_t to,
                      uint64_t length_at) {
  int32_t room = 0;
  SysStatus done = task.ReadMemory(length_at, &room, sizeof(room));
  if (!done.ok()) return done;
  if (room < 0) return Errno(EINVAL);
  const auto length = static_cast<int32_t>(address.size());
  done = task.WriteMemory(length_at, &length, sizeof(length));
  if (!done.ok() || room == 0 || length == 0) return done;
  return task.WriteMemory(to, address.data(), static_cast<size_t>(std::min(room, length)));
}

}  // namespace

Reply HandleGetsockname(CallContext& context, const SyscallRequest& request) {
  SysResult<CallerSocket> socket = TakeSocket(context, request.fd);
  if (!socket.ok()) return Reply::Error(socket.error());
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  if (getsockname(socket->fd.get(), raw, &size) != 0) return Reply::Error(errno);
  std::string address(reinterpret_cast<const char*>(&storage), size);
  if (socket->domain == AF_UNIX) {
    std::optional<std::string> name = context.bound_names().Find(socket->fd.get());
    if (name.has_value()) address = *name;
  }
  if (!context.StillWaiting()) return Reply::CallerGone();
  SysStatus told = TellAddress(context.task(), address, request.data_address, request.data_size);
  return told.ok() ? Reply::Value(0) : Reply::Error(told.error());
}

}  // namespace sessionctl
