#include "supervisor/session_namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "policy/view_plan.h"
#include "sandbox/base/own_descriptors.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/namespaces.h"

namespace sessionctl {
namespace {

// Of the process between, and of the child for as long as it executes nothing.
constexpr size_t kBetweenStack = size_t{256} << 10;

struct Between {
  const ViewReaper& reaper;
  const std::function<SysStatus()>& drop;
  const std::function<void()>& child;
  SysResult<pid_t> made = Errno(EPIPE);  // it was killed
};

// In the caller's memory. With CLONE_PARENT: who makes the child, in a namespace that it may not
// enter itself, is nobody's parent.
int RunBetween(void* argument) {
  Between& between = *static_cast<Between*>(argument);
  SysStatus ready = between.reaper.EnterForChildren();
  if (ready.ok()) ready = between.drop();
  if (!ready.ok()) {
    between.made = Errno(ready.error());
    _exit(0);
  }
  const auto pid =
      static_cast<pid_t>(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (pid == 0) {
    between.child();
    _exit(1);
  }
  between.made = pid > 0 ? SysResult<pid_t>(pid) : LastErrno();
  _exit(0);
}

absl::Status NotEntered(const CompiledPolicy& policy, int error) {
  const std::string forbidden = policy.view.as_user || policy.ipc == IpcPlan::kUserNamespace
                                    ? WhatForbidsUserNamespaces()
                                    : "";
  const char* what = policy.view.is_private
                         ? "a view of the session's own"
                         : "an IPC namespace of the session's own (process.ipc = \"none\" does "
                           "without)";
  return absl::FailedPreconditionError(
      absl::StrCat(what, ": ", strerror(error), forbidden.empty() ? "" : ", for ", forbidden));
}

}  // namespace

absl::Status SessionNamespaces::Enter(const OwnMemory& memory, CompiledPolicy* policy) {
  int flags = policy->view.is_private ? CLONE_NEWNS : 0;
  if (policy->ipc == IpcPlan::kNamespace || policy->ipc == IpcPlan::kUserNamespace) {
    flags |= CLONE_NEWIPC;
  }
  if (flags == 0) return absl::OkStatus();
  const bool as_user = policy->view.as_user || policy->ipc == IpcPlan::kUserNamespace;
  const SysStatus entered = as_user ? EnterNamespacesAsUser(flags) : EnterNamespaces(flags);
  if (!entered.ok()) return NotEntered(*policy, entered.error());
  if (!policy->view.is_private) return absl::OkStatus();
  if (policy->policy.filesystem.reserve) {
    view_.Reset(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    if (!view_.valid()) return absl::InternalError(absl::StrCat("ns/mnt: ", strerror(errno)));
  }
  if (absl::Status held = HoldUppers(*policy); !held.ok()) return held;
  if (absl::Status viewed = EnterPrivateView(PlanViewEntries(*policy), memory, &reaper_);
      !viewed.ok()) {
    return viewed;
  }
  // There "/proc/self" is nobody: the process ids are the session's.
  if (!StandInOwnDescriptors()) return absl::InternalError("/proc/self/fd is not held");
  SeeFromInside(policy);
  return absl::OkStatus();
}

// While the host's paths are there.
absl::Status SessionNamespaces::HoldUppers(const CompiledPolicy& policy) {
  for (const CompiledMount& each : policy.mounts) {
    const Mount& mount = each.mount;
    if (mount.overlay_size == kUnlimited && mount.overlay_inodes == kUnlimited) continue;
    absl::StatusOr<OwnedFd> upper = CloneUpper(each.overlay);
    if (!upper.ok()) return upper.status();
    uppers_[mount.guest] = *std::move(upper);
  }
  return absl::OkStatus();
}

SysResult<pid_t> SessionNamespaces::Fork(const std::function<SysStatus()>& drop,
                                         const std::function<void()>& child) const {
  void* const stack = mmap(nullptr, kBetweenStack, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return LastErrno();
  Between between = {.reaper = reaper_, .drop = drop, .child = child};
  const pid_t pid = clone(RunBetween, static_cast<char*>(stack) + kBetweenStack,
                          CLONE_VM | CLONE_VFORK | SIGCHLD, &between);
  const int error = errno;
  munmap(stack, kBetweenStack);
  if (pid < 0) return Errno(error);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return between.made;
}

bool SessionNamespaces::End() {
  if (!has_private_view()) return false;
  reaper_.End();
  while (waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) {
  }
  return true;
}

}  // namespace sessionctl
