// The kernel's own limits of a process (getrlimit(2)), which children inherit.
#ifndef SANDBOX_LIMITS_H_
#define SANDBOX_LIMITS_H_

#include <cstdint>
#include <span>

#include "sandbox/base/sys_result.h"

namespace sessionctl {

struct ResourceLimit {
  int resource;    // RLIMIT_…
  uint64_t value;  // as setrlimit(2) takes it
};

// Sets each soft and hard limit of the calling process; a hard limit is never raised. Without
// CAP_SYS_RESOURCE nobody below can raise it again. Async-signal-safe. Errors: those of
// setrlimit(2).
SysStatus ApplyResourceLimits(std::span<const ResourceLimit> limits);

}  // namespace sessionctl

#endif  // SANDBOX_LIMITS_H_
