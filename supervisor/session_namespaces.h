// The namespaces of a session, which its broker shares but for the process ids: IPC, and in a
// private view mounts and a root of its own. What the broker needs of the host's /proc is held from
// before. For the broker's main thread.
#ifndef SUPERVISOR_SESSION_NAMESPACES_H_
#define SUPERVISOR_SESSION_NAMESPACES_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "policy/policy_compiler.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/private_view.h"

namespace sessionctl {

class SessionNamespaces {
 public:
  // Enters what the policy has planned. In a private view `policy` becomes what it is from inside.
  // `memory`: the calling process's.
  // Clears PR_SET_PDEATHSIG. Errors: kFailedPrecondition and kNotFound, with what is in the way.
  absl::Status Enter(const OwnMemory& memory, CompiledPolicy* policy);

  // The upper directories of overlays that have limits, by the mount's path in the view.
  std::map<std::string, OwnedFd> TakeUppers() { return std::move(uppers_); }

  // Its mount namespace, where the policy reserves room for mounts; else invalid.
  OwnedFd TakeView() { return std::move(view_); }

  bool has_private_view() const { return reaper_.pid() > 0; }
  pid_t reaper() const { return reaper_.pid(); }
  // The session's process id namespace; -1: the broker's own.
  int process_ids() const { return reaper_.id_namespace(); }

  // A child of the calling process in the session's process id namespace, which runs `child`. The
  // process between the two gives up what `drop` says before it makes it; it has the caller's
  // memory while the caller waits, as vfork(2). The caller is single-threaded. Errors: those of
  // clone(2), setns(2), and of `drop`.
  SysResult<pid_t> Fork(const std::function<SysStatus()>& drop,
                        const std::function<void()>& child) const;

  // Ends everybody in the private view, and reaps the caller's children. False: there is none.
  bool End();

 private:
  absl::Status HoldUppers(const CompiledPolicy& policy);

  std::map<std::string, OwnedFd> uppers_;
  OwnedFd view_;
  ViewReaper reaper_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_NAMESPACES_H_
