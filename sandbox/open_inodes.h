// Which files a set of processes holds open or mapped, as /proc shows it. Any thread; allocates.
#ifndef SANDBOX_OPEN_INODES_H_
#define SANDBOX_OPEN_INODES_H_

#include <sys/types.h>

#include <set>
#include <utility>
#include <vector>

namespace sessionctl {

class OpenInodes {
 public:
  // Looks at every descriptor and every mapping of `pids`. `proc` is an open /proc.
  OpenInodes(int proc, const std::vector<pid_t>& pids);

  // May one of them hold it? Where it cannot be told, yes: a descriptor that is on its way through
  // a UNIX socket of theirs (unix(7), SCM_RIGHTS), or of a process that may not be looked into, may
  // be that of any file.
  bool MayHold(dev_t device, ino_t inode) const;

 private:
  // Each thread may have a table of its own (unshare(2), CLONE_FILES).
  void LookAtDescriptors(int proc, pid_t tid);
  bool LookAtMappings(int proc, pid_t tid);

  std::set<std::pair<dev_t, ino_t>> open_;
  std::set<ino_t>
      mapped_;  // by number alone: maps shows a device that stat(2) does not know (btrfs)
  bool unknown_ = false;
};

}  // namespace sessionctl

#endif  // SANDBOX_OPEN_INODES_H_
