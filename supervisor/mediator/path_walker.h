// The slow half of resolution: one component at a time, each opened O_PATH|O_NOFOLLOW beneath the
// directory before it, links read and expanded here. Used for what a single
// openat2(RESOLVE_BENEATH) refuses although it is legal, and for everything outside the mounts. One
// walk an object; not for sharing between threads.
#ifndef SUPERVISOR_MEDIATOR_PATH_WALKER_H_
#define SUPERVISOR_MEDIATOR_PATH_WALKER_H_

#include <deque>
#include <string>
#include <vector>

#include "sandbox/base/sys_result.h"
#include "supervisor/mediator/path_resolver.h"

namespace sessionctl {

class PathWalker {
 public:
  // `island`: the mount that a link has already been followed in, which the walk must not leave; or
  // nullptr. `refusal`: as in PathResolver.
  PathWalker(const SessionView& session, const RemoteTask& task, const MountView* island,
             Refusal& refusal)
      : session_(session), task_(task), island_(island), refusal_(refusal) {}

  // Walks `path` from the root of `start`, or from "/" when it is nullptr.
  SysResult<PinnedObject> Object(const MountView* start, const std::string& path, bool follow);
  SysResult<PinnedParent> Parent(const MountView* start, const std::string& path);

  // RESOLVE_NO_MAGICLINKS: ELOOP at the first.
  void RefuseMagicLinks() { magic_links_ = false; }

 private:
  struct Frame {
    OwnedFd fd;
    std::string name;
  };
  enum class Step { kDescended, kRedirected };

  SysStatus Begin(const MountView* start, const std::string& path);
  SysStatus WalkAll(bool follow_last);
  SysResult<Step> Take(const std::string& name, bool may_end_on_link);
  SysStatus Descend(OwnedFd fd, const std::string& name);
  SysStatus GoUp();
  SysStatus FollowLink(int link);
  SysStatus FollowMagicLink(const std::string& name, bool last);
  SysStatus EnterMount(const MountView& mount);
  SysStatus RestartAtSlash();
  SysStatus CheckIsland() const;
  Errno Refuse(int error, const MountView* mount, const char* why) const;
  SysResult<OwnedFd> OpenOutside(const std::string& name, int flags) const;
  bool InCallersProc() const;
  int CallersDescriptor(const std::string& name) const;
  bool ExpandProcSelf(const std::string& name);
  SysStatus RefuseBrokersOwnProc(int fd, const std::string& name) const;
  std::string Position() const;
  void QueueFront(const std::string& path);
  int Top() const { return frames_.back().fd.get(); }

  const SessionView& session_;
  const RemoteTask& task_;
  const MountView* island_;
  Refusal& refusal_;
  const MountView* mount_ = nullptr;  // where the walk is now
  std::vector<Frame> frames_;         // from the mount's root, or from "/"
  std::deque<std::string> queue_;
  bool wants_directory_ = false;
  bool through_descriptor_ = false;
  int descriptor_ = -1;
  int links_ = 0;
  bool magic_links_ = true;
};

bool OnProcfs(int fd);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_PATH_WALKER_H_
