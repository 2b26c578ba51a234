#include "sandbox/mount_root.h"

#include <sys/stat.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sandbox/walls.h"

namespace sessionctl {
namespace {

// The kernel answers EAGAIN when a rename or mount anywhere raced a ".." walk; each retry is a
// fresh resolution.
constexpr int kMaxAttempts = 64;

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U
#endif

SysResult<uint64_t> MountIdOf(int fd) {
  struct statx info = {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &info) != 0) return LastErrno();
  return static_cast<uint64_t>(info.stx_mnt_id);
}

absl::Status OpenError(const std::string& path, int error) {
  std::string text = absl::StrCat("mount ", path, ": ", strerror(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(text);
  return absl::InvalidArgumentError(text);
}

}  // namespace

absl::StatusOr<MountRoot> MountRoot::Open(const std::string& path, Rules rules) {
  // The path is canonical: a link in any component was put there since.
  OpenHow how;
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = kResolveNoSymlinks;
  SysResult<OwnedFd> fd = OpenAt2(AT_FDCWD, path.c_str(), how);
  if (!fd.ok()) return OpenError(path, fd.error());
  SysResult<uint64_t> mount_id = MountIdOf(fd->get());
  if (!mount_id.ok()) return OpenError(path, mount_id.error());
  return MountRoot(std::move(*fd), rules, *mount_id);
}

SysResult<OwnedFd> MountRoot::OpenBeneath(int anchor, const char* path, uint64_t flags, mode_t mode,
                                          uint64_t extra_resolve) const {
  OpenHow how;
  how.flags = flags | O_CLOEXEC | ((flags & O_PATH) != 0 ? 0 : O_NOCTTY);
  how.mode = mode;
  how.resolve = extra_resolve;
  if (kWalls.beneath) {
    if ((extra_resolve & kResolveInRoot) == 0) how.resolve |= kResolveBeneath;
    how.resolve |= kResolveNoMagiclinks;
    if (rules_.no_symlinks) how.resolve |= kResolveNoSymlinks;
    if (!rules_.cross_device) how.resolve |= kResolveNoXdev;
  }
  for (int attempt = 1;; ++attempt) {
    SysResult<OwnedFd> opened = OpenAt2(anchor, path, how);
    if (opened.ok() || opened.error() != EAGAIN || attempt == kMaxAttempts ||
        (extra_resolve & kResolveCached) != 0) {
      return opened;
    }
  }
}

SysResult<bool> MountRoot::OnSameDevice(int fd) const {
  if (rules_.cross_device) return true;
  SysResult<uint64_t> mount_id = MountIdOf(fd);
  if (!mount_id.ok()) return Errno(mount_id.error());
  return *mount_id == mount_id_;
}

}  // namespace sessionctl
