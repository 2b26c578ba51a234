// A session's own POSIX shared memory: a directory of tmpfs that the session finds at /dev/shm,
// made when it starts and removed when it has ended. What shm_open(3), sem_open(3) and their like
// make there is seen by nobody else, and the session sees nothing of the host's.
//
// It is an ordinary mount of the broker's, whose second spelling is /dev/shm. Landlock lets the
// broker make regular files there and nothing else, so that it can always be removed, and gives the
// session no right of its own.
#ifndef SUPERVISOR_SHARED_MEMORY_H_
#define SUPERVISOR_SHARED_MEMORY_H_

#include <sys/types.h>

#include <string>

#include "policy/policy_compiler.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

// Held by the broker's parent. Movable; removes the directory when destroyed, so only after the
// session's last process has gone.
class SharedMemory {
 public:
  // Makes the directory for whom the session runs as, mode 0700, and first removes those that
  // killed sessions of that user left behind. Any thread. Errors: what mkdir(2), open(2) and
  // chown(2) answer below /dev/shm.
  static SysResult<SharedMemory> Create(uid_t owner, gid_t group);

  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory();

  const std::string& path() const { return path_; }

 private:
  explicit SharedMemory(std::string path, OwnedFd fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}
  void Remove();

  std::string path_;  // "" when moved from
  OwnedFd fd_;        // the directory, locked (flock) for as long as the session lives
};

// Removes what is in the directory, as far as it can: for the broker whose parent was killed, so
// that no memory stays taken. The directory itself is left to this user's next session.
void EmptySharedMemory(int directory);

// Adds the directory to the mounts and to the broker's domain.
void AddSharedMemory(const std::string& path, CompiledPolicy* policy);

}  // namespace sessionctl

#endif  // SUPERVISOR_SHARED_MEMORY_H_
