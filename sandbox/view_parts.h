// What private views are made of, for those who make them and who add to them (private_view.cc,
// view_mount.cc); of no concern to others. The caller has CAP_SYS_ADMIN over its own mount
// namespace.
#ifndef SANDBOX_VIEW_PARTS_H_
#define SANDBOX_VIEW_PARTS_H_

#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/status/status.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/private_view.h"

namespace sessionctl {

// kNotFound for ENOENT, else kFailedPrecondition: "private view: PATH: WHAT: …".
absl::Status ViewError(const std::string& path, const char* what, int error);

// Its MOUNT_ATTR_ bits: never less than MOUNT_ATTR_NOSUID.
uint64_t MountAttributes(const ViewEntry& entry);

// A new file system, mounted nowhere yet; `options` are pairs of name and value.
// Async-signal-safe.
SysResult<OwnedFd> NewFileSystem(const char* type, std::initializer_list<const char*> options,
                                 uint64_t attributes);

// A copy of what is mounted at the entry's source, and below, mounted nowhere yet. No component of
// that path may be a link.
SysResult<OwnedFd> CloneTree(const ViewEntry& entry, bool* is_directory);

// The same, with the source's path as it is from `directory`.
SysResult<OwnedFd> CloneTreeFrom(int directory, const char* path, const ViewEntry& entry,
                                 bool* is_directory);

}  // namespace sessionctl

#endif  // SANDBOX_VIEW_PARTS_H_
