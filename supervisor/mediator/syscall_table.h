// The table: one row a mediated system call. Filter, decoder, audit names, the documentation table and the hostile-pointer test
// all derive from it.
#ifndef SUPERVISOR_MEDIATOR_SYSCALL_TABLE_H_
#define SUPERVISOR_MEDIATOR_SYSCALL_TABLE_H_

#include <vector>

#include "policy/mediated_call.h"

namespace sessionctl {

// The table's rows as the policy compiler takes them.
std::vector<MediatedCall> MediatedCalls();

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_SYSCALL_TABLE_H_
