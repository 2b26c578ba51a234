// Namespaces that a broker enters before it gives up its privileges. Call them from a
// single-threaded process, not between fork and exec.
#ifndef SANDBOX_NAMESPACES_H_
#define SANDBOX_NAMESPACES_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "sandbox/base/sys_result.h"

namespace sessionctl {

inline constexpr unsigned long kNsGetPidFromPidns = 0x8004b706;  // linux/nsfs.h

// May the calling process make namespaces as it is (CAP_SYS_ADMIN)?
bool MayMakeNamespaces();

// Fresh namespaces for the calling process and its children: CLONE_NEWIPC (ipc_namespaces(7): no
// System V object and no message queue of anybody else's), CLONE_NEWNS (mount_namespaces(7)). They
// go with their last process. Errors: EPERM, ENOSYS, ENOSPC.
SysStatus EnterNamespaces(int flags);

// The same for an ordinary user: with a user namespace in which the caller's own uid and gid are
// what they were. All other ids look like the overflow id (65534) from inside. The caller has every
// capability in there, until it drops them. Errors: those above, and EPERM where user namespaces
// are switched off.
SysStatus EnterNamespacesAsUser(int flags);

// The number that the calling process has for the thread or process which `number` means in another
// process id namespace (an open /proc/PID/ns/pid). NS_GET_PID_FROM_PIDNS, Linux 6.11. Errors:
// ESRCH; ENOTTY below that kernel.
SysResult<pid_t> TranslateProcessId(int id_namespace, pid_t number);

// What on this machine may keep an ordinary user from making user namespaces or a /proc in them, by
// its name: a sysctl and its value, AppArmor's, or what a container has put over /proc; "" when
// nothing is known to.
std::string WhatForbidsUserNamespaces();

}  // namespace sessionctl

#endif  // SANDBOX_NAMESPACES_H_
