// Passes one descriptor over a UNIX socket (SCM_RIGHTS). Async-signal-safe.
#ifndef SANDBOX_BASE_FD_CHANNEL_H_
#define SANDBOX_BASE_FD_CHANNEL_H_

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

SysStatus SendDescriptor(int socket, int fd);
// Close-on-exec. Errors: EPIPE when the other end closed without sending, EBADMSG for a message
// without one.
SysResult<OwnedFd> ReceiveDescriptor(int socket);

}  // namespace sessionctl

#endif  // SANDBOX_BASE_FD_CHANNEL_H_
