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
  // Which forms of the call are mediated, as far as its registers tell them apart.
  enum class When {
    kAlways,        // all of them
    kUnlessRead,    // open, openat: a pure O_RDONLY or O_PATH open is native when reads are native
    kUnlessNative,  // the forms listed in `native` are the kernel's
  };
  // Under which policies any form is.
  enum class Under {
    kEveryPolicy,
    kNoMemfdExec,      // the group memfd_exec is not allowed
    kMediatedSends,    // the network's plan says so of sends
    kMediatedListens,  // … of listen
    kShortenedNames,   // sockets are bound by their last name in some mount
    kHiddenNames,      // some mount hides names
  };
  int nr;
  const char* name;
  When when;
  int flags_arg;  // register of the open flags when `when` is kUnlessRead, else -1
  // Of kUnlessNative: forms that the kernel carries out alone. All conditions of one hold.
  std::vector<std::vector<FilterCondition>> native = {};
  // What is mediated and why, in words; "": what creates, changes or removes a name or metadata.
  const char* use = "";
  Under under = Under::kEveryPolicy;
  // What its handler calls beyond what every broker does (policy/broker_filter.h).
  std::vector<BrokerCall> broker_calls = {};
};

}  // namespace sessionctl

#endif  // POLICY_MEDIATED_CALL_H_
