// The broker's fence around itself, put up before it reads its first notification: bounded memory,
// descriptors and stacks, no core, not dumpable, and a seccomp filter that allows what a broker
// does and ends it on anything else. For a broker that a hostile session has taken over.
#ifndef SUPERVISOR_BROKER_FENCE_H_
#define SUPERVISOR_BROKER_FENCE_H_

#include <linux/filter.h>

#include <vector>

#include "sandbox/base/sys_result.h"

namespace sessionctl {

// Limits the calling process, which must have one thread only: what is started later inherits the
// filter. A call that `filter` (policy/broker_filter) does not allow is not made; the process tells
// its parent through `events` (kRefusedCall) and ends. There is no way back. Errors: those of
// setrlimit, pthread_create, prctl and seccomp.
SysStatus EnterBrokerFence(const std::vector<sock_filter>& filter, int events);

}  // namespace sessionctl

#endif  // SUPERVISOR_BROKER_FENCE_H_
