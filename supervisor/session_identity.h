// The broker's side of policy/identity.h: it becomes whom the session runs as, and its command
// inherits that with what else a process has of its parent, set on purpose (docs/policy.md).
#ifndef SUPERVISOR_SESSION_IDENTITY_H_
#define SUPERVISOR_SESSION_IDENTITY_H_

#include "absl/status/status.h"
#include "policy/policy_compiler.h"
#include "sandbox/launch.h"
#include "sandbox/privileges.h"
#include "supervisor/mediator/session_view.h"

namespace sessionctl {

// The oom_score_adj (proc(5)) of a session whose caller has `callers`; `least` is the policy's, 0
// or more. A session is no less likely to be ended when memory runs out than any other program,
// whatever its caller is (sshd, a service with OOMScoreAdjust).
int SessionOomScore(int callers, int least);

// Takes the policy's oom_score_adj. Errors: kInternal.
absl::Status TakeOomScore(const CompiledPolicy& policy);

// What a process of the session gives up.
Privileges PlanPrivileges(const SessionIdentity& identity);

// Takes user, groups and capabilities, for good, and tells `view` what is left. For
// a process with one thread; clears PR_SET_PDEATHSIG. Errors:
// kInternal; kPermissionDenied when another user cannot enter a mount.
absl::Status TakeIdentity(const CompiledPolicy& policy, SessionView* view);

// What the command does about it between fork and exec.
void PlanAttributes(const CompiledPolicy& policy, LaunchPlan* plan);

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_IDENTITY_H_
