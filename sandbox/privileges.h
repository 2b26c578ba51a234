// Giving up privilege for good: another user where one is asked for, no capabilities but those that
// are kept, no_new_privs, and nothing to regain any by. Single-threaded callers only: the kernel
// keeps all of it thread by thread. Async-signal-safe.
#ifndef SANDBOX_PRIVILEGES_H_
#define SANDBOX_PRIVILEGES_H_

#include <sys/types.h>

#include <optional>
#include <vector>

#include "sandbox/base/sys_result.h"
#include "sandbox/capabilities.h"

namespace sessionctl {

struct UserAndGroups {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary
};

struct Privileges {
  std::optional<UserAndGroups> become;  // nullopt: the caller's
  CapabilitySet kept = 0;               // what a program that is executed afterwards has, too
  CapabilitySet own = 0;                // what the calling process has besides, until it executes
};

// What a broker needs to look at and to end threads of its session that have become other users
// (ptrace(2), "Ptrace access mode checking"; kill(2)). Landlock still keeps it to its own session.
CapabilitySet CapabilitiesForOtherUsers();

// Sets no_new_privs; takes the bounding set down to `kept`; becomes the user; keeps `kept` and
// `own`; locks securebits, so that uid 0 regains nothing else (and, without `kept`, is a user like
// any other). Errors: those of prctl, capset and setresuid; EPERM also when a capability that is
// asked for is not there.
SysStatus AssumePrivileges(const Privileges& privileges);

// For a child of a process that has called AssumePrivileges: gives up what was its `own`.
SysStatus KeepOnly(CapabilitySet kept);

}  // namespace sessionctl

#endif  // SANDBOX_PRIVILEGES_H_
