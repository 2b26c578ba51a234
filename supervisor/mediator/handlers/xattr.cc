// Extended attributes: by path (on the pinned object, through /proc/self/fd, which ends at a link
// itself when that is what was pinned) and by the caller's descriptor.
#include <fcntl.h>
#include <sys/xattr.h>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/metadata.h"

namespace sessionctl {
Reply HandleSetxattr(CallContext& context, const SyscallRequest& request) {
  return ChangeMetadata(context, SubjectOpenOrByPath(context, request), [&](int fd) {
    return setxattr(FdPath(fd).c_str(), request.xattr_name.c_str(), request.xattr_value.data(),
                    request.xattr_value.size(), request.xattr_flags);
  });
}

Reply HandleFsetxattr(CallContext& context, const SyscallRequest& request) {
  return ChangeMetadata(context, MetadataOfDescriptor(context, request.fd), [&](int fd) {
    return fsetxattr(fd, request.xattr_name.c_str(), request.xattr_value.data(),
                     request.xattr_value.size(), request.xattr_flags);
  });
}

Reply HandleRemovexattr(CallContext& context, const SyscallRequest& request) {
  // Unlike setxattrat, removexattrat takes an empty path for a descriptor only (fs/xattr.c).
  const CallerPath& path = request.paths[0];
  if (path.IsEmpty() && (request.at_flags & AT_EMPTY_PATH) != 0 && path.dirfd == AT_FDCWD) {
    return Reply::Error(EBADF);
  }
  return ChangeMetadata(context, SubjectOpenOrByPath(context, request), [&](int fd) {
    return removexattr(FdPath(fd).c_str(), request.xattr_name.c_str());
  });
}

Reply HandleFremovexattr(CallContext& context, const SyscallRequest& request) {
  return ChangeMetadata(context, MetadataOfDescriptor(context, request.fd),
                        [&](int fd) { return fremovexattr(fd, request.xattr_name.c_str()); });
}

}  // namespace sessionctl
