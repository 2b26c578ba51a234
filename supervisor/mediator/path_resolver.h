// From what a caller wrote to what it means: resolution beneath a mount's held root, by the island
// rule.
//
// The answer is made of held descriptors, not of names: the pinned object (O_PATH), or the pinned
// parent directory and one last component. Whoever acts on it acts with *at() calls on those, so
// nothing is resolved twice. One fast attempt is a single openat2(RESOLVE_BENEATH). What that
// refuses although it is legal (absolute links into the mount, "../" detours) is walked component
// by component, links expanded by hand and bounded at 40.
//
// Any thread; no state is kept between calls; the caller's memory is never looked at.
#ifndef SUPERVISOR_MEDIATOR_PATH_RESOLVER_H_
#define SUPERVISOR_MEDIATOR_PATH_RESOLVER_H_

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/remote_task.h"
#include "supervisor/mediator/refusal.h"
#include "supervisor/mediator/session_view.h"

namespace sessionctl {

// The object that a path names, pinned.
struct PinnedObject {
  const MountView* mount = nullptr;  // nullptr: outside every mount
  OwnedFd fd;                        // O_PATH
  struct stat info = {};
  bool through_descriptor =
      false;            // reached by a magic link of a process of this session (/proc/self/fd/1)
  int descriptor = -1;  // its number, when it is a descriptor of the caller itself
  std::string place;    // outside every mount, where it was found when it was pinned; "": not told
  bool only_read = false;  // in a tree that the session may read, and do nothing else with
};

// The directory in which a path's last component stands, pinned, and that component.
struct PinnedParent {
  const MountView* mount = nullptr;
  OwnedFd fd;        // O_PATH directory
  std::string leaf;  // never empty, never with a slash inside; may be "." or ".."
  bool trailing_slash = false;
  bool is_mount_root =
      false;  // the path names the mount's own root: there is no parent; fd is the root, leaf "."
  bool hidden = false;  // a `hide` rule covers the leaf: whatever stands there is not looked at

  // The leaf as the kernel has to see it, so that its own answers for "f/" hold (trap 34).
  std::string KernelLeaf() const { return trailing_slash ? leaf + "/" : leaf; }
};

struct CallerPath {
  int dirfd;         // the caller's number, or AT_FDCWD
  std::string path;  // empty is ENOENT; a handler that means something by it asks IsEmpty first
  int error = 0;     // of reading it: answered when the call comes to this path, as the kernel does

  bool IsEmpty() const { return error == 0 && path.empty(); }
};

class PathWalker;
struct SplitPath;
struct WalkOrigin;

class PathResolver {
 public:
  // `refusal` gets the rule when the island rule, not the kernel's own walk, refuses.
  PathResolver(const SessionView& session, const RemoteTask& task, Refusal& refusal)
      : session_(session), task_(task), refusal_(refusal) {}

  // The object. `follow`: a link as the last component is followed (it always is before a trailing
  // slash). `extra_resolve`: the caller's own RESOLVE_ flags (openat2). Errors: the kernel's own
  // for the walk, EACCES where the path would leave its island, EXDEV at a mount point inside a
  // mount, EBADF and ENOTDIR for the dirfd.
  SysResult<PinnedObject> Object(const CallerPath& path, bool follow,
                                 uint64_t extra_resolve = 0) const;
  // The object, for a call that only looks at it (stat, readlink …): it may lie anywhere, and links
  // lead wherever they lead natively. ENOENT for what is hidden, or is reached through it.
  SysResult<PinnedObject> LookUp(const CallerPath& path, bool follow) const;
  // The parent directory; the last component is not looked at.
  SysResult<PinnedParent> Parent(const CallerPath& path, uint64_t extra_resolve = 0) const;
  // Of both paths of a call. Where both begin at one directory, it is looked up once.
  struct Parents {
    PinnedParent first;
    PinnedParent second;
  };
  SysResult<Parents> BothParents(const CallerPath& first, const CallerPath& second) const;
  // The same for what a link in `at` stands for, which may not leave the link's mount. Under the
  // caller's own RESOLVE_ flags, `path` is what led to the link, and becomes what it stands for.
  SysResult<PinnedParent> ParentOfLink(const PinnedParent& at, const std::string& target,
                                       uint64_t extra_resolve, CallerPath* path) const;

  // The object behind a caller's descriptor. `fd` is the same open file.
  SysResult<PinnedObject> Descriptor(int fd) const;
  // The caller's working directory itself: no name is looked up, so nothing has to be searchable.
  SysResult<PinnedObject> WorkingDirectory() const;
  // What an empty path with AT_EMPTY_PATH is about: one of the two.
  SysResult<PinnedObject> Base(int dirfd) const {
    return dirfd == AT_FDCWD ? WorkingDirectory() : Descriptor(dirfd);
  }

  // The real path of an object, relative to its mount (absolute outside); EACCES when it is not (or
  // no longer) where it was resolved.
  SysResult<std::string> RealPath(int fd, const MountView* mount) const;
  // The same for deciding by the policy. Where no rule looks at it, a path that is too long to be
  // told (PATH_MAX) is no error: then it is that of a directory above, and "..." below it.
  SysResult<std::string> PathForRules(int fd, const MountView* mount) const;

 private:
  // Where a resolution starts: an open directory and a path relative to it.
  struct Start {
    const MountView* mount = nullptr;  // nullptr: outside every mount
    OwnedFd base;                      // anchor when valid; else the mount's root
    std::string below;                 // where the anchor is, relative to the mount's root
    // The same, also under the caller's own RESOLVE_ flags; nullopt: too long to be told.
    std::optional<std::string> place = "";
    bool unnamed = false;  // ... which is too long to be told
    std::string rest;      // relative to the anchor
    std::string walk;      // outside every mount: the same from "/"
  };

  struct LocateOptions {
    bool own_anchor;     // RESOLVE_BENEATH or RESOLVE_IN_ROOT: from the dirfd itself
    bool beneath;        // RESOLVE_BENEATH: no absolute path
    bool may_step_last;  // a ".." that is the whole path may be gone through
  };

  SysResult<Start> Locate(const CallerPath& path, LocateOptions options) const;
  SysResult<Start> LocateRelative(const CallerPath& path, LocateOptions options) const;
  Start LocateAbsolute(const std::string& path) const;
  // Where `second` starts, if that is where `first` did (`start`).
  static SysResult<Start> StartOfSecond(const Start& start, const CallerPath& first,
                                        const CallerPath& second);
  SysResult<PinnedParent> ParentFrom(Start start, uint64_t extra_resolve) const;
  SysResult<OwnedFd> OpenFrom(const Start& start, const std::string& path, uint64_t flags,
                              uint64_t extra_resolve) const;
  // Does one attempt with these flags and this error leave something for a walk to find? A walk can
  // refuse links, too; the other RESOLVE_ flags only the kernel can keep.
  static bool MayWalk(uint64_t extra_resolve) {
    return (extra_resolve & ~(kResolveNoMagiclinks | kResolveNoSymlinks)) == 0;
  }
  // EAGAIN: renames elsewhere kept the kernel from making sure of a "..".
  static bool WorthWalking(int error) {
    return error == EXDEV || error == ELOOP || error == EAGAIN;
  }
  // For pinning a last component.
  static OpenHow PathHow(bool follow) {
    OpenHow how;
    how.flags = static_cast<uint64_t>(O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    how.resolve = kResolveNoMagiclinks;
    return how;
  }
  static SysResult<PinnedObject> Pin(const MountView* mount, OwnedFd fd);
  static PinnedParent MakeParent(const MountView* mount, OwnedFd directory, const SplitPath& split);

  // Outside the mounts (path_outside.cc).
  // One resolution by the kernel. `real`: the path of what it found;
  // ENOSYS where a mount or /proc has a part in it, which only a walk may decide on.
  SysResult<OwnedFd> OpenOutside(int base, const std::string& path, const OpenHow& how,
                                 std::string* real) const;
  SysResult<PinnedObject> QuickOutside(const std::string& path, const OpenHow& how) const;
  SysResult<PinnedObject> FindOutside(const std::string& path, bool follow, bool* settled) const;
  SysResult<OwnedFd> PinOutside(const Start& start, const std::string& path, uint64_t flags,
                                uint64_t extra_resolve) const;
  SysResult<PinnedObject> ObjectOutside(const Start& start, uint64_t flags,
                                        uint64_t extra_resolve) const;
  SysResult<PinnedParent> ParentOutside(const Start& start, uint64_t extra_resolve) const;

  // Where names are hidden (path_hiding.cc).
  SysResult<PinnedObject> QuickLookUp(const std::string& path, bool follow) const;
  SysResult<OwnedFd> OpenVisible(const Start& start, const std::string& path, uint64_t flags,
                                 uint64_t extra_resolve) const;
  SysStatus CheckHidden(const MountView& mount, const std::string& path) const;
  SysResult<PinnedParent> MarkHidden(SysResult<PinnedParent> parent) const;
  bool MayPassHidden(const std::string& path) const;

  SysResult<PinnedParent> FindParent(Start start, uint64_t extra_resolve) const;
  SysResult<PinnedParent> FindParentOfLink(const PinnedParent& at, const std::string& target,
                                           uint64_t extra_resolve, CallerPath* path) const;
  static WalkOrigin Origin(const Start& start);
  bool IsLost(const Start& start) const;

  SysResult<const MountView*> MountOf(int base, const FileIdentity& info, std::string* real,
                                      std::string* below, bool* unnamed) const;
  SysResult<PinnedObject> Held(SysResult<OwnedFd> held) const;
  PathWalker MakeWalker(const MountView* island, uint64_t extra_resolve = 0) const;
  SysStatus CheckSameDevice(const MountView& mount, int fd) const;
  Errno RefuseMountPoint(const MountView& mount) const;
  Errno Refuse(int error, const MountView* mount, const char* why) const;

  const SessionView& session_;
  const RemoteTask& task_;
  Refusal& refusal_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_PATH_RESOLVER_H_
