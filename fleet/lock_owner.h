// Who holds a flock(2)? For a session whose record cannot be read: its monitor is the process that
// holds its lock.
#ifndef FLEET_LOCK_OWNER_H_
#define FLEET_LOCK_OWNER_H_

#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {

struct LockOwner {
  pid_t pid = 0;
  OwnedFd pidfd;
};

// The process that took the lock on `name` in `dirfd`, if it still has that very file open. Errors:
// kNotFound.
absl::StatusOr<LockOwner> FindLockOwner(int dirfd, const char* name);

}  // namespace sessionctl

#endif  // FLEET_LOCK_OWNER_H_
