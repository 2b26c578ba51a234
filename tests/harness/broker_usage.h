// What a broker holds: the measure of a leak. Read from /proc before and after a load.
#ifndef TESTS_HARNESS_BROKER_USAGE_H_
#define TESTS_HARNESS_BROKER_USAGE_H_

#include <sys/types.h>

#include <ostream>

namespace harness {

struct BrokerUsage {
  int descriptors = 0;
  int threads = 0;
  long memory_kb = 0;  // private to it (smaps_rollup)
};
std::ostream& operator<<(std::ostream& out, const BrokerUsage& usage);

// The broker of the session whose command is `command`; -1 when that is no session's command.
pid_t BrokerOf(pid_t command);

// The number that the host has for a process of the session which the child `started` runs, and
// which has `number` in there; 0 when there is none. In the host's view the two are one.
pid_t HostNumberOf(pid_t number, pid_t started);

// What it holds at this moment.
BrokerUsage UsageNow(pid_t broker);

// When it has come to rest: what it holds twice in a row, half a second apart, after calls have
// ended. The last reading after a generous while.
BrokerUsage UsageAtRest(pid_t broker);

}  // namespace harness

#endif  // TESTS_HARNESS_BROKER_USAGE_H_
