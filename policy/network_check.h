// The decision on an address: pure functions from what was read to a verdict with the rule that
// decided. Any thread.
#ifndef POLICY_NETWORK_CHECK_H_
#define POLICY_NETWORK_CHECK_H_

#include <cstdint>

#include "policy/access_check.h"
#include "policy/network_plan.h"

namespace sessionctl {

// May a socket of this transport send to or connect to there? 0.0.0.0 and :: are taken for
// loopback. EACCES where not.
Verdict CheckDestination(const NetworkPlan& plan, const IpAddress& ip, uint16_t port,
                         Transport transport);

// May it be bound there? Port 0 is one that the kernel chooses. EACCES where not.
Verdict CheckLocalAddress(const NetworkPlan& plan, const IpAddress& ip, uint16_t port,
                          Transport transport);

// May a TCP socket listen there, now that it has the address? As above, but its port may be the one
// that the kernel chose for port 0.
Verdict CheckListening(const NetworkPlan& plan, const IpAddress& ip, uint16_t port);

// May addresses of another family than AF_UNIX, AF_INET and AF_INET6 be used? EAFNOSUPPORT where
// not.
Verdict CheckFamily(const NetworkPlan& plan, int family);

}  // namespace sessionctl

#endif  // POLICY_NETWORK_CHECK_H_
