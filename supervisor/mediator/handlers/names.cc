#include "supervisor/mediator/handlers/names.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "supervisor/mediator/path_walker.h"

namespace sessionctl {

int ErrorOfNewName(const PinnedParent& parent, bool directory) {
  struct stat info;
  if (parent.is_mount_root ||
      fstatat(parent.fd.get(), parent.leaf.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    return EEXIST;
  }
  if (errno != ENOENT) return errno;
  return (parent.trailing_slash && !directory) || OnProcfs(parent.fd.get()) ? ENOENT : 0;
}

}  // namespace sessionctl
