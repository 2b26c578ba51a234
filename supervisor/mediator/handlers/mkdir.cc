// Calls that make a name that is no regular file: mkdir, mknod, symlink. The last component is
// never followed; the kernel gives its own answers for what exists (trap 34 and 35).
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/handlers/names.h"

namespace sessionctl {
namespace {

// Resolves the parent, decides on the name, and lets `make(dirfd, leaf)` do the one system call.
template <typename Make>
Reply MakeName(CallContext& context, const CallerPath& path, Operation operation, bool directory,
               Make make) {
  SysResult<PinnedParent> parent = context.resolver().Parent(path);
  if (!parent.ok()) return Reply::Error(parent.error());
  if (int error = context.CheckName(operation, *parent); error != 0) {
    const int earlier = ErrorOfNewName(*parent, directory);
    return Reply::Error(earlier != 0 ? earlier : error);
  }
  if (operation == Operation::kCreate) {  // a link has no mode
    if (SysStatus adopted = context.AdoptUmask(); !adopted.ok()) return Reply::CallerGone();
  }
  return MakeWithinQuota(context, *parent, true,
                         [&] { return make(parent->fd.get(), parent->KernelLeaf().c_str()); });
}

// Then the kernel says whether this caller still has it.
bool KeepsMknod(const CallContext& context) {
  return (context.session().policy().identity.kept & CapabilityBit(CAP_MKNOD)) != 0;
}

// A device node would be a way around every grant, and most sessions never have the capability. The
// kernel asks for that last of all.
Reply RefuseDevice(CallContext& context, const CallerPath& path) {
  SysResult<PinnedParent> parent = context.resolver().Parent(path);
  if (!parent.ok()) return Reply::Error(parent.error());
  int error = ErrorOfNewName(*parent, false);
  if (error == 0) error = context.CheckName(Operation::kCreate, *parent);
  if (error == 0 &&
      faccessat(AT_FDCWD, FdPath(parent->fd.get()).c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    error = errno;
  }
  return Reply::Error(error != 0 ? error : EPERM);
}

}  // namespace

Reply HandleMkdir(CallContext& context, const SyscallRequest& request) {
  return MakeName(context, request.paths[0], Operation::kCreate, true,
                  [&](int dirfd, const char* leaf) { return mkdirat(dirfd, leaf, request.mode); });
}

Reply HandleMknod(CallContext& context, const SyscallRequest& request) {
  mode_t type = request.mode & S_IFMT;
  const bool device = type == S_IFCHR || type == S_IFBLK;
  if (device && !KeepsMknod(context)) return RefuseDevice(context, request.paths[0]);
  if (type == S_IFDIR) return Reply::Error(EPERM);  // may_mknod(), before the path is looked at
  if (type != 0 && type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && !device) {
    return Reply::Error(EINVAL);
  }
  return MakeName(
      context, request.paths[0], Operation::kCreate, false,
      [&](int dirfd, const char* leaf) { return mknodat(dirfd, leaf, request.mode, request.dev); });
}

Reply HandleSymlink(CallContext& context, const SyscallRequest& request) {
  return MakeName(
      context, request.paths[0], Operation::kCreateLink, false,
      [&](int dirfd, const char* leaf) { return symlinkat(request.target.c_str(), dirfd, leaf); });
}

}  // namespace sessionctl
