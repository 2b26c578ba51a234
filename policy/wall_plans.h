// The walls of a resolved policy as plans: two Landlock rulesets and one seccomp filter. Pure
// functions of their arguments. Used by the policy compiler, which fills in everything else of
// CompiledPolicy first.
#ifndef POLICY_WALL_PLANS_H_
#define POLICY_WALL_PLANS_H_

#include <vector>

#include "policy/policy_compiler.h"
#include "policy/syscall_groups.h"

namespace sessionctl {

// Why there is a rule for kReservedPath, which is a path of the session's view.
inline constexpr char kReservedReason[] = "filesystem.reserve: mounts that come later";

// The outer domain, the broker's: every grant of the policy with the rights to carry it out.
LandlockPlan PlanBrokerDomain(const CompiledPolicy& compiled, int landlock_abi);

// The inner domain, the session's own: what stays native, and no right to write anywhere.
LandlockPlan PlanSessionDomain(const CompiledPolicy& compiled, int landlock_abi);

// Is a group in force? Every one is denied unless allowed, and denies win. `ipc` is lifted as well
// by a namespace of the session's own.
bool IsDenied(const CompiledPolicy& compiled, const SyscallGroup& group);

// The groups in force, and what the network's plan refuses.
std::vector<SyscallGroup> DeniedGroups(const CompiledPolicy& compiled);

// Does any form of the call go to the broker under this policy?
bool IsMediated(const CompiledPolicy& compiled, const MediatedCall& call);

// The rules of every syscall with a name: mediated, denied or allowed, in this order of precedence.
FilterPlan PlanFilter(const CompiledPolicy& compiled,
                      const std::vector<MediatedCall>& mediated_calls);

}  // namespace sessionctl

#endif  // POLICY_WALL_PLANS_H_
