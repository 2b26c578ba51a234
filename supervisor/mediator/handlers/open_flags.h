// What open(2) and openat2(2) make of their caller's flags before they look at the path.
#ifndef SUPERVISOR_MEDIATOR_HANDLERS_OPEN_FLAGS_H_
#define SUPERVISOR_MEDIATOR_HANDLERS_OPEN_FLAGS_H_

#include <fcntl.h>

#include <cstdint>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/syscall_request.h"

namespace sessionctl {

inline constexpr uint64_t kTmpfileBit = O_TMPFILE & ~O_DIRECTORY;

// The flags and mode that count: open(2) ignores what it does not know, openat2(2) refuses it.
OpenHow Sanitize(const SyscallRequest& request);

// The kernel's own verdict on what Sanitize() has left, 0 where it has none.
int FlagsError(const SyscallRequest& request, const OpenHow& how);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_HANDLERS_OPEN_FLAGS_H_
