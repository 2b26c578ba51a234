// What the limits of room on a disk have in common (mount_quota.h, overlay_limit.h). Pure; any
// thread.
#ifndef SUPERVISOR_MEDIATOR_ROOM_LIMIT_H_
#define SUPERVISOR_MEDIATOR_ROOM_LIMIT_H_

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>

namespace sessionctl {

// The room that an inode takes. st_blocks are of 512 bytes whatever the file system's are
// (inode(7)).
inline int64_t BytesOf(const struct stat& info) {
  return static_cast<int64_t>(info.st_blocks) * 512;
}

// Is a session so far above its limit that it is ended? A program learns of the limit by the next
// call that is refused; what it writes until then to files that are open is forgiven up to here.
inline bool FarAbove(int64_t bytes, int64_t limit) {
  constexpr int64_t kLeastAllowance = int64_t{1} << 20;
  return bytes > limit + std::max(limit / 8, kLeastAllowance);
}

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_ROOM_LIMIT_H_
