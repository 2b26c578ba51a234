// Which process is meant, beyond its reusable id.
#ifndef SUPERVISOR_PROCESS_IDENTITY_H_
#define SUPERVISOR_PROCESS_IDENTITY_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {

// A process that is still the same one when both agree: ids are reused, start times are not.
struct ProcessIdentity {
  pid_t pid = 0;             // 0: none
  uint64_t start_ticks = 0;  // /proc/PID/stat field 22: clock ticks since boot
};

// The identity of a living process. Errors: kNotFound.
absl::StatusOr<ProcessIdentity> IdentifyProcess(pid_t pid);

// A pidfd of exactly that process: readable when it has ended. Errors: kNotFound (it has gone).
absl::StatusOr<OwnedFd> PinProcess(const ProcessIdentity& process);

// Sends `signal` to exactly that process, through a pidfd whose start time was compared. Errors:
// kNotFound (it has gone), kPermissionDenied.
absl::Status SignalProcess(const ProcessIdentity& process, int signal);

}  // namespace sessionctl

#endif  // SUPERVISOR_PROCESS_IDENTITY_H_
