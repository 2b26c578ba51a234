// What the policy compiler has to know of a mediated system call in order to write its filter
// rules. The rows themselves live in supervisor/mediator/syscall_table; rooms to the left take them
// as values.
#ifndef POLICY_MEDIATED_CALL_H_
#define POLICY_MEDIATED_CALL_H_

#include <vector>

#include "sandbox/seccomp_filter.h"

namespace sessionctl {

// A system call that the broker itself makes, in the form in which it makes it: all conditions
// hold.
struct BrokerCall {
  const char* name;  // one that this architecture lacks is left out
  std::vector<FilterCondition> conditions = {};
  bool only_best_effort = false;  // for a kernel that lacks something a policy may do without
};

struct MediatedCall {
  enum class When {
    kAlways,        // creates, changes or removes a name or metadata, or keeps its flags in memory
                    // (openat2)
    kUnlessRead,    // open, openat: a pure O_RDONLY or O_PATH open is native when reads are native
    kUnlessNative,  // the forms listed in `native` are the kernel's
  };
  int nr;
  const char* name;
  When when;
  int flags_arg;  // register of the open flags when `when` is kUnlessRead, else -1
  // Of kUnlessNative: forms that the kernel carries out alone. All conditions of one hold.
  std::vector<std::vector<FilterCondition>> native = {};
  // Of kUnlessNative: what is mediated and what is not, in words.
  const char* use = "";
  // A syscall group that makes all of it native when a policy allows it; "": none.
  const char* unless_group = "";
  // What its handler calls beyond what every broker does (policy/broker_filter.h).
  std::vector<BrokerCall> broker_calls = {};
};

}  // namespace sessionctl

#endif  // POLICY_MEDIATED_CALL_H_
