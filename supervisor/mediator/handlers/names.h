// What the kernel says about a name before it asks for any permission. A handler that refuses by a
// rule asks this first, so that the answer is that of a read-only file system.
#ifndef SUPERVISOR_MEDIATOR_HANDLERS_NAMES_H_
#define SUPERVISOR_MEDIATOR_HANDLERS_NAMES_H_

#include <cerrno>

#include "supervisor/mediator/call_context.h"
#include "supervisor/mediator/mount_quota.h"
#include "supervisor/mediator/path_resolver.h"
#include "supervisor/mediator/reply.h"

namespace sessionctl {

// For a name that is to be made (filename_create, fs/namei.c): EEXIST where something stands,
// ENOENT where only a directory could be made (`directory`: one is) or nothing at all, what is
// wrong with the name itself; 0: none of these.
int ErrorOfNewName(const PinnedParent& parent, bool directory);

// For a name that is to be moved or removed: what is wrong with looking it up (ENOENT …); 0 where
// something stands.
int ErrorOfOldName(const PinnedParent& parent);

// Makes one name in `parent` by `make`, which answers as a system call does, within the mount's
// limits. `counts_blocks`: the blocks of what was made count there.
template <typename Make>
Reply MakeWithinQuota(CallContext& context, const PinnedParent& parent, bool counts_blocks,
                      Make make) {
  MountQuota* const quota = parent.mount != nullptr ? parent.mount->quota.get() : nullptr;
  if (quota != nullptr) {
    if (int error = context.CheckQuota(quota->ReserveName()); error != 0) {
      const int earlier = ErrorOfOldName(parent);
      return Reply::Error(earlier == 0 ? EEXIST : error);
    }
  }
  const bool waiting = context.MayAct();
  const int error = waiting && make() != 0 ? errno : 0;
  if (quota != nullptr && (!waiting || error != 0)) quota->ReturnName();
  if (!waiting) return Reply::CallerGone();
  if (error != 0) return Reply::Error(error);
  if (quota != nullptr && counts_blocks) quota->AddBlocks(parent.fd.get(), parent.leaf.c_str());
  return Reply::Value(0);
}

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_HANDLERS_NAMES_H_
