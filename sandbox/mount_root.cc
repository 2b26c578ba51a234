#include "sandbox/mount_root.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

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

absl::Status OpenError(const std::string& path, int error) {
  std::string text = absl::StrCat("mount ", path, ": ", strerror(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(text);
  return absl::InvalidArgumentError(text);
}

}  // namespace

SysResult<FileIdentity> Identify(int fd) {
  struct statx info = {};
  constexpr unsigned kWanted = STATX_TYPE | STATX_MODE | STATX_INO | STATX_NLINK | STATX_MNT_ID;
  if (statx(fd, "", AT_EMPTY_PATH, kWanted, &info) != 0) return LastErrno();
  return FileIdentity{.device = makedev(info.stx_dev_major, info.stx_dev_minor),
                      .inode = info.stx_ino,
                      .mount_id = info.stx_mnt_id,
                      .mode = info.stx_mode,
                      .links = info.stx_nlink};
}

absl::StatusOr<MountRoot> MountRoot::Open(const std::string& path, Rules rules) {
  // The path is canonical: a link in any component was put there since.
  OpenHow how;
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = kResolveNoSymlinks;
  SysResult<OwnedFd> fd = OpenAt2(AT_FDCWD, path.c_str(), how);
  if (!fd.ok()) return OpenError(path, fd.error());
  return Take(path, std::move(*fd), rules);
}

absl::StatusOr<MountRoot> MountRoot::Take(const std::string& path, OwnedFd directory, Rules rules) {
  SysResult<FileIdentity> identity = Identify(directory.get());
  if (!identity.ok()) return OpenError(path, identity.error());
  if (!S_ISDIR(identity->mode)) return OpenError(path, ENOTDIR);
  return MountRoot(std::move(directory), rules, *identity);
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
  SysResult<FileIdentity> identity = Identify(fd);
  if (!identity.ok()) return Errno(identity.error());
  return OnSameMount(*identity);
}

}  // namespace sessionctl
