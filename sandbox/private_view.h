// A root file system of a session's own: nothing of the host is in it but what is named, each tree
// through a mount with no more rights than were asked for. And the process that is the first in the
// session's own process id namespace: when it ends, the kernel ends all others in there.
#ifndef SANDBOX_PRIVATE_VIEW_H_
#define SANDBOX_PRIVATE_VIEW_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sandbox/base/own_memory.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/overlay_mount.h"

namespace sessionctl {

struct ViewEntry {
  enum class Kind {
    kTree,       // a directory or file of the host: a bind mount, with all that is mounted below
    kOverlay,    // a directory of the host's, with what is changed kept apart
    kMemory,     // an empty tmpfs, mode 1777
    kReserved,   // one in which nothing can be made but places for mounts (view_mount.h)
    kTerminals,  // pseudo-terminals of the session's own: a devpts, and "ptmx" beside it
    kProcesses,  // a procfs of its process id namespace
    kLink,       // a symbolic link; left out where a tree has something there already
  };
  Kind kind;
  std::string path;                 // in the view; absolute, without links
  std::string source = {};          // kTree: the host's path, canonical. kLink: its text
  OverlayDirectories overlay = {};  // kOverlay
  bool read_only = false;
  bool executable = false;
  bool devices = false;
  bool follows_links = true;  // false: MOUNT_ATTR_NOSYMFOLLOW, no link in it is followed
};

// Not movable: others hold its address.
class ViewReaper {
 public:
  ViewReaper() = default;
  ViewReaper(const ViewReaper&) = delete;
  ViewReaper& operator=(const ViewReaper&) = delete;

  // Outside. -1: there is none.
  pid_t pid() const { return pid_; }
  // Its process id namespace, for EnterForChildren and for NS_GET_PID_FROM_PIDNS.
  int id_namespace() const { return namespace_.get(); }
  // Children that are made from now on are born in its namespace. The caller needs CAP_SYS_ADMIN,
  // and can make no thread any more. Errors: those of setns(2).
  SysStatus EnterForChildren() const;
  // Ends it, and so everybody in the namespace.
  void End();

 private:
  friend absl::Status EnterPrivateView(std::vector<ViewEntry> entries, const OwnMemory& memory,
                                       ViewReaper* reaper);
  SysStatus Start(int root, const ViewEntry* processes, const OwnMemory& memory);

  pid_t pid_ = -1;
  OwnedFd namespace_;
  OwnedFd lifeline_;  // it lives as long as this is open
};

// Makes that root of the calling process's mount namespace, which must be its own and nobody
// else's, and every process in there stands in "/" then. Starts the reaper, a child of the caller;
// it does nothing but wait, in seccomp's strict mode. Single-threaded callers with CAP_SYS_ADMIN.
// `memory`: the caller's, which the reaper forgets. Descriptors that are open stay what they are:
// /proc of before, too. Errors: kFailedPrecondition and kNotFound, with the path and what failed.
// After an error the caller's view is undefined.
absl::Status EnterPrivateView(std::vector<ViewEntry> entries, const OwnMemory& memory,
                              ViewReaper* reaper);

}  // namespace sessionctl

#endif  // SANDBOX_PRIVATE_VIEW_H_
