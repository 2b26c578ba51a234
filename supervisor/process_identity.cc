#include "supervisor/process_identity.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "sandbox/base/syscalls.h"
#include "sandbox/safe_file.h"

namespace sessionctl {

absl::StatusOr<ProcessIdentity> IdentifyProcess(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  SysResult<std::string> stat = ReadSmallFile(AT_FDCWD, path.c_str(), 4096);
  if (!stat.ok()) return absl::ErrnoToStatus(stat.error(), path);
  // The second field is the command's name in parentheses and may itself contain both; start time
  // is the 22nd.
  const size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos) return absl::NotFoundError(path + ": no such process");
  size_t at = name_end + 1;
  for (int field = 3; field < 22 && at != std::string::npos; ++field) at = stat->find(' ', at + 1);
  if (at == std::string::npos) return absl::InternalError(path + ": too few fields");
  return ProcessIdentity{.pid = pid, .start_ticks = strtoull(stat->c_str() + at + 1, nullptr, 10)};
}

absl::StatusOr<OwnedFd> PinProcess(const ProcessIdentity& process) {
  const std::string what = "process " + std::to_string(process.pid);
  if (process.pid <= 0) return absl::NotFoundError("no process");
  SysResult<OwnedFd> pidfd = PidfdOpen(process.pid, 0);
  if (!pidfd.ok() && pidfd.error() != ESRCH) return absl::ErrnoToStatus(pidfd.error(), what);
  if (!pidfd.ok()) return absl::NotFoundError(what + " has gone");
  // The descriptor pins what it refers to; if the id now shows our start time, it is our process.
  absl::StatusOr<ProcessIdentity> current = IdentifyProcess(process.pid);
  if (!current.ok() || current->start_ticks != process.start_ticks) {
    return absl::NotFoundError(what + " has gone");
  }
  return std::move(*pidfd);
}

absl::Status SignalProcess(const ProcessIdentity& process, int signal) {
  absl::StatusOr<OwnedFd> pidfd = PinProcess(process);
  if (!pidfd.ok()) return pidfd.status();
  const std::string what = "process " + std::to_string(process.pid);
  if (syscall(SYS_pidfd_send_signal, pidfd->get(), signal, nullptr, 0) != 0) {
    return errno == ESRCH ? absl::NotFoundError(what + " has gone")
                          : absl::ErrnoToStatus(errno, what);
  }
  return absl::OkStatus();
}

}  // namespace sessionctl
