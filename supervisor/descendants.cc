// ParentOf and KillDescendants (broker.h): looks at a process tree, and ends it from its subreaper.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "sandbox/base/syscalls.h"
#include "supervisor/broker.h"

namespace sessionctl {
namespace {

// A process forks faster than it can be found only until it is stopped; this many passes are never
// needed.
constexpr int kMaxPasses = 10000;

// The parent of a process, 0 when it is gone or a zombie (which needs no signal).
pid_t LiveParentOf(const std::string& pid) {
  SysResult<std::string> text = ReadSmallFile(AT_FDCWD, ("/proc/" + pid + "/stat").c_str(), 1024);
  if (!text.ok()) return 0;
  size_t at = text->rfind(')');
  if (at == std::string::npos || at + 4 >= text->size()) return 0;
  char state = (*text)[at + 2];
  if (state == 'Z' || state == 'X') return 0;
  return static_cast<pid_t>(strtol(text->c_str() + at + 4, nullptr, 10));
}

// Every live process below this one, those in `keep` and below them left out.
std::set<pid_t> FindDescendants(const std::vector<pid_t>& keep) {
  std::multimap<pid_t, pid_t> children;
  std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (proc == nullptr) return {};
  while (const dirent* entry = readdir(proc.get())) {
    std::string name = entry->d_name;
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (pid_t parent = LiveParentOf(name); parent > 0) children.emplace(parent, atoi(name.c_str()));
  }
  std::set<pid_t> found;
  std::vector<pid_t> todo = {getpid()};
  while (!todo.empty()) {
    auto [begin, end] = children.equal_range(todo.back());
    todo.pop_back();
    for (auto child = begin; child != end; ++child) {
      bool kept = std::find(keep.begin(), keep.end(), child->second) != keep.end();
      if (!kept && found.insert(child->second).second) todo.push_back(child->second);
    }
  }
  return found;
}

// Signals the process only while it is the one that was found: a pidfd pins it, and is then checked
// against /proc.
bool Signal(pid_t pid, int signal) {
  SysResult<OwnedFd> pidfd = PidfdOpen(pid, 0);
  if (!pidfd.ok() || LiveParentOf(std::to_string(pid)) == 0) return false;
  return syscall(SYS_pidfd_send_signal, pidfd->get(), signal, nullptr, 0) == 0;
}

void ReapAll(const std::vector<pid_t>& keep) {
  if (keep.empty()) {
    while (waitpid(-1, nullptr, __WALL | WNOHANG) > 0) {
    }
    return;
  }
  // Somebody else waits for those in `keep`: look before reaping.
  siginfo_t info;
  for (;;) {
    info.si_pid = 0;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0) return;
    if (info.si_pid == 0) return;
    if (std::find(keep.begin(), keep.end(), info.si_pid) != keep.end()) return;
    waitpid(info.si_pid, nullptr, __WALL | WNOHANG);
  }
}

bool HasNoChildren() { return waitpid(-1, nullptr, __WALL | WNOHANG) < 0 && errno == ECHILD; }

}  // namespace

pid_t ParentOf(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  SysResult<std::string> stat = ReadSmallFile(AT_FDCWD, path.c_str(), 4096);
  if (!stat.ok()) return 0;
  const size_t name_end = stat->rfind(')');  // ") S PPID …"
  if (name_end == std::string::npos || name_end + 4 >= stat->size()) return 0;
  return static_cast<pid_t>(strtol(stat->c_str() + name_end + 4, nullptr, 10));
}

int KillDescendants(const std::vector<pid_t>& keep) {
  if (keep.empty() && HasNoChildren()) return 0;
  std::set<pid_t> stopped;
  int killed = 0;
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    std::set<pid_t> alive = FindDescendants(keep);
    if (alive.empty()) break;
    bool found_new = false;
    for (pid_t pid : alive) {
      if (!stopped.insert(pid).second) continue;
      found_new = true;
      Signal(pid, SIGSTOP);
    }
    if (found_new) continue;  // look again for what they forked before they stopped
    for (pid_t pid : alive) killed += Signal(pid, SIGKILL) ? 1 : 0;
    stopped.clear();
    ReapAll(keep);
    usleep(1000);  // for orphans to arrive here
  }
  ReapAll(keep);
  return killed;
}

}  // namespace sessionctl
