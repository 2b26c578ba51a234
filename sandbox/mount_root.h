// A mount's root: the directory a mount was given as, held open for as long as the session lives.
// All resolution in the mount is one openat2(RESOLVE_BENEATH) from here or from a directory known
// to lie here.
#ifndef SANDBOX_MOUNT_ROOT_H_
#define SANDBOX_MOUNT_ROOT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {

// Which object an open descriptor refers to, and through which mount.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  uint64_t mount_id = 0;
  mode_t mode = 0;
  uint32_t links = 0;

  bool SameAs(const FileIdentity& other) const {
    return inode == other.inode && device == other.device && mount_id == other.mount_id;
  }
};

// One statx(2). Errors: EBADF.
SysResult<FileIdentity> Identify(int fd);

// A copy holds the same open directory.
class MountRoot {
 public:
  struct Rules {
    bool no_symlinks = false;  // RESOLVE_NO_SYMLINKS: a link is ELOOP
    // Without it RESOLVE_NO_XDEV: a mount point inside the tree is EXDEV.
    bool cross_device = false;
  };

  // Holds `path`, which must be a directory; no component may be a link. Errors: kNotFound,
  // kPermissionDenied, kInvalidArgument.
  static absl::StatusOr<MountRoot> Open(const std::string& path, Rules rules);

  // Of a directory that is open already, and is the root of what is mounted there.
  static absl::StatusOr<MountRoot> Take(const std::string& path, OwnedFd directory, Rules rules);

  int fd() const { return fd_->get(); }
  const Rules& rules() const { return rules_; }

  // Opens `path` relative to `anchor`, never leaving it: no "..", absolute link or magic link leads
  // out (EXDEV), and by the rules no link (ELOOP) and no mount point (EXDEV) leads anywhere.
  // `extra_resolve` adds RESOLVE_ flags of the caller's own. Always close-on-exec and O_NOCTTY.
  // EAGAIN, which the kernel gives while somebody renames, is retried a bounded number of times.
  SysResult<OwnedFd> OpenBeneath(int anchor, const char* path, uint64_t flags, mode_t mode = 0,
                                 uint64_t extra_resolve = 0) const;

  // Of the root when it was opened; its number of links changes.
  const FileIdentity& identity() const { return identity_; }

  // Does the object lie on the same kernel mount as the root? (Always true with cross_device.)
  bool OnSameMount(const FileIdentity& object) const {
    return rules_.cross_device || object.mount_id == identity_.mount_id;
  }
  SysResult<bool> OnSameDevice(int fd) const;

  // Where the root is now: it may have been moved since.
  SysResult<std::string> CurrentPath() const { return PathOfDescriptor(fd()); }

 private:
  MountRoot(OwnedFd fd, Rules rules, const FileIdentity& identity)
      : fd_(std::make_shared<const OwnedFd>(std::move(fd))), rules_(rules), identity_(identity) {}

  std::shared_ptr<const OwnedFd> fd_;
  Rules rules_;
  FileIdentity identity_;
};

}  // namespace sessionctl

#endif  // SANDBOX_MOUNT_ROOT_H_
