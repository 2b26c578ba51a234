// One message that a caller sends: its msghdr read once, its payload read piece by piece as it is
// sent, its control data carried over into the broker. On the worker's stack.
#ifndef SUPERVISOR_MEDIATOR_HANDLERS_MESSAGE_H_
#define SUPERVISOR_MEDIATOR_HANDLERS_MESSAGE_H_

#include <sys/uio.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/remote_task.h"
#include "supervisor/mediator/call_context.h"

namespace sessionctl {

// Payload in the caller's memory, taken from the front. Each byte is read once.
class RemotePayload {
 public:
  struct Piece {
    uint64_t address;
    uint64_t size;
  };

  explicit RemotePayload(std::vector<Piece> pieces);

  uint64_t remaining() const { return remaining_; }
  // The next `size` bytes, without taking them. EFAULT.
  SysResult<std::string> Read(const RemoteTask& task, uint64_t size) const;
  void Take(uint64_t size);

 private:
  std::vector<Piece> pieces_;  // a piece that was taken has no size left
  uint64_t remaining_ = 0;
};

struct CallerMessage {
  bool has_name = false;
  std::string name;  // the address, as the caller wrote it
  RemotePayload payload{{}};
  std::string control;  // as the caller wrote it
};

// The struct msghdr at `address`. Errors: EFAULT, EINVAL, EMSGSIZE (more than 1024 pieces), ENOBUFS
// (too much control data).
SysResult<CallerMessage> ReadMessage(const RemoteTask& task, uint64_t address);

// struct mmsghdr (recvmmsg(2)): the size of one, and where its msg_len stands.
inline constexpr uint64_t kMessageStride = 64;
inline constexpr uint64_t kMessageLengthOffset = 56;

// Control data as the broker sends it.
struct OwnControl {
  std::string bytes;
  std::vector<OwnedFd> fds;  // duplicates of the descriptors that are passed on
};

// Replaces the caller's descriptors by duplicates and its process id by the broker's, which is the
// only one that the kernel lets the broker name. Errors: EBADF, EINVAL, EPERM (somebody else's
// process id; with `rules`, what would lead an IP packet past its destination).
SysResult<OwnControl> CarryOver(CallContext& context, const std::string& control, bool rules);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_HANDLERS_MESSAGE_H_
