#include "supervisor/session_limits.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "sandbox/base/syscalls.h"

namespace sessionctl {

SessionLimits::SessionLimits(const LimitPlan& plan, int proc, const SessionCgroup* cgroup)
    : plan_(plan), cgroup_(cgroup), watcher_(plan.watch, proc, cgroup) {}

void SessionLimits::Begin(pid_t command) {
  // Nobody has waited for it yet: it is that process.
  if (SysResult<OwnedFd> pidfd = PidfdOpen(command, 0); pidfd.ok()) command_ = std::move(*pidfd);
  watcher_.Begin();
}

int SessionLimits::Timeout() const {
  const int look = watcher_.Timeout();
  if (!kill_at_) return look;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*kill_at_ - Clock::now()).count();
  const int kill = static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
  return look < 0 ? kill : std::min(look, kill);
}

bool SessionLimits::Check(uint64_t calls) {
  const SessionEnd reached = watcher_.Look(calls);
  // The grace of a limit of time is none of the others.
  if (kill_at_) return reached != SessionEnd::kNone || Clock::now() >= *kill_at_;
  if (reached == SessionEnd::kNone) return false;
  ended_ = reached;
  if (!IsTimeLimit(ended_)) return true;
  TellCommand();
  kill_at_ = Clock::now() + std::chrono::milliseconds(plan_.watch.grace);
  return false;
}

// As `stop` does.
void SessionLimits::TellCommand() {
  watcher_.TimeIsUp();
  for (const int signal : {SIGTERM, SIGCONT}) {  // a stopped process does not see the first alone
    syscall(SYS_pidfd_send_signal, command_.get(), signal, nullptr, 0);
  }
}

void SessionLimits::Kill() {
  if (cgroup_ == nullptr) return;
  if (ended_ == SessionEnd::kNone && cgroup_->RanOutOfMemory()) ended_ = SessionEnd::kMemory;
  if (!cgroup_->Kill().ok()) return;  // an older kernel: then it is killed one by one
}

}  // namespace sessionctl
