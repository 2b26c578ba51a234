// The broker's own filter: a list of what it may call, everything else ends it (supervisor/
// broker_fence). What every broker needs stands here, with the reason; what the handler of a
// mediated call needs comes with that call, and only into the brokers of sessions whose filter
// mediates it. Pure functions.
#ifndef POLICY_BROKER_FILTER_H_
#define POLICY_BROKER_FILTER_H_

#include <vector>

#include "policy/mediated_call.h"
#include "policy/policy_compiler.h"
#include "sandbox/seccomp_filter.h"

namespace sessionctl {

// One purpose, and the calls that it takes.
struct BrokerNeed {
  const char* reason;
  std::vector<BrokerCall> calls;
  CapabilitySet only_with = 0;  // needed where the policy keeps one of these; 0: always
  bool only_reserve = false;    // needed under filesystem.reserve
  bool only_moved = false;      // needed where the view shows a directory at another path
};

// What a broker needs, whatever its policy mediates.
const std::vector<BrokerNeed>& BrokerNeeds();

// Calls that the broker never makes but that must answer ENOSYS instead of ending it: libc tries
// them first and then does without.
const std::vector<const char*>& BrokerFallbacks();

// Those and the calls of the handlers whose call the session's filter hands to the broker; SIGSYS
// for everything else. `compiled` is complete but for this.
FilterPlan PlanBrokerFilter(const CompiledPolicy& compiled,
                            const std::vector<MediatedCall>& mediated_calls);

}  // namespace sessionctl

#endif  // POLICY_BROKER_FILTER_H_
