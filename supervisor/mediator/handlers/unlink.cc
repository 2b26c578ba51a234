// unlink, rmdir, unlinkat.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

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
  MountQuota* const quota = parent->mount != nullptr ? parent->mount->quota.get() : nullptr;
  MountQuota::Doomed doomed;
  if (quota != nullptr) doomed = quota->BeforeRemoval(parent->fd.get(), parent->leaf.c_str());
  if (!context.MayAct()) return Reply::CallerGone();
  if (unlinkat(parent->fd.get(), parent->KernelLeaf().c_str(), request.at_flags) != 0) {
    return Reply::Error(errno);
  }
  if (quota != nullptr) quota->AfterUnlink(std::move(doomed));
  return Reply::Value(0);
}

}  // namespace sessionctl
