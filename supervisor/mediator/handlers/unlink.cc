// unlink, rmdir, unlinkat.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/handlers/names.h"

namespace sessionctl {

Reply HandleUnlink(CallContext& context, const SyscallRequest& request) {
  SysResult<PinnedParent> parent = context.resolver().Parent(request.paths[0]);
  if (!parent.ok()) return Reply::Error(parent.error());
  if (int error = context.CheckName(Operation::kRemove, *parent); error != 0) {
    // What is not there is not refused either.
    int missing = ErrorOfOldName(*parent);
    return Reply::Error(missing != 0 ? missing : error);
  }
  if (!context.StillWaiting()) return Reply::CallerGone();
  int result = unlinkat(parent->fd.get(), parent->KernelLeaf().c_str(), request.at_flags);
  return result == 0 ? Reply::Value(0) : Reply::Error(errno);
}

}  // namespace sessionctl
