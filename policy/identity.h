// Whose rights a session has: user, groups and kept capabilities, as the policy names them and as
// the user database and the caller's own rights make them. Reads the user database; changes
// nothing.
#ifndef POLICY_IDENTITY_H_
#define POLICY_IDENTITY_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/policy.h"
#include "sandbox/capabilities.h"

namespace sessionctl {

struct SessionIdentity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary; of meaning only where `changes`
  bool changes = false;       // these are not the caller's: the broker takes them on
  std::string user;           // the name, or the number of who has none
  CapabilitySet kept = 0;     // what session and broker keep
  // A thread of the session may come to have another uid, gid or groups than its broker.
  bool credentials_may_change = false;
};

// Whom detached sessions of root run as where the policy names nobody: the user "sessionctl", if
// the machine has one. "" for everybody else, and where it has none.
std::string DefaultUserOfSpawned();

// What whoever starts a session should know of its user: "" when there is nothing to say.
std::string IdentityWarning(const ProcessPolicy& process);

// What is wrong with a name in `process.capabilities`; "" when it may be kept.
std::string CheckCapability(const std::string& name);
// Those that may be kept, in the order of their numbers.
std::vector<std::string> KeepableCapabilities();

// Errors: kInvalidArgument (no such user or group, a capability that is refused), kPermissionDenied
// (the caller may not become that user, or does not have that capability), kFailedPrecondition (the
// kernel lacks what a capability needs).
absl::StatusOr<SessionIdentity> ResolveIdentity(const ProcessPolicy& process, int landlock_abi);

}  // namespace sessionctl

#endif  // POLICY_IDENTITY_H_
