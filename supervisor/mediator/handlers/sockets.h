// What the handlers of socket calls share: the caller's socket, and the decision on where a call on
// it leads.
#ifndef SUPERVISOR_MEDIATOR_HANDLERS_SOCKETS_H_
#define SUPERVISOR_MEDIATOR_HANDLERS_SOCKETS_H_

#include <sys/socket.h>

#include <string>

#include "policy/network_rules.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/socket_address.h"
#include "supervisor/mediator/call_context.h"
#include "supervisor/mediator/reply.h"

namespace sessionctl {

// The same open file as the caller's descriptor: what is done to it is done to the caller's. Its
// type and protocol never change; its domain does only from AF_INET6 to AF_INET (IPV6_ADDRFORM).
struct CallerSocket {
  OwnedFd fd;
  int domain = 0;
  int type = 0;
  int protocol = 0;

  bool IsInet() const { return domain == AF_INET || domain == AF_INET6; }
  bool IsStream() const { return type == SOCK_STREAM || type == SOCK_SEQPACKET; }
  Transport transport() const;
};

// Errors: EBADF, ENOTSOCK; EACCES where the machine takes pidfd_getfd away (trap 50).
SysResult<CallerSocket> TakeSocket(CallContext& context, int fd);

// What a call hands to the kernel in place of the caller's address.
struct Destination {
  std::string bytes;
  OwnedFd pinned;  // the socket file that `bytes` names, through /proc/self/fd

  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(bytes.data()); }
  socklen_t size() const { return static_cast<socklen_t>(bytes.size()); }
};

enum class DestinationUse { kConnect, kSend };

// Decides on the address `bytes`, which was copied once. Errors: the kernel's own for a malformed
// address and for the path of a socket file; EACCES and EAFNOSUPPORT by the policy.
SysResult<Destination> DecideOnDestination(CallContext& context, const CallerSocket& socket,
                                           const std::string& bytes, DestinationUse use);

// The verdict on an abstract name, or on none at all; 0 or an errno.
int DecideOnAbstract(CallContext& context);

// What a call on `socket` that slept answers with `error`: with a timeout it is not restarted
// (sock_intr_errno, net/sock.h).
Reply SleeperError(const CallerSocket& socket, int error);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_HANDLERS_SOCKETS_H_
