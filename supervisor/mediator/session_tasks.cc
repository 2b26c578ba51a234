#include "supervisor/mediator/session_tasks.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/base/syscalls.h"
#include "sandbox/credentials.h"
#include "sandbox/landlock_uapi.h"
#include "sandbox/walls.h"

namespace sessionctl {
namespace {

bool IsThreadOf(pid_t process, pid_t task) {
  return syscall(SYS_tgkill, process, task, 0) == 0;  // ESRCH: not one of its threads
}

// The numbers among the names in a directory below `proc`.
std::vector<pid_t> NumbersIn(int proc, const std::string& name) {
  std::vector<pid_t> numbers;
  SysResult<OwnedFd> fd = OpenAt(proc, name.c_str(), O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return numbers;
  std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd->get()), closedir);
  if (directory == nullptr) return numbers;
  fd->Release();  // the listing's now
  while (const dirent* entry = readdir(directory.get())) {
    if (const int number = atoi(entry->d_name); number > 0) numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

int SessionTasks::Check(pid_t task) const {
  OwnCapabilities look;
  if (kill(task, 0) != 0) return errno;
  if (IsThreadOf(getpid(), task)) return EPERM;
  const bool scoped = (session_.policy().broker_domain.scoped & landlock::kScopeSignal) != 0;
  if (scoped && kWalls.broker_landlock) return 0;
  SysResult<RemoteTask::Status> status = caller_.ReadStatus();
  return status.ok() && IsThreadOf(status->thread_group, task) ? 0 : EPERM;
}

void SessionTasks::ForEach(const std::function<bool(pid_t process)>& wanted,
                           const std::function<void(pid_t thread)>& visit) const {
  for (const pid_t process : NumbersIn(session_.proc(), ".")) {
    if (!wanted(process) || Check(process) != 0) continue;
    for (const pid_t thread : NumbersIn(session_.proc(), std::to_string(process) + "/task")) {
      visit(thread);
    }
  }
}

}  // namespace sessionctl
