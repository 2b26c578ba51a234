// Messages with descriptors over a SOCK_SEQPACKET: to the zygote, to a monitor, from the front to a
// user's own supervisor. Any thread. A message that does not fit into the socket's buffer is an
// error, not a partial write.
#ifndef FLEET_MESSAGE_SOCKET_H_
#define FLEET_MESSAGE_SOCKET_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

inline constexpr size_t kMaxMessageDescriptors = 4;

struct SocketMessage {
  std::string bytes;
  std::vector<OwnedFd> descriptors;  // close-on-exec
};

// Errors: what sendmsg(2) answers: EAGAIN, EMSGSIZE, EPIPE …. Descriptors stay the caller's.
SysStatus SendSocketMessage(int socket, std::string_view bytes,
                            const std::vector<int>& descriptors);

// At most `limit` bytes. Errors: EPIPE at the end of the stream, EMSGSIZE for a longer message, and
// what recvmsg(2) answers. Descriptors beyond kMaxMessageDescriptors are closed.
SysResult<SocketMessage> ReceiveSocketMessage(int socket, size_t limit);

// Both ends close-on-exec.
SysResult<std::pair<OwnedFd, OwnedFd>> MakeMessageSockets();

// A memory file with these contents, to pass what does not fit into a message.
SysResult<OwnedFd> MakeMemoryFile(std::string_view contents);
// All of a memory file or regular file, from its beginning. Errors: EFBIG.
SysResult<std::string> ReadMemoryFile(int fd, size_t limit);

}  // namespace sessionctl

#endif  // FLEET_MESSAGE_SOCKET_H_
