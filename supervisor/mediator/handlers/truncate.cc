// truncate. (ftruncate needs no mediation: it acts by the right of the descriptor, and that came
// from here.)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/handlers.h"

namespace sessionctl {

Reply HandleTruncate(CallContext& context, const SyscallRequest& request) {
  if (request.length < 0) return Reply::Error(EINVAL);
  SysResult<PinnedObject> object = context.resolver().Object(request.paths[0], true);
  if (!object.ok()) return Reply::Error(object.error());
  if (S_ISDIR(object->info.st_mode)) return Reply::Error(EISDIR);
  if (!S_ISREG(object->info.st_mode)) return Reply::Error(EINVAL);
  if (int error = context.CheckObject(Operation::kWrite, *object); error != 0) {
    return Reply::Error(error);
  }
  // The limit binds who makes a file longer, and comes after the permission (inode_newsize_ok).
  FdPath path(object->fd.get());
  if (request.length > object->info.st_size &&
      faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0 &&
      context.ExceedsFileSizeLimit(request.length)) {
    return Reply::Error(EFBIG);
  }
  MountQuota::Pin pin;
  if (object->mount != nullptr && object->mount->quota != nullptr) {
    int error = context.CheckQuota(
        object->mount->quota->AdmitWriting(object->fd.get(), object->info, &pin));
    if (error != 0) return Reply::Error(error);
  }
  if (!context.MayAct()) return Reply::CallerGone();
  int result = truncate(path.c_str(), request.length);
  return result == 0 ? Reply::Value(0) : Reply::Error(errno);
}

}  // namespace sessionctl
