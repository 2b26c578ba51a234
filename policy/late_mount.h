// A mount that is given to a session which runs already: the checks of the start, once more, and
// what only such a one needs.
#ifndef POLICY_LATE_MOUNT_H_
#define POLICY_LATE_MOUNT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/policy_compiler.h"

namespace sessionctl {

// Is there room for mounts in a session of that policy? Errors: kFailedPrecondition, with what the
// policy would have had to say.
absl::Status CheckReserve(const CompiledPolicy& compiled);

// `mount` (host, guest or "", mode) resolved against a session's policy, as it was compiled, and
// the mounts that it has been given since. Its `deny` keeps the records of sessions out. Errors:
// kInvalidArgument, kNotFound, kPermissionDenied, as for a mount of a policy; kFailedPrecondition.
absl::StatusOr<Mount> ResolveLateMount(const CompiledPolicy& compiled,
                                       const std::vector<Mount>& later, const Mount& mount,
                                       const PolicyVariables& variables);

}  // namespace sessionctl

#endif  // POLICY_LATE_MOUNT_H_
