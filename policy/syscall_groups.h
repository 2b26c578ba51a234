// What a session may not call, in named groups (trap 49), and which calls that take a path stay
// native and why. A policy's `process.allow_groups` and `deny_groups` name these groups. Constant
// after first use; any thread.
#ifndef POLICY_SYSCALL_GROUPS_H_
#define POLICY_SYSCALL_GROUPS_H_

#include <string>
#include <vector>

#include "sandbox/seccomp_filter.h"

namespace sessionctl {

// One denied call, or one denied use of a call that is otherwise allowed.
struct DeniedCall {
  const char* name;  // of the syscall; one that this architecture lacks is left out
  int error;         // what the session gets; 0: this use stays allowed whatever a later entry says
  std::vector<FilterCondition> conditions;  // empty: denied whatever the arguments
  const char* use = "";                     // the denied use in words, when there are conditions
};

// Groups that more than a policy's lists decides on.
inline constexpr char kIpcGroup[] = "ipc";
inline constexpr char kMemfdExecGroup[] = "memfd_exec";

// Denied, unless a policy allows it.
struct SyscallGroup {
  const char* name;
  const char* reason;  // why it is denied
  const char* wall;    // which wall falls if it is allowed; "": a policy may allow it
  const char* cost;    // what it costs to allow it, where that is possible
  std::vector<DeniedCall> calls;
};

const std::vector<SyscallGroup>& SyscallGroups();

// nullptr: no such group.
const SyscallGroup* FindSyscallGroup(const std::string& name);

// A call that takes a path and is carried out by the kernel alone.
struct NativeCall {
  const char* name;
  const char* reason;
};

// With the mediated calls and the denied ones, every call of the architecture that takes a path.
const std::vector<NativeCall>& NativePathCalls();

}  // namespace sessionctl

#endif  // POLICY_SYSCALL_GROUPS_H_
