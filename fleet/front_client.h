// What the system-wide front does for one client, in a process of its own and as that client's
// user.
#ifndef FLEET_FRONT_CLIENT_H_
#define FLEET_FRONT_CLIENT_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {

// Gives up root for good: the user's groups, its environment and nothing of ours. After this the
// process can do what the user can. Errors: kInternal.
absl::Status BecomeUser(const ucred& user, const std::string& state_base);

// Hands `client` over to the supervisor of whose process this is, and starts one when none runs;
// what goes wrong is answered to the client. Returns the exit code.
int HandOverToOwnSupervisor(OwnedFd client);

// An answer of ours, as far as the client takes it at once.
void AnswerProblem(int client, int status, const std::string& code, const std::string& detail);

}  // namespace sessionctl

#endif  // FLEET_FRONT_CLIENT_H_
