// link, linkat. The object that gets the second name is pinned and linked through /proc/self/fd
// (trap 31), so what was decided on is what is linked, whatever its name means by then.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/handlers/names.h"

namespace sessionctl {
namespace {

SysResult<PinnedObject> Source(CallContext& context, const SyscallRequest& request) {
  const CallerPath& path = request.paths[0];
  if (!path.IsEmpty()) {
    return context.resolver().Object(path, (request.at_flags & AT_SYMLINK_FOLLOW) != 0);
  }
  if ((request.at_flags & AT_EMPTY_PATH) == 0) return Errno(ENOENT);
  return context.resolver().Base(path.dirfd);
}

int Decide(CallContext& context, const PinnedObject& source, const PinnedParent& to) {
  if (source.mount != to.mount) return EXDEV;
  Operation operation = S_ISLNK(source.info.st_mode) ? Operation::kCreateLink : Operation::kCreate;
  if (int error = context.CheckName(operation, to); error != 0) return error;
  return context.CheckLinkSource(source, to);
}

}  // namespace

Reply HandleLink(CallContext& context, const SyscallRequest& request) {
  SysResult<PinnedObject> source = Source(context, request);
  if (!source.ok()) return Reply::Error(source.error());
  SysResult<PinnedParent> to = context.resolver().Parent(request.paths[1]);
  if (!to.ok()) return Reply::Error(to.error());
  // That the name is taken comes before all else; the rest is the kernel's to say where the policy
  // has nothing against it.
  if (int error = ErrorOfNewName(*to, false); error != 0) return Reply::Error(error);
  if (int error = Decide(context, *source, *to); error != 0) return Reply::Error(error);
  Reply reply = MakeWithinQuota(context, *to, false, [&] {
    return linkat(AT_FDCWD, FdPath(source->fd.get()).c_str(), to->fd.get(),
                  to->KernelLeaf().c_str(), AT_SYMLINK_FOLLOW);
  });
  // Landlock sees the directory above a mount's root, where the broker has no rights, before the
  // kernel sees that it is a directory.
  bool refers = reply.error() == EXDEV && S_ISDIR(source->info.st_mode);
  return refers ? Reply::Error(EPERM) : std::move(reply);
}

}  // namespace sessionctl
