// Resolution where mounts hide names, and for calls that only look: the part of PathResolver that
// sessions without hidden names hardly meet.
#include <fcntl.h>

#include <string>
#include <utility>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/path_parts.h"
#include "supervisor/mediator/path_resolver.h"
#include "supervisor/mediator/path_walker.h"

namespace sessionctl {
namespace {

// The broker's own descriptors and processes are not the caller's (trap 29).
bool MayMeanTheCaller(const std::string& path) {
  return path.find("proc") != std::string::npos || path.starts_with("/dev");
}

}  // namespace

// One system call for looking outside the mounts, which needs no grant. ENOENT is the answer; with
// any other error only a walk can tell. Of a link that seems to lead nowhere, too: /etc/mtab leads
// to /proc/self, and in a private view the broker, who looks here, is nobody there.
SysResult<PinnedObject> PathResolver::QuickLookUp(const std::string& path, bool follow) const {
  std::string real;
  SysResult<OwnedFd> opened = OpenOutside(AT_FDCWD, path, PathHow(follow), &real);
  if (opened.ok()) return Pin(nullptr, std::move(*opened));
  if (opened.error() != ENOENT) return Errno(opened.error());
  const bool is_link = follow && OpenOutside(AT_FDCWD, path, PathHow(false), &real).ok();
  return Errno(is_link || MayMeanTheCaller(path) ? ENOSYS : ENOENT);
}

// Does the text leave open what the path passes through?
bool PathResolver::MayPassHidden(const std::string& path) const {
  return HidesNames(session_.policy().mounts) && HasDotDot(path);
}

// OpenFrom, where nothing hidden may be found, nor passed through: what is behind a hidden name is
// not there, "secrets/.." neither. Without ".." and links the text says what the path passes, and
// one system call is enough; else it is walked, with each name looked at. The caller's own flags
// may leave that to the kernel: then the text up to "..", and what was found, are looked at.
SysResult<OwnedFd> PathResolver::OpenVisible(const Start& start, const std::string& path,
                                             uint64_t flags, uint64_t extra_resolve) const {
  if (!start.mount->hides()) return OpenFrom(start, path, flags, extra_resolve);
  if (!start.place.has_value()) return Errno(ENAMETOOLONG);
  const bool may_walk = MayWalk(extra_resolve);
  if (may_walk && HasDotDot(path)) return Errno(EXDEV);
  const std::string named = *start.place + "/" + WithoutDots(UntilDotDot(path));
  if (SysStatus hidden = CheckHidden(*start.mount, named); !hidden.ok()) {
    return Errno(hidden.error());
  }
  if (may_walk) return OpenFrom(start, path, flags, extra_resolve | kResolveNoSymlinks);
  SysResult<OwnedFd> opened = OpenFrom(start, path, flags, extra_resolve);
  if (!opened.ok()) return opened;
  SysResult<std::string> real = PathForRules(opened->get(), start.mount);
  if (!real.ok()) return Errno(real.error());
  SysStatus hidden = CheckHidden(*start.mount, *real);
  return hidden.ok() ? std::move(opened) : Errno(hidden.error());
}

SysStatus PathResolver::CheckHidden(const MountView& mount, const std::string& path) const {
  const std::string* rule = mount.rules->hide.Match(path);
  return rule == nullptr ? SysStatus(Done{}) : refusal_.Note(ENOENT, "hide " + *rule);
}

SysResult<PinnedObject> PathResolver::LookUp(const CallerPath& path, bool follow) const {
  SysResult<Start> start =
      Locate(path, {.own_anchor = false, .beneath = false, .may_step_last = true});
  if (!start.ok()) return Errno(start.error());
  if (start->mount == nullptr) {
    if (!MayPassHidden(start->walk)) {
      SysResult<PinnedObject> quick = QuickLookUp(start->walk, follow);
      if (quick.ok() || quick.error() == ENOENT) return quick;
    }
    return MakeWalker(nullptr).LookUp(WalkOrigin(), start->walk, follow);
  }
  if (!session_.HasNestedMounts(*start->mount)) {
    const uint64_t flags = O_PATH | (follow ? 0 : O_NOFOLLOW);
    SysResult<OwnedFd> opened = OpenVisible(*start, OrDot(start->rest), flags, 0);
    if (opened.ok()) return Pin(start->mount, std::move(*opened));
    if (!WorthWalking(opened.error())) return Errno(opened.error());
  }
  if (IsLost(*start)) return Errno(ENAMETOOLONG);
  return MakeWalker(nullptr).LookUp(Origin(*start), start->rest, follow);
}

// By where the directory really is, whatever led there.
SysResult<PinnedParent> PathResolver::MarkHidden(SysResult<PinnedParent> parent) const {
  if (!parent.ok() || parent->mount == nullptr || !parent->mount->hides()) return parent;
  if (parent->is_mount_root || parent->leaf == "." || parent->leaf == "..") return parent;
  SysResult<std::string> place = PathForRules(parent->fd.get(), parent->mount);
  if (!place.ok()) return Errno(place.error());
  parent->hidden = parent->mount->rules->hide.Match(*place + "/" + parent->leaf) != nullptr;
  return parent;
}

}  // namespace sessionctl
