// A session's own cgroup (version 2): what the kernel counts, limits, freezes and kills as a whole.
// Made by the broker's parent below a directory that was delegated to us, and entered by the
// session's first process when it is forked; nobody leaves it, for that takes a write to cgroupfs.
// See cgroup-v2.rst of the kernel's documentation.
#ifndef SANDBOX_CGROUP_H_
#define SANDBOX_CGROUP_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/kernel_features.h"

namespace sessionctl {

// What stands in a control file of a session's cgroup: {"pids.max", "64"}. The file's first word
// names the controller.
struct CgroupSetting {
  std::string file;
  std::string value;
  bool optional = false;  // a file that this kernel lacks is no error (memory.swap.max)
};

// The directory below which sessions' cgroups are made: $SESSIONCTL_CGROUP, else the caller's own.
// Changes nothing. Allocates.
CgroupFeatures ProbeCgroup();

// What all that are or were in a cgroup have used.
struct CgroupUse {
  uint64_t cpu_user = 0;  // microseconds
  uint64_t cpu_system = 0;
  uint64_t peak_memory = 0;  // bytes; 0: not counted here
};

class SessionCgroup {
 public:
  // Makes it below `directory` and writes the settings; first turns on the controllers they need,
  // and removes what killed sessions left behind. Errors: those of mkdir(2), open(2), write(2).
  static SysResult<SessionCgroup> Create(const std::string& directory, const std::string& name,
                                         const std::vector<CgroupSetting>& settings);
  // Writes settings into an existing directory. Errors: as above.
  static SysStatus Configure(int directory, const std::vector<CgroupSetting>& settings);

  SessionCgroup(SessionCgroup&&) noexcept = default;
  SessionCgroup& operator=(SessionCgroup&&) noexcept;
  ~SessionCgroup();  // removes it, in the process that made it, when nobody is in it any more

  // The rest works from open descriptors, whatever domain the caller is in. One thread.
  int fd() const { return directory_.get(); }
  int procs_fd() const { return procs_.get(); }
  std::vector<int> descriptors() const;
  // Kills everything in it at once, whatever forks meanwhile.
  SysStatus Kill() const;
  SysStatus Freeze(bool frozen) const;
  // Processor time of all that are or were in it, microseconds.
  SysResult<uint64_t> CpuTime() const;
  SysResult<CgroupUse> Use() const;
  // Has the kernel killed for want of memory?
  bool RanOutOfMemory() const;
  SysResult<std::vector<pid_t>> Members() const;

 private:
  SessionCgroup() = default;
  void Remove();

  pid_t maker_ = 0;
  std::string name_;
  OwnedFd parent_;
  OwnedFd directory_;
  OwnedFd procs_, kill_, freeze_, cpu_, memory_events_, memory_peak_;
};

// fork(2), the child in `cgroup` from its first moment. Errors: those of clone3(2); EACCES where
// the caller may not move processes there, ENOSYS below Linux 5.7.
SysResult<pid_t> ForkIntoCgroup(int cgroup);

}  // namespace sessionctl

#endif  // SANDBOX_CGROUP_H_
