// Resolution outside the mounts, where everything is system grants: the part of PathResolver that
// leaves it to the kernel and looks at what it found.
#include <fcntl.h>

#include <string>
#include <utility>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/path_parts.h"
#include "supervisor/mediator/path_resolver.h"
#include "supervisor/mediator/path_walker.h"

namespace sessionctl {

SysResult<OwnedFd> PathResolver::OpenOutside(int base, const std::string& path, const OpenHow& how,
                                             std::string* real) const {
  SysResult<OwnedFd> opened = OpenAt2(base, path.c_str(), how);
  if (!opened.ok()) return Errno(opened.error());
  SysResult<std::string> found = PathOfDescriptor(opened->get());
  if (!found.ok()) return Errno(found.error());
  std::string rest;
  std::string_view below;
  if (PathIsWithin(*found, "/proc", &below) || session_.MountOfRealPath(*found, &rest) != nullptr) {
    return Errno(ENOSYS);
  }
  *real = std::move(*found);
  return opened;
}

// Outside the mounts everything is system grants: that is enough if what the kernel finds is
// plainly a granted object.
SysResult<PinnedObject> PathResolver::QuickOutside(const std::string& path,
                                                   const OpenHow& how) const {
  std::string real;
  SysResult<OwnedFd> opened = OpenOutside(AT_FDCWD, path, how, &real);
  if (!opened.ok()) return Errno(opened.error());
  std::string_view below;
  for (const SystemGrant& grant : session_.policy().system) {
    if (!PathIsWithin(real, grant.path, &below)) continue;
    SysResult<PinnedObject> object = Pin(nullptr, std::move(*opened));
    if (object.ok()) object->place = std::move(real);
    if (object.ok()) object->only_read = !grant.device;
    return object;
  }
  return Errno(EXDEV);
}

// Without a link on its path first, as most have none. Then the path is what it says, and ENOENT is
// the answer, whoever walks: it leads neither into a mount nor into the /proc of whoever walks.
// Most names that a program looks for along a search path are not there. `*settled`: no walk can
// answer otherwise.
SysResult<PinnedObject> PathResolver::FindOutside(const std::string& path, bool follow,
                                                  bool* settled) const {
  OpenHow how = PathHow(follow);
  how.resolve |= kResolveNoSymlinks;
  SysResult<PinnedObject> plain = QuickOutside(path, how);
  *settled = plain.ok();
  if (plain.error() == ENOENT) {
    std::string_view below;
    *settled = !HasDotDot(path) && !PathIsWithin(NormalizeUntilDotDot(path), "/proc", &below);
  }
  if (plain.error() != ELOOP) return plain;
  SysResult<PinnedObject> linked = QuickOutside(path, PathHow(follow));
  *settled = linked.ok();
  return linked;
}

// What the kernel finds under the caller's own RESOLVE_ flags is decided on where it really is.
// They are the kernel's alone to keep, so what needs a walk is ENOSYS: callers fall back to openat.
SysResult<OwnedFd> PathResolver::PinOutside(const Start& start, const std::string& path,
                                            uint64_t flags, uint64_t extra_resolve) const {
  const int base = start.base.valid() ? start.base.get() : AT_FDCWD;
  // The broker's /proc is not the caller's (trap 29).
  if (path.find("proc") != std::string::npos || (start.base.valid() && OnProcfs(base)) ||
      MayPassHidden(path)) {
    return Errno(ENOSYS);
  }
  OpenHow how;
  how.flags = flags | O_CLOEXEC;
  how.resolve = extra_resolve | kResolveNoMagiclinks;
  std::string real;
  SysResult<OwnedFd> opened = OpenOutside(base, path, how, &real);
  const bool asked = (extra_resolve & (kResolveNoMagiclinks | kResolveNoSymlinks)) != 0;
  if (!opened.ok() && opened.error() == ELOOP && !asked) return Errno(ENOSYS);
  return opened;
}

SysResult<PinnedObject> PathResolver::ObjectOutside(const Start& start, uint64_t flags,
                                                    uint64_t extra_resolve) const {
  const std::string& path = start.base.valid() ? start.rest : start.walk;
  SysResult<OwnedFd> opened = PinOutside(start, path, flags, extra_resolve);
  if (!opened.ok()) return Errno(opened.error());
  return Pin(nullptr, std::move(*opened));
}

SysResult<PinnedParent> PathResolver::ParentOutside(const Start& start,
                                                    uint64_t extra_resolve) const {
  const std::string& path = start.base.valid() ? start.rest : start.walk;
  SplitPath split = SplitLast(path);
  const bool from_slash = split.directory.empty() && path.front() == '/';
  const std::string directory = from_slash ? "/" : Searched(split.directory);
  SysResult<OwnedFd> opened = PinOutside(start, directory, O_PATH | O_DIRECTORY, extra_resolve);
  if (!opened.ok()) return Errno(opened.error());
  return MakeParent(nullptr, std::move(*opened), split);
}

}  // namespace sessionctl
