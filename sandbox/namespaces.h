// Namespaces that a broker enters before it gives up its privileges. Call them from a
// single-threaded process, not between fork and exec.
#ifndef SANDBOX_NAMESPACES_H_
#define SANDBOX_NAMESPACES_H_

#include "sandbox/base/sys_result.h"

namespace sessionctl {

// May the calling process make an IPC namespace as it is (CAP_SYS_ADMIN)?
bool MayMakeIpcNamespace();

// A fresh IPC namespace for the calling process and its children (ipc_namespaces(7)): no System V
// object and no message queue of anybody else's. It goes with its last process. Errors: EPERM,
// ENOSYS, ENOSPC.
SysStatus EnterIpcNamespace();

// The same for an ordinary user: with a user namespace in which the caller's own uid and gid are
// what they were. All other ids look like the overflow id (65534) from inside. The caller has every
// capability in there, until it drops them. Errors: those above, and EPERM where user namespaces
// are switched off.
SysStatus EnterIpcNamespaceAsUser();

}  // namespace sessionctl

#endif  // SANDBOX_NAMESPACES_H_
