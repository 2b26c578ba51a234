// What the calls that change metadata (mode, owner, times, inode flags, extended attributes) share:
// which object such a call is about, and deciding on it before it is changed.
#ifndef SUPERVISOR_MEDIATOR_HANDLERS_METADATA_H_
#define SUPERVISOR_MEDIATOR_HANDLERS_METADATA_H_

#include <cerrno>

#include "supervisor/mediator/handlers/handlers.h"

namespace sessionctl {

// The object of a path call with AT_ flags; the caller's own descriptor with AT_EMPTY_PATH and an
// empty path. Errors: ENOENT for an empty path without AT_EMPTY_PATH
// (EFAULT when it was NULL), else the resolver's.
SysResult<PinnedObject> MetadataSubject(CallContext& context, const SyscallRequest& request);

// The same for the calls that take no O_PATH descriptor, not even with AT_EMPTY_PATH: setxattrat,
// removexattrat, file_setattr (fdget, not fdget_raw). EBADF for such a one.
SysResult<PinnedObject> SubjectOpenOrByPath(CallContext& context, const SyscallRequest& request);

// The object of a call by descriptor. EBADF for an O_PATH one (trap 37).
SysResult<PinnedObject> MetadataOfDescriptor(CallContext& context, int fd);

// 0 or the errno to answer with: the policy's verdict on changing the object's metadata.
int CheckMetadata(CallContext& context, const PinnedObject& object);

// Decides, and lets `act(fd)` make the one system call that changes the object: -1 and errno, or 0.
template <typename Act>
Reply ChangeMetadata(CallContext& context, const SysResult<PinnedObject>& object, Act act) {
  if (!object.ok()) return Reply::Error(object.error());
  if (int error = CheckMetadata(context, *object); error != 0) return Reply::Error(error);
  if (!context.MayAct()) return Reply::CallerGone();
  return act(object->fd.get()) == 0 ? Reply::Value(0) : Reply::Error(errno);
}

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_HANDLERS_METADATA_H_
