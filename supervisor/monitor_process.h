// What a process does to become a session's monitor, and how it is asked to end. Single-threaded.
#ifndef SUPERVISOR_MONITOR_PROCESS_H_
#define SUPERVISOR_MONITOR_PROCESS_H_

#include <vector>

#include "absl/status/status.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {

// Leaves the caller's terminal session, and closes every descriptor above 2 but `keep`.
void LeaveCaller(std::vector<int> keep);

// What is logged goes to the monitor's account, and not to that of whoever spawned the session:
// raises the soft limit of file sizes. After the broker was forked: the session keeps the limit
// that it was given.
void RaiseFileSizeLimit();

// SIGTERM as something to poll for. Other signals that end a process by default are taken and
// ignored, without SIG_IGN, which the command would inherit. One of it a process.
class StopSignal {
 public:
  // Errors: those of pipe2(2).
  absl::Status Catch();
  // Readable once it has come.
  int fd() const { return read_.get(); }

 private:
  OwnedFd read_, write_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MONITOR_PROCESS_H_
