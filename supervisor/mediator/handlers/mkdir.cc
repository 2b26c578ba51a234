// Calls that make a name that is no regular file: mkdir, mknod, symlink. The last component is
// never followed; the kernel gives its own answers for what exists (trap 34 and 35).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/handlers.h"

namespace sessionctl {
namespace {

bool IsDevice(mode_t type) { return type == S_IFCHR || type == S_IFBLK; }

// A device node would be a way around every grant; a session never has the capability anyway. What
// the kernel asks before it asks for that: is the name free, and may it be made?
int RefuseDevice(int dirfd, const char* leaf) {
  struct stat info;
  if (fstatat(dirfd, leaf, &info, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = EEXIST;
  } else if (errno == ENOENT && std::string_view(leaf).back() != '/' &&
             faccessat(dirfd, ".", W_OK | X_OK, AT_EACCESS) == 0) {
    errno = EPERM;
  }
  return -1;
}

// Resolves the parent, decides on the name, and lets `make(dirfd, leaf)` do the one system call.
template <typename Make>
Reply MakeName(CallContext& context, const CallerPath& path, Operation operation, Make make) {
  if (path.path.empty()) return Reply::Error(ENOENT);
  SysResult<PinnedParent> parent = context.resolver().Parent(path);
  if (!parent.ok()) return Reply::Error(parent.error());
  if (int error = context.CheckName(operation, *parent); error != 0) {
    return Reply::Error(parent->Exists() ? EEXIST : error);
  }
  if (operation == Operation::kCreate) {  // a link has no mode
    if (SysStatus adopted = context.AdoptUmask(); !adopted.ok()) return Reply::CallerGone();
  }
  if (!context.StillWaiting()) return Reply::CallerGone();
  return make(parent->fd.get(), parent->KernelLeaf().c_str()) == 0 ? Reply::Value(0)
                                                                   : Reply::Error(errno);
}

}  // namespace

Reply HandleMkdir(CallContext& context, const SyscallRequest& request) {
  return MakeName(context, request.paths[0], Operation::kCreate,
                  [&](int dirfd, const char* leaf) { return mkdirat(dirfd, leaf, request.mode); });
}

Reply HandleMknod(CallContext& context, const SyscallRequest& request) {
  mode_t type = request.mode & S_IFMT;
  // may_mknod(), fs/namei.c: the type comes before the path.
  if (type == S_IFDIR) return Reply::Error(EPERM);
  if (type != 0 && type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && !IsDevice(type)) {
    return Reply::Error(EINVAL);
  }
  return MakeName(context, request.paths[0], Operation::kCreate, [&](int dirfd, const char* leaf) {
    return IsDevice(type) ? RefuseDevice(dirfd, leaf)
                          : mknodat(dirfd, leaf, request.mode, request.dev);
  });
}

Reply HandleSymlink(CallContext& context, const SyscallRequest& request) {
  return MakeName(
      context, request.paths[0], Operation::kCreateLink,
      [&](int dirfd, const char* leaf) { return symlinkat(request.target.c_str(), dirfd, leaf); });
}

}  // namespace sessionctl
