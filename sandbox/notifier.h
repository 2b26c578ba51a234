// The receiving end of a seccomp user-notification filter. Receive() and the Send functions may be
// called from any number of threads at once; nothing here looks at the caller's memory. There is no
// way to answer "continue": the kernel never runs an intercepted call (trap 14).
#ifndef SANDBOX_NOTIFIER_H_
#define SANDBOX_NOTIFIER_H_

#include <sys/types.h>

#include <array>
#include <cstdint>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

struct Notification {
  uint64_t id = 0;
  pid_t tid = 0;  // a thread id (trap 16)
  int nr = 0;
  std::array<uint64_t, 6> args = {};
};

class Notifier {
 public:
  // Asks the kernel (6.6 or later) to wake the receiver on the caller's own processor at once. The
  // caller can be interrupted until it is received (trap 1): this makes that time, and the whole
  // round trip, as short as the kernel can.
  explicit Notifier(OwnedFd listener);

  // Blocks for the next intercepted call. Errors: ENOENT (the caller died before it was received:
  // go on, unless HasEnded), EINTR, ENODEV or EBADF (no more calls will come).
  SysResult<Notification> Receive();

  // Is there a call that nobody has received yet?
  bool HasCall() const;

  // No task is left that has the filter, and so none will ever call: then Receive is ENOENT at
  // once, again and again (kernel/seccomp.c, seccomp_notify_poll: EPOLLHUP).
  bool HasEnded() const;

  // Is the caller still waiting in this call? Its thread id names the same thread for as long as
  // this holds (trap 18), so ask after each look at it and before each side effect.
  bool StillWaiting(uint64_t id) const;

  // Answers. ENOENT: the caller has died meanwhile; nothing was delivered.
  SysStatus SendError(uint64_t id,
                      int error);  // error > 0; 512 (ERESTARTSYS) restarts or interrupts
  SysStatus SendValue(uint64_t id, int64_t value);
  // Installs `fd` in the caller, who goes on waiting, and returns its number there. Close `fd`,
  // then SendValue the number. Nothing leaks in between: with WAIT_KILLABLE_RECV only its death can
  // take the caller away (trap 9). EMFILE: the caller's table is full; nothing was answered yet.
  SysResult<int> InstallDescriptor(uint64_t id, int fd, bool close_on_exec);
  // Both in one step (SECCOMP_ADDFD_FLAG_SEND), which saves the caller two wake-ups: it runs on
  // while we still hold the open file, and may find its own lock taken (EWOULDBLOCK), its program
  // busy (ETXTBSY) or a FIFO with an end too many. For what none of these can happen to. Errors as
  // above.
  SysStatus SendDescriptor(uint64_t id, int fd, bool close_on_exec);

 private:
  OwnedFd listener_;
};

}  // namespace sessionctl

#endif  // SANDBOX_NOTIFIER_H_
