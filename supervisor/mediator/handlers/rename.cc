// rename, renameat, renameat2. Both parents are pinned; both ends are decided on by name, so that
// nothing denied or read-only changes its name or is replaced, nor an ancestor of it (trap 39).
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/handlers/names.h"

namespace sessionctl {
namespace {

constexpr unsigned kWhiteout = 1 << 2;  // makes a character device: not for sessions

bool IsDots(const std::string& leaf) { return leaf == "." || leaf == ".."; }

// As do_renameat2() has it, before any right is asked for.
bool ValidFlags(unsigned flags) {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | kWhiteout)) != 0) return false;
  return (flags & RENAME_EXCHANGE) == 0 || (flags & (RENAME_NOREPLACE | kWhiteout)) == 0;
}

int Decide(CallContext& context, const PinnedParent& from, const PinnedParent& to, bool exchange) {
  int error = context.CheckName(Operation::kRenameFrom, from, &to);
  if (error == 0) error = context.CheckName(Operation::kRenameTo, to, &from);
  if (error != 0 || !exchange) return error;
  error = context.CheckName(Operation::kRenameFrom, to, &from);
  if (error == 0) error = context.CheckName(Operation::kRenameTo, from, &to);
  return error;
}

// What the kernel says about the two names before it asks for any right; 0: nothing.
int ErrorOfNames(const PinnedParent& from, const PinnedParent& to, unsigned flags) {
  if (const int missing = ErrorOfOldName(from); missing != 0) return missing;
  const int other = ErrorOfOldName(to);
  if (other == 0) return (flags & RENAME_NOREPLACE) != 0 ? EEXIST : 0;
  return other == ENOENT && (flags & RENAME_EXCHANGE) == 0 ? 0 : other;
}

}  // namespace

Reply HandleRename(CallContext& context, const SyscallRequest& request) {
  if (!ValidFlags(request.rename_flags)) return Reply::Error(EINVAL);
  SysResult<PathResolver::Parents> parents =
      context.resolver().BothParents(request.paths[0], request.paths[1]);
  if (!parents.ok()) return Reply::Error(parents.error());
  const PinnedParent* const from = &parents->first;
  const PinnedParent* const to = &parents->second;
  if (from->mount != to->mount) return Reply::Error(EXDEV);
  if (from->is_mount_root || IsDots(from->leaf)) return Reply::Error(EBUSY);
  if (IsDots(to->leaf) && !to->is_mount_root) {
    return Reply::Error((request.rename_flags & RENAME_NOREPLACE) != 0 ? EEXIST : EBUSY);
  }
  if (to->is_mount_root) return Reply::Error(EBUSY);
  bool exchange = (request.rename_flags & RENAME_EXCHANGE) != 0;
  int error = Decide(context, *from, *to, exchange);
  if (error == 0 && (request.rename_flags & kWhiteout) != 0) error = EPERM;
  if (error != 0) {
    const int wrong = ErrorOfNames(*from, *to, request.rename_flags);
    return Reply::Error(wrong != 0 ? wrong : error);
  }
  MountQuota* const quota = to->mount != nullptr && !exchange ? to->mount->quota.get() : nullptr;
  MountQuota::Doomed doomed;
  if (quota != nullptr) doomed = quota->BeforeRemoval(to->fd.get(), to->leaf.c_str());
  if (!context.MayAct()) return Reply::CallerGone();
  long result = syscall(SYS_renameat2, from->fd.get(), from->KernelLeaf().c_str(), to->fd.get(),
                        to->KernelLeaf().c_str(), request.rename_flags);
  if (result != 0) return Reply::Error(errno);
  if (quota != nullptr) quota->AfterReplace(std::move(doomed));
  return Reply::Value(0);
}

}  // namespace sessionctl
