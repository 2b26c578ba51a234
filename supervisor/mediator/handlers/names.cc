#include "supervisor/mediator/handlers/names.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "supervisor/mediator/path_walker.h"

namespace sessionctl {

int ErrorOfOldName(const PinnedParent& parent) {
  if (parent.hidden) return ENOENT;  // whatever stands there
  struct stat info;
  int looked = fstatat(parent.fd.get(), parent.leaf.c_str(), &info, AT_SYMLINK_NOFOLLOW);
  return looked == 0 ? 0 : errno;
}

int ErrorOfNewName(const PinnedParent& parent, bool directory) {
  int error = parent.is_mount_root ? 0 : ErrorOfOldName(parent);
  if (error == 0) return EEXIST;
  if (error != ENOENT) return error;
  return (parent.trailing_slash && !directory) || OnProcfs(parent.fd.get()) ? ENOENT : 0;
}

}  // namespace sessionctl
