// What of the machine a session sees: the host's root, restricted by Landlock alone, or a root of
// its own that has nothing but what the policy grants, mounts where the policy wants them.
#ifndef POLICY_VIEW_PLAN_H_
#define POLICY_VIEW_PLAN_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "policy/policy_compiler.h"
#include "sandbox/private_view.h"

namespace sessionctl {

// Decides the view of a policy whose mounts are resolved but for their guest paths, and sets those.
// Errors: kInvalidArgument (a guest path that cannot be, or that needs another view),
// kFailedPrecondition (this machine does not let the caller have a view of its own: what is in the
// way).
absl::Status DecideView(const KernelFeatures& features, CompiledPolicy* compiled);

// Does a policy whose mounts are resolved neither name a view nor ask for what only a private one
// gives? DecideView() takes the host's for it.
bool LeavesViewOpen(const SessionPolicy& policy);

// With the system grants: what of them has no place in a private view, which links lead to them,
// and whether /tmp is the session's own. Errors: kInvalidArgument.
absl::Status CompleteView(CompiledPolicy* compiled);

// The directory in the host's view of what a path in the session's view names; "" when it names
// nothing that a mount or a system grant holds.
std::string HostPathOf(const CompiledPolicy& compiled, const std::string& path);

// Two mounts of a private view may be there together. Errors: kInvalidArgument.
absl::Status CheckGuestPair(const Mount& one, const Mount& other);

// One mount as a part of a private view; an overlay's directories are left to the caller.
ViewEntry PlanMountEntry(const Mount& mount);

// What the private view is made of. Of a compiled policy whose view is private.
std::vector<ViewEntry> PlanViewEntries(const CompiledPolicy& compiled);

// Makes it the same policy as it reads inside its private view: what was named by the host's path
// is named by the guest's.
void SeeFromInside(CompiledPolicy* compiled);

}  // namespace sessionctl

#endif  // POLICY_VIEW_PLAN_H_
