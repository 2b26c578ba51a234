#include "supervisor/mediator/path_resolver.h"

#include <fcntl.h>

#include <climits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/known_places.h"
#include "supervisor/mediator/path_parts.h"
#include "supervisor/mediator/path_walker.h"

namespace sessionctl {
namespace {

// The caller's own RESOLVE_ flags that tie a resolution to its dirfd.
constexpr uint64_t kAnchoredFlags = kResolveBeneath | kResolveInRoot;

}  // namespace

PinnedParent PathResolver::MakeParent(const MountView* mount, OwnedFd directory,
                                      const SplitPath& split) {
  PinnedParent parent;
  parent.mount = mount;
  parent.fd = std::move(directory);
  parent.trailing_slash = split.trailing_slash;
  parent.is_mount_root = split.leaf.empty();
  parent.leaf = split.leaf.empty() ? "." : split.leaf;
  return parent;
}

SysResult<PinnedObject> PathResolver::Pin(const MountView* mount, OwnedFd fd) {
  SysResult<struct stat> info = Fstat(fd.get());
  if (!info.ok()) return Errno(info.error());
  PinnedObject object;
  object.mount = mount;
  object.fd = std::move(fd);
  object.info = *info;
  return object;
}

PathWalker PathResolver::MakeWalker(const MountView* island, uint64_t extra_resolve) const {
  PathWalker walker(session_, task_, island, refusal_);
  if ((extra_resolve & kResolveNoMagiclinks) != 0) walker.RefuseMagicLinks();
  if ((extra_resolve & kResolveNoSymlinks) != 0) walker.RefuseLinks();
  return walker;
}

SysStatus PathResolver::CheckSameDevice(const MountView& mount, int fd) const {
  SysResult<bool> same = mount.root.OnSameDevice(fd);
  if (!same.ok()) return Errno(same.error());
  if (!*same) return RefuseMountPoint(mount);
  return Done{};
}

Errno PathResolver::RefuseMountPoint(const MountView& mount) const {
  return Refuse(EXDEV, &mount, "behind a mount point inside it (cross_device)");
}

Errno PathResolver::Refuse(int error, const MountView* mount, const char* why) const {
  return refusal_.Note(error, "mount " + mount->guest() + ": " + why);
}

WalkOrigin PathResolver::Origin(const Start& start) {
  return WalkOrigin{start.mount, start.base.valid() ? start.base.get() : -1, start.below};
}

// Among mounts inside mounts a walk has to know where it is.
bool PathResolver::IsLost(const Start& start) const {
  return start.mount != nullptr && start.unnamed && session_.HasNestedMounts(*start.mount);
}

// The one system call. Where the caller's own flags keep it from being walked by hand, a link that
// leads up from the base, but not out of the mount, makes it two.
SysResult<OwnedFd> PathResolver::OpenFrom(const Start& start, const std::string& path,
                                          uint64_t flags, uint64_t extra_resolve) const {
  const MountRoot& root = start.mount->root;
  const int anchor = start.base.valid() ? start.base.get() : root.fd();
  SysResult<OwnedFd> opened = root.OpenBeneath(anchor, path.c_str(), flags, 0, extra_resolve);
  const bool led_up = opened.error() == EXDEV && !start.below.empty() && !start.unnamed;
  if (!led_up || MayWalk(extra_resolve)) return opened;
  return root.OpenBeneath(root.fd(), (start.below + "/" + path).c_str(), flags, 0, extra_resolve);
}

PathResolver::Start PathResolver::LocateAbsolute(const std::string& path) const {
  Start start;
  std::string normal = NormalizeUntilDotDot(path);
  start.mount = session_.MountOfGuestPath(normal, &start.rest);
  if (start.mount == nullptr) start.rest = start.walk = path;
  return start;
}

// The mount that an open directory lies in, by its path as the kernel tells it now. Without a mount
// `*real` is that path. `*unnamed`: it is too long to be told, and `*below` that of a directory
// above.
SysResult<const MountView*> PathResolver::MountOf(int base, const FileIdentity& info,
                                                  std::string* real, std::string* below,
                                                  bool* unnamed) const {
  SysResult<std::string> path = PathOfDescriptor(base);
  *unnamed = !path.ok() && path.error() == ENAMETOOLONG;
  if (*unnamed) path = NearestPath(base);
  if (!path.ok()) return Errno(path.error());
  if (path->empty() || path->front() != '/' || session_.IsForeign(info)) return Errno(EACCES);
  const MountView* mount = session_.MountOfRealPath(*path, below);
  if (mount == nullptr) {
    *real = std::move(*path);
    return mount;
  }
  if (!mount->root.OnSameMount(info)) return RefuseMountPoint(*mount);
  if (!*unnamed) KnownPlaces::OfThisThread().Remember(session_, info, mount, *below);
  return mount;
}

// A leading ".." is a step that the kernel makes from the open directory: no name above it is
// looked up again, so one that may not be searched is no hindrance, and a removed directory still
// has its parent. What is reached is then looked at afresh.
SysResult<PathResolver::Start> PathResolver::LocateRelative(const CallerPath& path,
                                                            LocateOptions options) const {
  SysResult<OwnedFd> base =
      path.dirfd == AT_FDCWD ? task_.WorkingDirectory() : task_.Descriptor(path.dirfd);
  std::string rest = path.path;
  for (;;) {
    if (!base.ok()) return Errno(base.error());
    SysResult<FileIdentity> info = Identify(base->get());
    if (!info.ok()) return Errno(info.error());
    if (!S_ISDIR(info->mode)) return Errno(ENOTDIR);
    Start start;
    std::string below;
    std::string real;  // where no mount is
    bool unnamed = false;
    start.mount = KnownPlaces::OfThisThread().Find(session_, *info, &below);
    if (start.mount == nullptr) {
      SysResult<const MountView*> found = MountOf(base->get(), *info, &real, &below, &unnamed);
      if (!found.ok()) return Errno(found.error());
      start.mount = *found;
    }
    start.place = unnamed ? std::nullopt : std::optional<std::string>(below);
    if (options.own_anchor) {
      start.base = std::move(*base);
      start.rest = rest;
      return start;
    }
    const bool removed = info->links == 0;
    if ((removed || (start.mount != nullptr && (unnamed || !below.empty()))) &&
        TakeDotDot(options.may_step_last, &rest)) {
      base = OpenAt(base->get(), "..", O_PATH | O_DIRECTORY);
      continue;
    }
    if (start.mount == nullptr && unnamed) return Errno(ENAMETOOLONG);
    if (start.mount == nullptr) {
      Start outside = LocateAbsolute(absl::StrCat(real, "/", rest));
      if (outside.mount == nullptr) outside.base = std::move(*base);
      if (outside.mount == nullptr) outside.rest = rest;
      return outside;
    }
    // From the base, as the kernel does it: what lies above it need not be searchable.
    start.unnamed = unnamed;
    start.below = unnamed ? kUnknownPlace : below;
    start.rest = rest;
    start.base = std::move(*base);
    return start;
  }
}

SysResult<PathResolver::Start> PathResolver::Locate(const CallerPath& path,
                                                    LocateOptions options) const {
  if (path.error != 0) return Errno(path.error);
  if (path.path.empty()) return Errno(ENOENT);
  if (path.path.front() == '/' && options.beneath) return Errno(EXDEV);
  if (path.path.front() == '/' && !options.own_anchor) return LocateAbsolute(path.path);
  return LocateRelative(path, options);
}

SysResult<PinnedObject> PathResolver::Object(const CallerPath& path, bool follow,
                                             uint64_t extra_resolve) const {
  SysResult<Start> start = Locate(path, {.own_anchor = (extra_resolve & kAnchoredFlags) != 0,
                                         .beneath = (extra_resolve & kResolveBeneath) != 0,
                                         .may_step_last = true});
  if (!start.ok()) return Errno(start.error());
  uint64_t flags = O_PATH | (follow ? 0 : O_NOFOLLOW);
  if (start->mount == nullptr) {
    if (extra_resolve != 0) return ObjectOutside(*start, flags, extra_resolve);
    if (!MayPassHidden(start->walk)) {
      bool settled = false;
      SysResult<PinnedObject> quick = FindOutside(start->walk, follow, &settled);
      if (settled) return quick;
    }
    return MakeWalker(nullptr).Object(WalkOrigin(), start->walk, follow);
  }
  if (extra_resolve != 0 || !session_.HasNestedMounts(*start->mount)) {
    SysResult<OwnedFd> opened = OpenVisible(*start, OrDot(start->rest), flags, extra_resolve);
    if (opened.ok() && start->unnamed) {
      // Its own path may not be told either, so the decision rests on where it was reached from.
      SysResult<std::string> near = NearestPath(start->base.get());
      std::string below;
      if (!near.ok() || session_.MountOfRealPath(*near, &below) != start->mount) {
        return Refuse(EACCES, start->mount, "a directory was moved out of it");
      }
    }
    if (opened.ok()) return Pin(start->mount, std::move(*opened));
    if (!MayWalk(extra_resolve) || !WorthWalking(opened.error())) return Errno(opened.error());
  }
  if (IsLost(*start)) return Errno(ENAMETOOLONG);
  return MakeWalker(nullptr, extra_resolve).Object(Origin(*start), start->rest, follow);
}

SysResult<PinnedParent> PathResolver::Parent(const CallerPath& path, uint64_t extra_resolve) const {
  SysResult<Start> start = Locate(path, {.own_anchor = (extra_resolve & kAnchoredFlags) != 0,
                                         .beneath = (extra_resolve & kResolveBeneath) != 0,
                                         .may_step_last = false});
  if (!start.ok()) return Errno(start.error());
  return ParentFrom(std::move(*start), extra_resolve);
}

SysResult<PinnedParent> PathResolver::ParentFrom(Start start, uint64_t extra_resolve) const {
  return MarkHidden(FindParent(std::move(start), extra_resolve));
}

SysResult<PinnedParent> PathResolver::FindParent(Start start, uint64_t extra_resolve) const {
  if (start.mount == nullptr || (extra_resolve == 0 && session_.HasNestedMounts(*start.mount))) {
    if (extra_resolve != 0) return ParentOutside(start, extra_resolve);
    if (IsLost(start)) return Errno(ENAMETOOLONG);
    const bool outside = start.mount == nullptr;
    return MakeWalker(nullptr).Parent(Origin(start), outside ? start.walk : start.rest);
  }
  SplitPath split = SplitLast(start.rest);
  // The call itself says whether the directory may be searched, unless "f/" is refused before.
  const bool plain = split.directory.empty() && !split.leaf.empty() && split.leaf != "." &&
                     split.leaf != ".." && !split.trailing_slash;
  if (plain && extra_resolve == 0 && start.base.valid() && !start.mount->hides()) {
    return MakeParent(start.mount, std::move(start.base), split);
  }
  SysResult<OwnedFd> opened =
      OpenVisible(start, Searched(split.directory), O_PATH | O_DIRECTORY, extra_resolve);
  if (!opened.ok()) {
    if (!MayWalk(extra_resolve) || !WorthWalking(opened.error())) return Errno(opened.error());
    return MakeWalker(nullptr, extra_resolve).Parent(Origin(start), start.rest);
  }
  return MakeParent(start.mount, std::move(*opened), split);
}

// A path that begins with "." may have stepped up from its dirfd, and is looked up by itself.
SysResult<PathResolver::Start> PathResolver::StartOfSecond(const Start& start,
                                                           const CallerPath& first,
                                                           const CallerPath& second) {
  const auto is_plain = [](const CallerPath& path) {
    return path.error == 0 && !path.path.empty() && path.path[0] != '/' && path.path[0] != '.';
  };
  const bool same = start.mount != nullptr && start.base.valid() && !start.unnamed &&
                    first.dirfd == second.dirfd && is_plain(first) && is_plain(second);
  if (!same) return Errno(EXDEV);
  SysResult<OwnedFd> base = Duplicate(start.base.get());
  if (!base.ok()) return Errno(base.error());
  Start result;
  result.mount = start.mount;
  result.base = std::move(*base);
  result.below = start.below;
  result.place = start.place;
  result.rest = second.path;
  return result;
}

SysResult<PathResolver::Parents> PathResolver::BothParents(const CallerPath& first,
                                                           const CallerPath& second) const {
  constexpr LocateOptions kOptions = {
      .own_anchor = false, .beneath = false, .may_step_last = false};
  SysResult<Start> start = Locate(first, kOptions);
  if (!start.ok()) return Errno(start.error());
  SysResult<Start> other = StartOfSecond(*start, first, second);
  Parents parents;
  SysResult<PinnedParent> parent = ParentFrom(std::move(*start), 0);
  if (!parent.ok()) return Errno(parent.error());
  parents.first = std::move(*parent);
  if (!other.ok()) other = Locate(second, kOptions);
  if (!other.ok()) return Errno(other.error());
  parent = ParentFrom(std::move(*other), 0);
  if (!parent.ok()) return Errno(parent.error());
  parents.second = std::move(*parent);
  return parents;
}

SysResult<PinnedParent> PathResolver::ParentOfLink(const PinnedParent& at,
                                                   const std::string& target,
                                                   uint64_t extra_resolve, CallerPath* path) const {
  return MarkHidden(FindParentOfLink(at, target, extra_resolve, path));
}

SysResult<PinnedParent> PathResolver::FindParentOfLink(const PinnedParent& at,
                                                       const std::string& target,
                                                       uint64_t extra_resolve,
                                                       CallerPath* path) const {
  if (target.empty()) return Errno(ENOENT);
  if ((extra_resolve & kAnchoredFlags) != 0) {
    // From the anchor anew, through the directory that the link stands in.
    const std::string directory = SplitLast(path->path).directory;
    const bool joined = target.front() != '/' && !directory.empty();
    path->path = joined ? directory + "/" + target : target;
    SysResult<PinnedParent> parent = Parent(*path, extra_resolve);
    const bool same_place = !parent.ok() || parent->mount == at.mount;
    return same_place ? std::move(parent)
                      : Errno(EACCES);  // the dirfd became another one meanwhile
  }
  // RESOLVE_NO_XDEV: a walk keeps it where it stays in one file system.
  if ((extra_resolve & kResolveNoXdev) != 0 &&
      (target.front() == '/' || at.mount == nullptr || at.mount->root.rules().cross_device)) {
    return Errno(EXDEV);
  }
  PathWalker walker = MakeWalker(at.mount);
  if (target.front() == '/') {
    // By name, past a mount that lies around this one (PathWalker::FollowLink).
    std::string rest;
    const bool home = at.mount != nullptr && session_.LeadsInto(*at.mount, target, &rest);
    if (home) return walker.Parent(WalkOrigin{at.mount, -1, ""}, rest);
    return walker.Parent(WalkOrigin(), target);
  }
  SysResult<std::string> here = PathForRules(at.fd.get(), at.mount);
  if (!here.ok()) return Errno(here.error());
  if (at.mount == nullptr) return walker.Parent(WalkOrigin(), *here + "/" + target);
  return walker.Parent(WalkOrigin{at.mount, at.fd.get(), *here}, target);
}

SysResult<PinnedObject> PathResolver::Descriptor(int fd) const {
  SysResult<PinnedObject> object = Held(task_.Descriptor(fd));
  if (object.ok()) object->through_descriptor = true;
  return object;
}

SysResult<PinnedObject> PathResolver::WorkingDirectory() const {
  return Held(task_.WorkingDirectory());
}

// What is open already, in the mount where it stands by now.
SysResult<PinnedObject> PathResolver::Held(SysResult<OwnedFd> held) const {
  if (!held.ok()) return Errno(held.error());
  SysResult<std::string> real = PathOfDescriptor(held->get());
  if (!real.ok() && real.error() == ENAMETOOLONG) {
    real = NearestPath(held->get());
    if (!real.ok()) return Errno(ENAMETOOLONG);  // no directory: nothing leads up from it
  }
  if (!real.ok()) return Errno(real.error());
  std::string rest;
  const MountView* mount = session_.MountOfRealPath(*real, &rest);
  if (mount != nullptr) {
    SysResult<FileIdentity> info = Identify(held->get());
    if (!info.ok()) return Errno(info.error());
    if (session_.IsForeign(*info)) return Pin(nullptr, std::move(*held));
    if (SysStatus same = CheckSameDevice(*mount, held->get()); !same.ok()) {
      return Errno(same.error());
    }
  }
  return Pin(mount, std::move(*held));
}

SysResult<std::string> PathResolver::RealPath(int fd, const MountView* mount) const {
  SysResult<FileIdentity> info = mount != nullptr ? Identify(fd) : Errno(EBADF);
  if (info.ok()) {
    std::string below;
    if (KnownPlaces::OfThisThread().Find(session_, *info, &below) == mount) return below;
  }
  SysResult<std::string> real = PathOfDescriptor(fd);
  if (!real.ok()) return Errno(real.error());
  std::string rest;
  const MountView* now = session_.MountOfRealPath(*real, &rest);
  if (now != mount) return Errno(EACCES);
  if (info.ok()) KnownPlaces::OfThisThread().Remember(session_, *info, mount, rest);
  return mount == nullptr ? *real : rest;
}

SysResult<std::string> PathResolver::PathForRules(int fd, const MountView* mount) const {
  SysResult<std::string> path = RealPath(fd, mount);
  if (path.ok() || path.error() != ENAMETOOLONG || mount == nullptr || mount->has_path_rules() ||
      session_.HasNestedMounts(*mount)) {
    return path;
  }
  SysResult<std::string> near = NearestPath(fd);
  if (!near.ok()) {
    // Nothing leads up from a file; it was beneath its mount when it was opened.
    if (near.error() != ENOTDIR) return Errno(ENAMETOOLONG);
    return std::string("...");
  }
  std::string rest;
  if (session_.MountOfRealPath(*near, &rest) != mount) return Errno(EACCES);
  return rest + "/...";
}

}  // namespace sessionctl
