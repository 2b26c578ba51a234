// What a session may read in place of /proc/PID/mountinfo where that would tell which directory of
// the host's each mount shows: a copy, made anew for each open from what the kernel tells of the
// session's own process, without those directories. It cannot be written, by nobody. Opens of one
// text share one piece of memory, so that many of them take no more room than descriptors do. Any
// thread.
#ifndef SUPERVISOR_MEDIATOR_MOUNT_TABLE_H_
#define SUPERVISOR_MEDIATOR_MOUNT_TABLE_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "sandbox/base/mutex.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

// The lines of a mountinfo, with "/" for the directory of its file system that each mount shows,
// the fourth field (proc_pid_mountinfo(5)). A line that has none is left out.
std::string WithoutRoots(const std::string& mountinfo);

class MountTable {
 public:
  MountTable() = default;
  MountTable(const MountTable&) = delete;
  MountTable& operator=(const MountTable&) = delete;

  // A new open file with the copy of `mountinfo`, a pinned /proc/PID/mountinfo. `flags` are those
  // of an open(2) that only reads. Errors: those of opening and reading it, EFBIG for one that is
  // longer than any session's, EACCES where the kernel makes no memory that cannot be executed.
  SysResult<OwnedFd> Open(int mountinfo, int flags);

 private:
  Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  OwnedFd copy_ ABSL_GUARDED_BY(mutex_);  // of that text; sealed
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_MOUNT_TABLE_H_
