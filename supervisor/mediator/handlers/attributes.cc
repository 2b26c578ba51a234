// Mode, owner, times, inode flags. Landlock does not stop these, so they are always decided by
// where the pinned object really is, and act on exactly that object: through an O_PATH descriptor
// (trap 37) or the caller's own.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/metadata.h"

namespace sessionctl {
namespace {

// fchmodat2 where the kernel has it (6.6), else by the magic link, which an O_PATH descriptor
// allows.
int ChangeMode(int fd, mode_t mode) {
  SysStatus changed = Fchmodat2(fd, "", mode, AT_EMPTY_PATH);
  if (!changed.ok() && changed.error() == ENOSYS) return chmod(FdPath(fd).c_str(), mode);
  if (changed.ok()) return 0;
  errno = changed.error();
  return -1;
}

bool ValidTime(const timespec& time) {
  return time.tv_nsec == UTIME_NOW || time.tv_nsec == UTIME_OMIT ||
         (time.tv_nsec >= 0 && time.tv_nsec <= 999999999);
}

// futimens is utimensat with a descriptor and no path: it knows no flags, and takes no O_PATH
// descriptor (do_utimes, fs/utimes.c).
SysResult<PinnedObject> UtimensSubject(CallContext& context, const SyscallRequest& request) {
  const int dirfd = request.paths[0].dirfd;
  if (!request.path_is_null) return MetadataSubject(context, request);
  if (dirfd == AT_FDCWD) return Errno(EFAULT);
  if (request.at_flags != 0) return Errno(EINVAL);
  return MetadataOfDescriptor(context, dirfd);
}

// The kernel's own verdict on the attributes: it looks at them before the (empty) path.
int AttributesError(const FileAttr& attributes) {
  syscall(kNrFileSetattr, -1, "", &attributes, sizeof(attributes), 0);
  return errno == ENOENT ? 0 : errno;
}

}  // namespace

Reply HandleChmod(CallContext& context, const SyscallRequest& request) {
  return ChangeMetadata(context, MetadataSubject(context, request),
                        [&](int fd) { return ChangeMode(fd, request.mode); });
}

Reply HandleFchmod(CallContext& context, const SyscallRequest& request) {
  return ChangeMetadata(context, MetadataOfDescriptor(context, request.fd),
                        [&](int fd) { return fchmod(fd, request.mode); });
}

Reply HandleChown(CallContext& context, const SyscallRequest& request) {
  return ChangeMetadata(context, MetadataSubject(context, request), [&](int fd) {
    return fchownat(fd, "", request.uid, request.gid, AT_EMPTY_PATH);
  });
}

Reply HandleFchown(CallContext& context, const SyscallRequest& request) {
  return ChangeMetadata(context, MetadataOfDescriptor(context, request.fd),
                        [&](int fd) { return fchown(fd, request.uid, request.gid); });
}

Reply HandleUtimens(CallContext& context, const SyscallRequest& request) {
  // utimensat(2): then nothing at all is looked at, be it there or not.
  if (!request.times_now && request.times[0].tv_nsec == UTIME_OMIT &&
      request.times[1].tv_nsec == UTIME_OMIT) {
    return Reply::Value(0);
  }
  const timespec* times = request.times_now ? nullptr : request.times.data();
  if (times != nullptr && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT) {
    return Reply::Value(0);  // nothing to be done, so nothing is looked at, the flags neither
  }
  if ((request.at_flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) return Reply::Error(EINVAL);
  SysResult<PinnedObject> object = UtimensSubject(context, request);
  // What is wrong with the times comes after the lookup and before any right (vfs_utimes).
  const bool valid = times == nullptr || (ValidTime(times[0]) && ValidTime(times[1]));
  if (object.ok() && !valid) return Reply::Error(EINVAL);
  return ChangeMetadata(context, object, [&](int fd) {
    return static_cast<int>(syscall(SYS_utimensat, fd, "", times, AT_EMPTY_PATH));
  });
}

Reply HandleFileSetattr(CallContext& context, const SyscallRequest& request) {
  if (int error = AttributesError(request.file_attr); error != 0) return Reply::Error(error);
  return ChangeMetadata(context, SubjectOpenOrByPath(context, request), [&](int fd) {
    // An O_PATH descriptor it takes by its magic link only.
    return static_cast<int>(syscall(kNrFileSetattr, AT_FDCWD, FdPath(fd).c_str(),
                                    &request.file_attr, sizeof(request.file_attr), 0));
  });
}

}  // namespace sessionctl
