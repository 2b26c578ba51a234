// What each handler calls, for the broker's own filter. A handler that makes a call which stands
// neither here nor in policy/broker_filter ends its broker; a test runs every row of the syscall
// table under the filter.
#ifndef SUPERVISOR_MEDIATOR_HANDLER_CALLS_H_
#define SUPERVISOR_MEDIATOR_HANDLER_CALLS_H_

#include <vector>

#include "policy/mediated_call.h"
#include "supervisor/mediator/syscall_table.h"

namespace sessionctl {

// The calls of `handler` beyond BrokerNeeds(). Dies for a handler that has no line: a mediated call
// without one would be found out by whoever makes it first.
const std::vector<BrokerCall>& CallsOfHandler(SyscallHandler handler);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_HANDLER_CALLS_H_
