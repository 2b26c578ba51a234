// ParentOf and KillDescendants (broker.h): looks at a process tree, and ends it from its subreaper.
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "sandbox/base/syscalls.h"
#include "sandbox/process_tree.h"
#include "supervisor/broker.h"

namespace sessionctl {
namespace {

// A process forks faster than it can be found only until it is stopped; this many passes are never
// needed.
constexpr int kMaxPasses = 10000;
constexpr size_t kMaxStat = 4096;

// False when it is gone or a zombie, which needs no signal. One whose first thread has ended before
// the others looks like a zombie, and runs on.
bool IsLive(int proc, pid_t pid) {
  SysResult<std::string> text =
      ReadSmallFile(proc, (std::to_string(pid) + "/stat").c_str(), kMaxStat);
  if (!text.ok()) return false;
  const size_t name_end = text->rfind(')');  // ") S PPID …"
  if (name_end == std::string::npos || name_end + 2 >= text->size()) return false;
  const char state = (*text)[name_end + 2];
  return (state != 'Z' && state != 'X') || ThreadsOf(proc, pid).size() > 1;
}

// Signals the process only while it is the one that was found: a pidfd pins it, and is then checked
// against /proc.
bool Signal(int proc, pid_t pid, int signal) {
  SysResult<OwnedFd> pidfd = PidfdOpen(pid, 0);
  if (!pidfd.ok() || !IsLive(proc, pid)) return false;
  return syscall(SYS_pidfd_send_signal, pidfd->get(), signal, nullptr, 0) == 0;
}

// Reaps what has ended; true when no child is left. Whatever lives below a subreaper has an
// ancestor that is its child: then nothing lives there. That is certain, unlike what /proc lists.
bool ReapAll() {
  pid_t reaped;
  while ((reaped = waitpid(-1, nullptr, __WALL | WNOHANG)) > 0) {
  }
  return reaped < 0 && errno == ECHILD;
}

}  // namespace

pid_t ParentOf(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  SysResult<std::string> stat = ReadSmallFile(AT_FDCWD, path.c_str(), kMaxStat);
  if (!stat.ok()) return 0;
  const size_t name_end = stat->rfind(')');  // ") S PPID …"
  if (name_end == std::string::npos || name_end + 4 >= stat->size()) return 0;
  return static_cast<pid_t>(strtol(stat->c_str() + name_end + 4, nullptr, 10));
}

int KillDescendants() {
  const SysResult<OwnedFd> proc = OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  std::set<pid_t> stopped;
  int killed = 0;
  for (int pass = 0; !ReapAll() && proc.ok() && pass < kMaxPasses; ++pass) {
    const std::vector<pid_t> below = ProcessesBelow(proc->get(), getpid());
    bool found_new = false;
    for (const pid_t pid : below) {
      if (!stopped.insert(pid).second) continue;
      found_new = Signal(proc->get(), pid, SIGSTOP) || found_new;
    }
    if (found_new) continue;  // look again for what they forked before they stopped
    for (const pid_t pid : below) killed += Signal(proc->get(), pid, SIGKILL) ? 1 : 0;
    stopped.clear();
    if (!ReapAll()) usleep(1000);  // for them to end, and for orphans to arrive here
  }
  return killed;
}

}  // namespace sessionctl
