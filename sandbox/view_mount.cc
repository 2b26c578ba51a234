#include "sandbox/view_mount.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/view_parts.h"

namespace sessionctl {
namespace {

constexpr uint64_t kDirectly = kResolveNoSymlinks | kResolveBeneath;

SysResult<bool> IsOwnUserNamespace(int user_namespace) {
  SysResult<OwnedFd> own = OpenAt(AT_FDCWD, "/proc/self/ns/user", O_RDONLY);
  if (!own.ok()) return Errno(own.error());
  SysResult<struct stat> ours = Fstat(own->get());
  SysResult<struct stat> theirs = Fstat(user_namespace);
  if (!ours.ok()) return Errno(ours.error());
  if (!theirs.ok()) return Errno(theirs.error());
  return ours->st_ino == theirs->st_ino && ours->st_dev == theirs->st_dev;
}

// The user namespace that owns the view, in which whoever made it may mount.
SysStatus BecomeOwner(int view) {
  const OwnedFd owner(ioctl(view, NS_GET_USERNS));
  if (!owner.valid()) return LastErrno();
  SysResult<bool> own = IsOwnUserNamespace(owner.get());
  if (!own.ok()) return Errno(own.error());
  if (!*own && setns(owner.get(), CLONE_NEWUSER) != 0) return LastErrno();
  return Done{};
}

// A copy of the caller's mount namespace that the view's owner may clone trees from.
SysStatus CopyMounts() {
  if (unshare(CLONE_NEWNS) != 0) return LastErrno();
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return LastErrno();
  return Done{};
}

// The part of a view in which mounts may be placed, of which a path of the view is a way down.
class Reserved {
 public:
  // In the view's mount namespace.
  SysStatus Open(const std::string& reserved);
  // The names below it that lead to `path`; empty: none do.
  std::vector<std::string> NamesTo(const std::string& path) const;
  SysResult<OwnedFd> MakePlace(const std::vector<std::string>& names);
  void RemovePlace(std::vector<std::string> names);

 private:
  std::string path_;
  OwnedFd top_;       // as the view has it: read-only
  OwnedFd writable_;  // the same file system, seen from nowhere else
  dev_t device_ = 0;
};

SysStatus Reserved::Open(const std::string& reserved) {
  path_ = reserved;
  SysResult<OwnedFd> top =
      OpenAt2(AT_FDCWD, reserved.c_str(),
              {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = kResolveNoSymlinks});
  if (!top.ok()) return Errno(top.error());
  SysResult<struct stat> info = Fstat(top->get());
  if (!info.ok()) return Errno(info.error());
  top_ = std::move(*top);
  device_ = info->st_dev;
  writable_.Reset(open_tree(top_.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!writable_.valid()) return LastErrno();
  mount_attr attributes = {};
  attributes.attr_clr = MOUNT_ATTR_RDONLY;
  if (mount_setattr(writable_.get(), "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) != 0) {
    return LastErrno();
  }
  return Done{};
}

std::vector<std::string> Reserved::NamesTo(const std::string& path) const {
  if (path.compare(0, path_.size() + 1, path_ + "/") != 0) return {};
  return absl::StrSplit(path.substr(path_.size() + 1), '/', absl::SkipEmpty());
}

// Made where nothing is mounted over the reserved part; in a mount, the place has to be there.
SysResult<OwnedFd> Reserved::MakePlace(const std::vector<std::string>& names) {
  if (names.empty()) return Errno(EINVAL);
  SysResult<OwnedFd> at = Duplicate(top_.get());
  std::string below;
  for (const std::string& name : names) {
    SysResult<struct stat> info = at.ok() ? Fstat(at->get()) : Errno(at.error());
    if (!info.ok()) return Errno(info.error());
    below += (below.empty() ? "" : "/") + name;
    if (info->st_dev == device_ && mkdirat(writable_.get(), below.c_str(), 0755) != 0 &&
        errno != EEXIST) {
      return LastErrno();
    }
    at = OpenAt2(at->get(), name.c_str(),
                 {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = kDirectly});
  }
  return at;
}

// What other mounts stand in stays: it is not empty, or a place itself.
void Reserved::RemovePlace(std::vector<std::string> names) {
  while (!names.empty()) {
    if (unlinkat(writable_.get(), absl::StrJoin(names, "/").c_str(), AT_REMOVEDIR) != 0) return;
    names.pop_back();
  }
}

}  // namespace

absl::Status MountInView(int view, const std::string& reserved, const ViewEntry& entry,
                         const std::function<void(int root)>& announce) {
  SysStatus entered = BecomeOwner(view);
  if (entered.ok()) entered = CopyMounts();
  if (!entered.ok()) return ViewError(entry.path, "entering its namespaces", entered.error());
  bool is_directory = false;
  SysResult<OwnedFd> tree = CloneTree(entry, &is_directory);
  if (!tree.ok()) return ViewError(entry.source, "bind mount", tree.error());
  if (!is_directory) return ViewError(entry.source, "bind mount", ENOTDIR);
  if (setns(view, CLONE_NEWNS) != 0) return ViewError(entry.path, "entering it", errno);
  Reserved part;
  if (SysStatus opened = part.Open(reserved); !opened.ok()) {
    return ViewError(reserved, "what is reserved", opened.error());
  }
  umask(0);
  const std::vector<std::string> names = part.NamesTo(entry.path);
  SysResult<OwnedFd> place = part.MakePlace(names);
  if (!place.ok()) return ViewError(entry.path, "no place to mount it", place.error());
  announce(tree->get());
  if (move_mount(tree->get(), "", place->get(), "",
                 MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    const int error = errno;
    part.RemovePlace(names);
    return ViewError(entry.path, "mounting", error);
  }
  return absl::OkStatus();
}

absl::Status UnmountInView(int view, const std::string& reserved, const std::string& path,
                           int root) {
  if (SysStatus entered = BecomeOwner(view); !entered.ok()) {
    return ViewError(path, "entering its namespaces", entered.error());
  }
  if (setns(view, CLONE_NEWNS) != 0) return ViewError(path, "entering it", errno);
  // By the mount itself: where its name leads is the session's to say.
  if (fchdir(root) != 0) return ViewError(path, "fchdir", errno);
  // EINVAL: it is mounted nowhere (umount(2)).
  if (umount2(".", MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL) {
    return ViewError(path, "umount", errno);
  }
  Reserved part;
  if (part.Open(reserved).ok()) part.RemovePlace(part.NamesTo(path));
  return absl::OkStatus();
}

}  // namespace sessionctl
