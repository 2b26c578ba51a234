// The broker itself, from the fork on: prepares its walls and the session's, starts the command,
// serves until that ends, and ends what is left. Called by broker.cc alone, in the child.
#ifndef SUPERVISOR_BROKER_PROCESS_H_
#define SUPERVISOR_BROKER_PROCESS_H_

#include <signal.h>
#include <sys/types.h>

#include "policy/policy_compiler.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/cgroup.h"
#include "supervisor/broker.h"

namespace sessionctl {

// What the broker has from its parent, beside the options.
struct BrokerInheritance {
  CompiledPolicy policy;
  const SessionCgroup* cgroup;  // null: none
  OwnedFd events;               // its end of the socket
  pid_t parent;
  sigset_t mask;  // what the command starts with
};

// Never returns to the caller's code. `options` must stay.
[[noreturn]] void RunBroker(const BrokerOptions& options, BrokerInheritance inherited);

}  // namespace sessionctl

#endif  // SUPERVISOR_BROKER_PROCESS_H_
