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

// Numbers that the build machine's headers may lack, one for all architectures.
inline constexpr int kNrGetxattrat = 464;
inline constexpr int kNrListxattrat = 465;
inline constexpr int kNrFileGetattr = 468;

// struct file_attr, version 0 (24 bytes), file_setattr(2).
struct FileAttr {
  uint64_t xflags = 0;
  uint32_t extent_size = 0;
  uint32_t extent_count = 0;
  uint32_t project_id = 0;
  uint32_t cow_extent_size = 0;
};

// A call about another task, as the broker makes it again: the registers, with what a pointer among
// them leads to copied.
struct TaskCall {
  int nr = -1;
  std::array<uint64_t, 6> args = {};
  int which = 0;
  int task_arg = -1;
  pid_t task = 0;
  int in_arg = -1;  // -1: no such argument, or NULL
  std::string in;
  int out_arg = -1;  // likewise
  uint64_t out_address = 0;
  size_t out_size = 0;
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
  unsigned mask = 0;   // of statx, access, inotify_add_watch
  std::string target;  // of symlink
  std::string xattr_name;
  std::string xattr_value;
  int xattr_flags = 0;
  FileAttr file_attr;
  unsigned memory_flags = 0;  // of memfd_create
  std::string memory_name;
  int memory_name_error = 0;  // what the name could not be read for
  TaskCall task_call;
  std::string address;  // of connect, bind, sendto: as the caller wrote it
  int address_error = 0;
  int send_flags = 0;  // MSG_
  int backlog = 0;
  // What a send takes its payload from, read piece by piece as it is sent; where getsockname
  // and the calls that look something up write.
  uint64_t data_address = 0;
  uint64_t data_size = 0;  // bytes; of sendmmsg, messages; of getsockname, where the length stands
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_SYSCALL_REQUEST_H_
