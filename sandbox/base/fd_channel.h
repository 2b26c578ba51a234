// Passes descriptors over a UNIX socket (SCM_RIGHTS). Async-signal-safe.
#ifndef SANDBOX_BASE_FD_CHANNEL_H_
#define SANDBOX_BASE_FD_CHANNEL_H_

#include <array>
#include <cstddef>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

SysStatus SendDescriptor(int socket, int fd);
// Close-on-exec. Errors: EPIPE when the other end closed without sending, EBADMSG for a message
// without one.
SysResult<OwnedFd> ReceiveDescriptor(int socket);

inline constexpr size_t kMaxDescriptors = 3;  // of one message

// One message with its descriptors. `flags` as sendmsg(2) takes them. Errors: those of sendmsg(2).
SysStatus SendWithDescriptors(int socket, const void* data, size_t size, const int* fds,
                              size_t count, int flags = 0);

struct ReceivedMessage {
  size_t size = 0;                                   // 0: the other end has closed
  std::array<OwnedFd, kMaxDescriptors> descriptors;  // close-on-exec; the first `count` are valid
  size_t count = 0;
};
// One message of at most `size` bytes. Errors: EMSGSIZE for one that has more bytes or descriptors,
// which are closed; those of recvmsg(2).
SysResult<ReceivedMessage> ReceiveWithDescriptors(int socket, void* data, size_t size,
                                                  int flags = 0);

}  // namespace sessionctl

#endif  // SANDBOX_BASE_FD_CHANNEL_H_
