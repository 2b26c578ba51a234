// What running sessions use at this moment. Looks into /proc at every process of every session: not
// for the supervisor's own thread.
#ifndef FLEET_SESSION_USAGE_H_
#define FLEET_SESSION_USAGE_H_

#include <cstdint>
#include <vector>

#include "fleet/supervisor.h"

namespace sessionctl {

struct LiveUsage {
  KnownSession session;
  uint64_t cpu_microseconds =
      0;                   // of all its processes, also those that have ended, and its broker
  uint64_t memory = 0;     // bytes of all its processes, what they share counted each time
  uint64_t processes = 0;  // its init included
  uint64_t mediated_calls = 0;
  uint64_t denials = 0;
};

// One that ends meanwhile has zeros.
std::vector<LiveUsage> LookAtUsage(const SessionStore& store, std::vector<KnownSession> sessions);

}  // namespace sessionctl

#endif  // FLEET_SESSION_USAGE_H_
