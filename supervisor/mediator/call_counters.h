// What a session's mediated calls are counted in. It may lie in memory that the broker shares with
// its parent: the broker only adds.
#ifndef SUPERVISOR_MEDIATOR_CALL_COUNTERS_H_
#define SUPERVISOR_MEDIATOR_CALL_COUNTERS_H_

#include <atomic>
#include <cstdint>

namespace sessionctl {

struct CallCounters {
  std::atomic<uint64_t> calls = 0;
  std::atomic<uint64_t> denials = 0;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "shared between processes");

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_CALL_COUNTERS_H_
