#include "sandbox/overlay_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

absl::Status Failed(const std::string& path, const std::string& what, int error) {
  const std::string text = absl::StrCat("overlay: ", path, ": ", what, strerror(error));
  return error == ENOENT ? absl::NotFoundError(text) : absl::FailedPreconditionError(text);
}

absl::StatusOr<OwnedFd> OpenKnown(const KnownDirectory& known) {
  SysResult<OwnedFd> opened =
      OpenAt2(AT_FDCWD, known.path.c_str(),
              {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = kResolveNoSymlinks});
  if (!opened.ok()) return Failed(known.path, "", opened.error());
  SysResult<struct stat> info = Fstat(opened->get());
  if (!info.ok()) return Failed(known.path, "", info.error());
  if (info->st_dev == known.device && info->st_ino == known.inode) return std::move(*opened);
  return absl::FailedPreconditionError(
      absl::StrCat("overlay: ", known.path, ": another directory stands there by now"));
}

// What the kernel has to say about the last step: lines "e overlay: …" (fsopen's log).
std::string KernelsWords(int context) {
  std::string words;
  char line[512];
  ssize_t size;
  while ((size = read(context, line, sizeof(line))) > 0) {
    if (line[0] != 'e' && line[0] != 'w') continue;
    std::string text(line, static_cast<size_t>(size));
    while (!text.empty() && text.back() == '\n') text.pop_back();
    absl::StrAppend(&words, text.substr(std::min<size_t>(2, text.size())), ": ");
  }
  return words;
}

const char* Hint(int error) {
  switch (error) {
    case ENODEV: return " (this kernel has no overlayfs, or its module is not loaded)";
    case EINVAL:
      return " (an ordinary user cannot have an overlay where a file system is mounted below the "
             "directory; and the state directory's file system must be able to hold one: it cannot "
             "be an overlay or a network file system itself)";
    case EPERM: return " (Linux 5.11 is needed for an ordinary user)";
    default: return "";
  }
}

SysStatus Set(int context, const char* key, int directory) {
  // By descriptor: no name is looked up again, and mountinfo shows none of the host's.
  const FdPath path(directory);
  if (fsconfig(context, FSCONFIG_SET_STRING, key, path.c_str(), 0) != 0) return LastErrno();
  return Done{};
}

// Whiteouts and opaque directories are marked with attributes.
bool HoldsAttributes(int layer) {
  SysResult<OwnedFd> work = OpenAt(layer, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!work.ok()) return false;
  constexpr char kName[] = "user.sessionctl";
  if (fsetxattr(work->get(), kName, "", 0, 0) != 0) return false;
  return fremovexattr(work->get(), kName) == 0;
}

SysResult<OwnedFd> Create(int context, int lower, int upper, int work, uint64_t attributes) {
  if (fsconfig(context, FSCONFIG_SET_FLAG, "userxattr", nullptr, 0) != 0) return LastErrno();
  for (const auto& [key, directory] :
       {std::pair("lowerdir", lower), std::pair("upperdir", upper), std::pair("workdir", work)}) {
    if (SysStatus set = Set(context, key, directory); !set.ok()) return Errno(set.error());
  }
  if (fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return LastErrno();
  OwnedFd mount(fsmount(context, FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)));
  if (!mount.valid()) return LastErrno();
  return mount;
}

}  // namespace

absl::StatusOr<OwnedFd> MountOverlay(const OverlayDirectories& directories, uint64_t attributes) {
  absl::StatusOr<OwnedFd> lower = OpenKnown(directories.lower);
  if (!lower.ok()) return lower.status();
  absl::StatusOr<OwnedFd> layer = OpenKnown(directories.layer);
  if (!layer.ok()) return layer.status();
  const std::string& path = directories.layer.path;
  if (!HoldsAttributes(layer->get())) {
    return Failed(path, "no user extended attributes in the state directory: ", ENOTSUP);
  }
  SysResult<OwnedFd> upper = OpenAt(layer->get(), "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!upper.ok()) return Failed(path, "upper: ", upper.error());
  SysResult<OwnedFd> work = OpenAt(layer->get(), "work", O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!work.ok()) return Failed(path, "work: ", work.error());
  const std::string& what = directories.lower.path;
  OwnedFd context(fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context.valid()) return Failed(what, absl::StrCat("overlayfs", Hint(errno), ": "), errno);
  SysResult<OwnedFd> made =
      Create(context.get(), lower->get(), upper->get(), work->get(), attributes);
  if (made.ok()) return std::move(*made);
  const std::string words = KernelsWords(context.get());
  return Failed(
      what,
      absl::StrCat(words.empty() ? absl::StrCat("overlayfs", Hint(made.error()), ": ") : words),
      made.error());
}

absl::StatusOr<OwnedFd> CloneUpper(const OverlayDirectories& directories) {
  absl::StatusOr<OwnedFd> layer = OpenKnown(directories.layer);
  if (!layer.ok()) return layer.status();
  OwnedFd clone(
      open_tree(layer->get(), "upper", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW));
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                        MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;
  if (!clone.valid() ||
      mount_setattr(clone.get(), "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) != 0) {
    return Failed(directories.layer.path, "upper: ", errno);
  }
  return clone;
}

}  // namespace sessionctl
