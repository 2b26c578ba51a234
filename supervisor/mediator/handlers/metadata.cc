#include "supervisor/mediator/handlers/metadata.h"

#include <fcntl.h>

namespace sessionctl {

SysResult<PinnedObject> MetadataSubject(CallContext& context, const SyscallRequest& request) {
  const CallerPath& path = request.paths[0];
  if (!path.IsEmpty()) {
    return context.resolver().Object(path, (request.at_flags & AT_SYMLINK_NOFOLLOW) == 0);
  }
  if ((request.at_flags & AT_EMPTY_PATH) == 0) return Errno(request.path_is_null ? EFAULT : ENOENT);
  return context.resolver().Base(path.dirfd);
}

SysResult<PinnedObject> SubjectOpenOrByPath(CallContext& context, const SyscallRequest& request) {
  const CallerPath& path = request.paths[0];
  const bool by_descriptor =
      path.IsEmpty() && (request.at_flags & AT_EMPTY_PATH) != 0 && path.dirfd != AT_FDCWD;
  return by_descriptor ? MetadataOfDescriptor(context, path.dirfd)
                       : MetadataSubject(context, request);
}

SysResult<PinnedObject> MetadataOfDescriptor(CallContext& context, int fd) {
  SysResult<PinnedObject> object = context.resolver().Descriptor(fd);
  if (object.ok() && (fcntl(object->fd.get(), F_GETFL) & O_PATH) != 0) return Errno(EBADF);
  return object;
}

int CheckMetadata(CallContext& context, const PinnedObject& object) {
  return object.through_descriptor ? context.CheckDescriptorMetadata(object)
                                   : context.CheckObject(Operation::kMetadata, object);
}

}  // namespace sessionctl
