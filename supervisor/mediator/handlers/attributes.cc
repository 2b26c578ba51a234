// Mode, owner, times, inode flags. Landlock does not stop these, so they are always decided by
// where the pinned object really is, and act on exactly that object: through an O_PATH descriptor
// (trap 37) or the caller's own.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/handlers.h"

namespace sessionctl {
namespace {

constexpr int kAtFlags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;

// The object that a path call with AT_ flags is about.
SysResult<PinnedObject> Subject(CallContext& context, const SyscallRequest& request) {
  if ((request.at_flags & ~kAtFlags) != 0) return Errno(EINVAL);
  const CallerPath& path = request.paths[0];
  bool follow = (request.at_flags & AT_SYMLINK_NOFOLLOW) == 0;
  if (!path.path.empty()) return context.resolver().Object(path, follow);
  bool empty_is_fine = request.path_is_null || (request.at_flags & AT_EMPTY_PATH) != 0;
  if (!empty_is_fine) return Errno(ENOENT);
  if (path.dirfd != AT_FDCWD) return context.resolver().Descriptor(path.dirfd);
  if (request.path_is_null) return Errno(EFAULT);
  return context.resolver().Object(CallerPath{AT_FDCWD, "."}, true);
}

// Pins, decides, and lets `act(fd)` change the object.
template <typename Act>
Reply ChangeByPath(CallContext& context, const SyscallRequest& request, Act act) {
  SysResult<PinnedObject> object = Subject(context, request);
  if (!object.ok()) return Reply::Error(object.error());
  // futimens is utimensat without a path: like fchmod it takes no O_PATH descriptor (trap 37).
  if (object->through_descriptor && request.path_is_null &&
      (request.at_flags & AT_EMPTY_PATH) == 0 && (fcntl(object->fd.get(), F_GETFL) & O_PATH) != 0) {
    return Reply::Error(EBADF);
  }
  int error = object->through_descriptor ? context.CheckDescriptorMetadata(*object)
                                         : context.CheckObject(Operation::kMetadata, *object);
  if (error != 0) return Reply::Error(error);
  if (!context.StillWaiting()) return Reply::CallerGone();
  return act(object->fd.get()) == 0 ? Reply::Value(0) : Reply::Error(errno);
}

template <typename Act>
Reply ChangeByDescriptor(CallContext& context, const SyscallRequest& request, Act act) {
  SysResult<PinnedObject> object = context.resolver().Descriptor(request.fd);
  if (!object.ok()) return Reply::Error(object.error());
  if ((fcntl(object->fd.get(), F_GETFL) & O_PATH) != 0) return Reply::Error(EBADF);
  if (int error = context.CheckDescriptorMetadata(*object); error != 0) return Reply::Error(error);
  if (!context.StillWaiting()) return Reply::CallerGone();
  return act(object->fd.get()) == 0 ? Reply::Value(0) : Reply::Error(errno);
}

// fchmodat2 where the kernel has it (6.6), else by the magic link, which an O_PATH descriptor
// allows.
int ChangeMode(int fd, mode_t mode) {
  SysStatus changed = Fchmodat2(fd, "", mode, AT_EMPTY_PATH);
  if (!changed.ok() && changed.error() == ENOSYS) return chmod(FdPath(fd).c_str(), mode);
  if (changed.ok()) return 0;
  errno = changed.error();
  return -1;
}

}  // namespace

Reply HandleChmod(CallContext& context, const SyscallRequest& request) {
  return ChangeByPath(context, request, [&](int fd) { return ChangeMode(fd, request.mode); });
}

Reply HandleFchmod(CallContext& context, const SyscallRequest& request) {
  return ChangeByDescriptor(context, request, [&](int fd) { return fchmod(fd, request.mode); });
}

Reply HandleChown(CallContext& context, const SyscallRequest& request) {
  return ChangeByPath(context, request, [&](int fd) {
    return fchownat(fd, "", request.uid, request.gid, AT_EMPTY_PATH);
  });
}

Reply HandleFchown(CallContext& context, const SyscallRequest& request) {
  return ChangeByDescriptor(context, request,
                            [&](int fd) { return fchown(fd, request.uid, request.gid); });
}

Reply HandleUtimens(CallContext& context, const SyscallRequest& request) {
  const timespec* times = request.times_now ? nullptr : request.times.data();
  return ChangeByPath(context, request, [&](int fd) {
    return static_cast<int>(syscall(SYS_utimensat, fd, "", times, AT_EMPTY_PATH));
  });
}

Reply HandleFileSetattr(CallContext& context, const SyscallRequest& request) {
  return ChangeByPath(context, request, [&](int fd) {
    return static_cast<int>(syscall(kNrFileSetattr, fd, "", &request.file_attr,
                                    sizeof(request.file_attr), AT_EMPTY_PATH));
  });
}

}  // namespace sessionctl
