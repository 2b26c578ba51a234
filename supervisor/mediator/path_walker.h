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

inline constexpr int kMaxLinks = 40;  // that are followed for one path: path_resolution(7)

// Where a walk begins: in a directory of a mount, or at "/" when there is no mount.
struct WalkOrigin {
  const MountView* mount = nullptr;
  int base = -1;      // O_PATH directory in the mount; -1: the mount's root
  std::string below;  // where that is, relative to the root; kUnknownPlace if nobody can say
};

// Of a directory whose real path is longer than the kernel tells.
inline constexpr char kUnknownPlace[] = "...";

class PathWalker {
 public:
  // `island`: the mount that a link has already been followed in, which the walk must not leave; or
  // nullptr. `refusal`: as in PathResolver.
  PathWalker(const SessionView& session, const RemoteTask& task, const MountView* island,
             Refusal& refusal)
      : session_(session), task_(task), island_(island), refusal_(refusal) {}

  // Walks `path`. Nothing above the origin is looked at unless ".." or an absolute link leads
  // there.
  SysResult<PinnedObject> Object(const WalkOrigin& origin, const std::string& path, bool follow);
  SysResult<PinnedParent> Parent(const WalkOrigin& origin, const std::string& path);
  // As Object, for a call that only looks: links and mount points lead where they lead natively.
  SysResult<PinnedObject> LookUp(const WalkOrigin& origin, const std::string& path, bool follow);

  // RESOLVE_NO_MAGICLINKS: ELOOP at the first.
  void RefuseMagicLinks() { magic_links_ = false; }
  // RESOLVE_NO_SYMLINKS: ELOOP at the first of any kind.
  void RefuseLinks() { any_links_ = false; }

 private:
  struct Frame {
    OwnedFd fd;
    std::string name;
  };
  enum class Step { kDescended, kRedirected };

  SysStatus Begin(const WalkOrigin& origin, const std::string& path);
  void StandOn(const MountView& mount, OwnedFd directory, std::string below);
  SysStatus GoUpFromBase();
  SysStatus WalkAll(bool follow_last);
  SysStatus CheckHidden(const std::string& name) const;
  SysResult<Step> Take(const std::string& name, bool may_end_on_link);
  const MountView* MountAt(const std::string& name) const;
  SysStatus Descend(OwnedFd fd, const std::string& name);
  SysStatus CheckSearch() const;
  SysStatus GoUp();
  SysStatus FollowLink(int link);
  SysStatus FollowMagicLink(const std::string& name, bool last);
  bool NothingBelow() const;
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
  std::vector<Frame> frames_;         // from `base_` in the mount, or from "/"
  std::string base_;                  // where the first frame is in the mount; "": its root
  std::deque<std::string> queue_;
  bool wants_directory_ = false;
  bool through_descriptor_ = false;
  int descriptor_ = -1;
  int links_ = 0;
  bool magic_links_ = true;
  bool any_links_ = true;
  bool looks_up_ = false;
};

// The path of the nearest directory at or above this one that has one: beyond PATH_MAX the kernel
// tells none (d_path), though a tree may be deeper.
SysResult<std::string> NearestPath(int directory);

bool OnProcfs(int fd);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_PATH_WALKER_H_
