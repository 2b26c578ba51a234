// Giving up privilege for good: no_new_privs, no capabilities, nothing to regain them by.
// Async-signal-safe.
#ifndef SANDBOX_PRIVILEGES_H_
#define SANDBOX_PRIVILEGES_H_

#include "sandbox/base/sys_result.h"

namespace sessionctl {

// Sets no_new_privs, empties every capability set of the calling thread and, where it still may,
// the bounding set, and locks securebits so that uid 0 is a user like any other. Errors: those of
// prctl and capset.
SysStatus DropPrivileges();

}  // namespace sessionctl

#endif  // SANDBOX_PRIVILEGES_H_
