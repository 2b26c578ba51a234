// Other processes as /proc shows them: which there are below one, and what they use. What is read
// may be old by the time it is returned. Any thread; allocates.
#ifndef SANDBOX_PROCESS_TREE_H_
#define SANDBOX_PROCESS_TREE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/sys_result.h"

namespace sessionctl {

// Every process below `root`, those before which they were forked from; zombies included. `proc`
// is an open /proc. One that forks or loses its parent meanwhile can be missed, for once. Costs as
// much as the tree is large (a kernel without task/TID/children: as many processes as there are).
std::vector<pid_t> ProcessesBelow(int proc, pid_t root);

struct ProcessUsage {
  uint64_t threads = 0;
  uint64_t cpu_microseconds = 0;  // its own, and that of the children it has waited for
  uint64_t memory = 0;            // bytes in memory and in swap, what is shared included
};

// Errors: ESRCH.
SysResult<ProcessUsage> UsageOf(int proc, pid_t pid);

// Bytes in memory and in swap, what is shared by N counted for an Nth. Looks at every page: slow.
// Errors: ESRCH, EACCES.
SysResult<uint64_t> ProportionalMemoryOf(int proc, pid_t pid);

// The threads of a process that live. Its first thread may have ended before the others: then
// /proc/PID shows no memory and no descriptors any more, and /proc/TID does.
std::vector<pid_t> ThreadsOf(int proc, pid_t pid);

}  // namespace sessionctl

#endif  // SANDBOX_PROCESS_TREE_H_
