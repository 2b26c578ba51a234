// One directory seen through another: the kernel's overlayfs over a directory that stays as it is,
// with a second one for what is changed. Always with "userxattr", for root too, so that what it
// leaves behind has one format. Single-threaded callers with CAP_SYS_ADMIN in their user namespace.
#ifndef SANDBOX_OVERLAY_MOUNT_H_
#define SANDBOX_OVERLAY_MOUNT_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {

// A directory by its canonical path, and which one it has to be.
struct KnownDirectory {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;
};

struct OverlayDirectories {
  KnownDirectory lower;
  KnownDirectory layer;  // "upper" and "work" lie in it
};

// A new mount that is attached nowhere yet. The directories are opened in the caller's mount
// namespace: the kernel takes those of no other. `attributes`: MOUNT_ATTR_*. Errors:
// kFailedPrecondition and kNotFound with what failed, in the kernel's words where it has some.
absl::StatusOr<OwnedFd> MountOverlay(const OverlayDirectories& directories, uint64_t attributes);

// The upper directory, read-only, seen from nowhere else. Errors: as above.
absl::StatusOr<OwnedFd> CloneUpper(const OverlayDirectories& directories);

}  // namespace sessionctl

#endif  // SANDBOX_OVERLAY_MOUNT_H_
