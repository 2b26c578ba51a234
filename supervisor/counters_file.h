// A session's counters while it runs: a file in its directory that the broker adds to in place, so
// that whoever wants to know reads it and asks nobody.
#ifndef SUPERVISOR_COUNTERS_FILE_H_
#define SUPERVISOR_COUNTERS_FILE_H_

#include <cstdint>
#include <optional>

#include "sandbox/base/sys_result.h"
#include "supervisor/mediator/call_counters.h"

namespace sessionctl {

inline constexpr char kSessionCountersFile[] = "counters";

// Makes the file and maps it; mapped as long as the process lives, and in what it forks. For the
// monitor, before it forks the broker. Errors: ENOSPC …: then nobody can look on.
SysResult<CallCounters*> MapCounters(int directory);

// What the calling process forks from now on does not have them: a session's init, which it may
// take over, is never executed. For the broker.
void KeepFromSession(CallCounters* counters);

struct CountedCalls {
  uint64_t calls = 0, denials = 0;
};
// nullopt: the session has none (yet).
std::optional<CountedCalls> ReadCounters(int directory);

}  // namespace sessionctl

#endif  // SUPERVISOR_COUNTERS_FILE_H_
