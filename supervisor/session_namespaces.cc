#include "supervisor/session_namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
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

// What the process between sends: the child's id, or the negated errno.
SysResult<pid_t> ReceiveId(int pipe) {
  pid_t answer = -EPIPE;
  ssize_t size;
  while ((size = read(pipe, &answer, sizeof(answer))) < 0 && errno == EINTR) {
  }
  if (size != static_cast<ssize_t>(sizeof(answer))) return Errno(EPIPE);
  if (answer < 0) return Errno(-answer);
  return answer;
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
  *policy = SeenFromInside(*policy);
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

// With CLONE_PARENT: who makes it, in the namespace it may not enter itself, is nobody's parent.
SysResult<pid_t> SessionNamespaces::Fork(const std::function<SysStatus()>& drop) const {
  std::array<int, 2> pipe;
  if (pipe2(pipe.data(), O_CLOEXEC) != 0) return LastErrno();
  OwnedFd answer(pipe[0]);
  OwnedFd theirs(pipe[1]);
  const pid_t between = fork();
  if (between < 0) return LastErrno();
  if (between > 0) {
    theirs.Reset();
    SysResult<pid_t> child = ReceiveId(answer.get());
    while (waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
    }
    return child;
  }
  SysStatus ready = reaper_.EnterForChildren();
  if (ready.ok()) ready = drop();
  pid_t made = -ready.error();
  if (ready.ok()) {
    made = static_cast<pid_t>(
        syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, 0));
    if (made == 0) return 0;
    if (made < 0) made = -errno;
  }
  if (write(theirs.get(), &made, sizeof(made)) != sizeof(made)) _exit(1);
  _exit(0);
}

bool SessionNamespaces::End() {
  if (!has_private_view()) return false;
  reaper_.End();
  while (waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) {
  }
  return true;
}

}  // namespace sessionctl
