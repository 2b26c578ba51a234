// Extended attributes: by path (on the pinned object, through /proc/self/fd, which ends at a link
// itself when that is what was pinned) and by the caller's descriptor.
#include <fcntl.h>
#include <sys/xattr.h>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/handlers.h"

namespace sessionctl {
namespace {

SysResult<PinnedObject> Subject(CallContext& context, const SyscallRequest& request) {
  if ((request.at_flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) return Errno(EINVAL);
  const CallerPath& path = request.paths[0];
  if (!path.path.empty()) {
    return context.resolver().Object(path, (request.at_flags & AT_SYMLINK_NOFOLLOW) == 0);
  }
  if ((request.at_flags & AT_EMPTY_PATH) == 0) return Errno(request.path_is_null ? EFAULT : ENOENT);
  if (path.dirfd == AT_FDCWD) return context.resolver().Object(CallerPath{AT_FDCWD, "."}, true);
  return context.resolver().Descriptor(path.dirfd);
}

template <typename Act>
Reply Change(CallContext& context, const SysResult<PinnedObject>& object, Act act) {
  if (!object.ok()) return Reply::Error(object.error());
  int error = object->through_descriptor ? context.CheckDescriptorMetadata(*object)
                                         : context.CheckObject(Operation::kMetadata, *object);
  if (error != 0) return Reply::Error(error);
  if (!context.StillWaiting()) return Reply::CallerGone();
  return act(object->fd.get()) == 0 ? Reply::Value(0) : Reply::Error(errno);
}

}  // namespace

Reply HandleSetxattr(CallContext& context, const SyscallRequest& request) {
  return Change(context, Subject(context, request), [&](int fd) {
    return setxattr(FdPath(fd).c_str(), request.xattr_name.c_str(), request.xattr_value.data(),
                    request.xattr_value.size(), request.xattr_flags);
  });
}

Reply HandleFsetxattr(CallContext& context, const SyscallRequest& request) {
  return Change(context, context.resolver().Descriptor(request.fd), [&](int fd) {
    return fsetxattr(fd, request.xattr_name.c_str(), request.xattr_value.data(),
                     request.xattr_value.size(), request.xattr_flags);
  });
}

Reply HandleRemovexattr(CallContext& context, const SyscallRequest& request) {
  return Change(context, Subject(context, request), [&](int fd) {
    return removexattr(FdPath(fd).c_str(), request.xattr_name.c_str());
  });
}

Reply HandleFremovexattr(CallContext& context, const SyscallRequest& request) {
  return Change(context, context.resolver().Descriptor(request.fd),
                [&](int fd) { return fremovexattr(fd, request.xattr_name.c_str()); });
}

}  // namespace sessionctl
