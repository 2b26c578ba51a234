// Calls that look a name up and tell about it: stat, access, readlink, statfs, extended attributes,
// inotify. They come here only where a mount hides names; else they are the kernel's.
//
// What is found is pinned, so that the decision is on that very object, and told as the kernel
// tells it. Links lead wherever they lead natively: looking needs no grant. Only hidden names are
// not there.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/path_walker.h"

namespace sessionctl {
namespace {

constexpr size_t kAttributeLimit = 65536;  // xattr(7), of a value and of a list
constexpr unsigned kStatxReserved = 0x80000000U;
constexpr int kStatxSyncType = 0x6000;  // AT_STATX_SYNC_TYPE
constexpr size_t kFileAttrSize = sizeof(FileAttr);

// What a caller holds already it may look at, wherever that is by now.
SysResult<PinnedObject> Held(CallContext& context, int dirfd) {
  SysResult<OwnedFd> fd = context.task().Descriptor(dirfd);
  if (!fd.ok()) return Errno(fd.error());
  SysResult<struct stat> info = Fstat(fd->get());
  if (!info.ok()) return Errno(info.error());
  PinnedObject object;
  object.fd = std::move(*fd);
  object.info = *info;
  return object;
}

SysResult<PinnedObject> NotHidden(CallContext& context, SysResult<PinnedObject> object) {
  if (!object.ok() || object->descriptor >= 0) return object;
  const int error = context.CheckObject(Operation::kLookUp, *object);
  return error == 0 ? std::move(object) : Errno(error);
}

SysResult<PinnedObject> Subject(CallContext& context, const SyscallRequest& request) {
  const CallerPath& path = request.paths[0];
  if (!path.IsEmpty()) {
    const bool follow = (request.at_flags & AT_SYMLINK_NOFOLLOW) == 0;
    return NotHidden(context, context.resolver().LookUp(path, follow));
  }
  if ((request.at_flags & AT_EMPTY_PATH) == 0) return Errno(request.path_is_null ? EFAULT : ENOENT);
  if (path.dirfd != AT_FDCWD) return Held(context, path.dirfd);
  return NotHidden(context, context.resolver().WorkingDirectory());
}

// Writes the answer where the caller wants it; `value` is what the call returns.
Reply Tell(CallContext& context, uint64_t address, const void* data, size_t size, int64_t value) {
  if (!context.StillWaiting()) return Reply::CallerGone();
  const SysStatus told = context.task().WriteMemory(address, data, size);
  return told.ok() ? Reply::Value(value) : Reply::Error(told.error());
}

// Lets `read(path, buffer, size)` read an attribute, or the list of them, as getxattr(2) does.
template <typename Read>
Reply TellAttribute(CallContext& context, const SyscallRequest& request, Read read) {
  SysResult<PinnedObject> object = Subject(context, request);
  if (!object.ok()) return Reply::Error(object.error());
  std::string value(std::min<uint64_t>(request.data_size, kAttributeLimit), '\0');
  const ssize_t size = read(FdPath(object->fd.get()).c_str(), value.data(), value.size());
  if (size < 0) return Reply::Error(errno);
  if (value.empty()) return Reply::Value(size);
  return Tell(context, request.data_address, value.data(), static_cast<size_t>(size), size);
}

// /proc/self and /proc/thread-self say who looks (trap 29).
SysResult<std::string> TextOfLink(CallContext& context, int link) {
  if (!OnProcfs(link)) return ReadLinkAt(link, "");
  SysResult<std::string> path = PathOfDescriptor(link);
  if (!path.ok() || (*path != "/proc/self" && *path != "/proc/thread-self")) {
    return ReadLinkAt(link, "");
  }
  SysResult<RemoteTask::Status> status = context.task().ReadStatus();
  if (!status.ok()) return Errno(ESRCH);
  std::string text = std::to_string(status->own_thread_group);
  if (*path == "/proc/self") return text;
  return text + "/task/" + std::to_string(status->own_thread);
}

}  // namespace

Reply HandleStat(CallContext& context, const SyscallRequest& request) {
  SysResult<PinnedObject> object = Subject(context, request);
  if (!object.ok()) return Reply::Error(object.error());
  return Tell(context, request.data_address, &object->info, sizeof(object->info), 0);
}

Reply HandleStatx(CallContext& context, const SyscallRequest& request) {
  const int sync = request.at_flags & kStatxSyncType;
  if ((request.mask & kStatxReserved) != 0 || sync == kStatxSyncType) return Reply::Error(EINVAL);
  SysResult<PinnedObject> object = Subject(context, request);
  if (!object.ok()) return Reply::Error(object.error());
  struct statx info = {};
  if (statx(object->fd.get(), "", AT_EMPTY_PATH | sync, request.mask, &info) != 0) {
    return Reply::Error(errno);
  }
  return Tell(context, request.data_address, &info, sizeof(info), 0);
}

Reply HandleAccess(CallContext& context, const SyscallRequest& request) {
  if ((request.mask & ~static_cast<unsigned>(R_OK | W_OK | X_OK)) != 0) {
    return Reply::Error(EINVAL);
  }
  SysResult<PinnedObject> object = Subject(context, request);
  if (!object.ok()) return Reply::Error(object.error());
  // A worker takes on the caller's file-system user, not its real one.
  const bool adopted = context.session().policy().identity.kept != 0;
  const int effective = adopted ? AT_EACCESS : request.at_flags & AT_EACCESS;
  const long result =
      syscall(SYS_faccessat2, object->fd.get(), "", request.mask, AT_EMPTY_PATH | effective);
  return result == 0 ? Reply::Value(0) : Reply::Error(errno);
}

Reply HandleReadlink(CallContext& context, const SyscallRequest& request) {
  const int room = static_cast<int>(request.data_size);
  if (room <= 0) return Reply::Error(EINVAL);
  const CallerPath& path = request.paths[0];
  SyscallRequest of_link = request;
  of_link.at_flags = AT_SYMLINK_NOFOLLOW | (path.dirfd == AT_FDCWD ? 0 : AT_EMPTY_PATH);
  SysResult<PinnedObject> object = Subject(context, of_link);
  if (!object.ok()) return Reply::Error(object.error());
  if (!S_ISLNK(object->info.st_mode)) return Reply::Error(path.IsEmpty() ? ENOENT : EINVAL);
  SysResult<std::string> text = TextOfLink(context, object->fd.get());
  if (!text.ok()) return Reply::Error(text.error());
  const size_t size = std::min(text->size(), static_cast<size_t>(room));
  return Tell(context, request.data_address, text->data(), size, static_cast<int64_t>(size));
}

Reply HandleStatfs(CallContext& context, const SyscallRequest& request) {
  SysResult<PinnedObject> object = Subject(context, request);
  if (!object.ok()) return Reply::Error(object.error());
  struct statfs info = {};
  if (fstatfs(object->fd.get(), &info) != 0) return Reply::Error(errno);
  return Tell(context, request.data_address, &info, sizeof(info), 0);
}

Reply HandleGetxattr(CallContext& context, const SyscallRequest& request) {
  return TellAttribute(context, request, [&](const char* path, void* value, size_t size) {
    return getxattr(path, request.xattr_name.c_str(), value, size);
  });
}

Reply HandleListxattr(CallContext& context, const SyscallRequest& request) {
  // Without a path this one wants a descriptor (path_listxattrat, fs/xattr.c).
  const CallerPath& path = request.paths[0];
  const bool empty = path.IsEmpty() && (request.at_flags & AT_EMPTY_PATH) != 0;
  if (empty && path.dirfd == AT_FDCWD) return Reply::Error(EBADF);
  return TellAttribute(context, request, [](const char* path, char* list, size_t size) {
    return listxattr(path, list, size);
  });
}

Reply HandleFileGetattr(CallContext& context, const SyscallRequest& request) {
  if (request.data_size < kFileAttrSize) return Reply::Error(EINVAL);
  SysResult<PinnedObject> object = Subject(context, request);
  if (!object.ok()) return Reply::Error(object.error());
  std::string answer(std::min<uint64_t>(request.data_size, 4096), '\0');
  // An O_PATH descriptor it takes by its magic link only.
  const long result = syscall(kNrFileGetattr, AT_FDCWD, FdPath(object->fd.get()).c_str(),
                              answer.data(), answer.size(), 0);
  if (result != 0) return Reply::Error(errno);
  return Tell(context, request.data_address, answer.data(), answer.size(), 0);
}

// The watch is the caller's: it is added to the caller's own queue.
Reply HandleInotifyAddWatch(CallContext& context, const SyscallRequest& request) {
  SysResult<OwnedFd> queue = context.task().Descriptor(request.fd);
  if (!queue.ok()) return Reply::Error(queue.error());
  // The kernel looks at mask and descriptor first; this names nothing.
  if (inotify_add_watch(queue->get(), "", request.mask) >= 0 || errno != ENOENT) {
    return Reply::Error(errno);
  }
  SyscallRequest named = request;
  named.at_flags = (request.mask & IN_DONT_FOLLOW) != 0 ? AT_SYMLINK_NOFOLLOW : 0;
  SysResult<PinnedObject> object = Subject(context, named);
  if (!object.ok()) return Reply::Error(object.error());
  if (!context.MayAct()) return Reply::CallerGone();
  const int watch = inotify_add_watch(queue->get(), FdPath(object->fd.get()).c_str(),
                                      request.mask & ~static_cast<uint32_t>(IN_DONT_FOLLOW));
  return watch >= 0 ? Reply::Value(watch) : Reply::Error(errno);
}

}  // namespace sessionctl
