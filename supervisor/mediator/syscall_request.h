// SyscallRequest: a mediated call with everything it points at copied out of the caller's memory,
// once. What a handler sees can no longer change.
#ifndef SUPERVISOR_MEDIATOR_SYSCALL_REQUEST_H_
#define SUPERVISOR_MEDIATOR_SYSCALL_REQUEST_H_

#include <fcntl.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <string>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/path_resolver.h"

namespace sessionctl {

// struct file_attr, version 0 (24 bytes), file_setattr(2).
struct FileAttr {
  uint64_t xflags = 0;
  uint32_t extent_size = 0;
  uint32_t extent_count = 0;
  uint32_t project_id = 0;
  uint32_t cow_extent_size = 0;
};

struct SyscallRequest {
  std::array<CallerPath, 2> paths = {CallerPath{AT_FDCWD, ""}, CallerPath{AT_FDCWD, ""}};
  bool path_is_null = false;  // utimensat(fd, NULL, …) and the like: the descriptor itself
  int fd = -1;                // of fchmod and its kind
  OpenHow how;                // open flags, mode and (openat2) resolve
  bool is_openat2 = false;
  mode_t mode = 0;
  dev_t dev = 0;
  int at_flags = 0;
  unsigned rename_flags = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  bool times_now = false;  // a NULL times pointer
  std::array<timespec, 2> times = {};
  int64_t length = 0;
  std::string target;  // of symlink
  std::string xattr_name;
  std::string xattr_value;
  int xattr_flags = 0;
  FileAttr file_attr;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_SYSCALL_REQUEST_H_
