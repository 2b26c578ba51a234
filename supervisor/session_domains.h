// Landlock plans and the mounts that are held → rulesets.
#ifndef SUPERVISOR_SESSION_DOMAINS_H_
#define SUPERVISOR_SESSION_DOMAINS_H_

#include "absl/status/statusor.h"
#include "policy/policy_compiler.h"
#include "sandbox/landlock.h"
#include "supervisor/mediator/session_view.h"

namespace sessionctl {

struct SessionRulesets {
  LandlockRuleset session;
  LandlockRuleset broker;
};

// For a process that is in no domain yet: opens what is granted. A system path that went away since
// the plan was made is left out. Errors: kPermissionDenied for another that cannot be opened; those
// of LandlockRuleset.
absl::StatusOr<SessionRulesets> MakeRulesets(const LandlockPlan& session_plan,
                                             const LandlockPlan& broker_plan,
                                             const SessionView& view);

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_DOMAINS_H_
