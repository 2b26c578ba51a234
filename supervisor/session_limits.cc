#include "supervisor/session_limits.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr int kLookAtOutputEvery = 20;  // milliseconds

}  // namespace

SessionLimits::SessionLimits(const LimitPlan& plan, int proc, const SessionCgroup* cgroup,
                             std::function<SessionEnd()> look_at_mounts)
    : plan_(plan), cgroup_(cgroup), watcher_(plan.watch, proc, cgroup, std::move(look_at_mounts)) {}

SysStatus SessionLimits::InterposeOutput(int* stdout_fd, int* stderr_fd) {
  if (plan_.output == kUnlimited) return Done{};
  relay_ = std::make_unique<OutputRelay>(plan_.output);
  return relay_->Interpose(stdout_fd, stderr_fd);
}

bool SessionLimits::StartOutput() { return relay_ == nullptr || relay_->Start(); }

void SessionLimits::Begin(pid_t command) {
  // Nobody has waited for it yet: it is that process.
  if (SysResult<OwnedFd> pidfd = PidfdOpen(command, 0); pidfd.ok()) command_ = std::move(*pidfd);
  watcher_.Begin();
}

int SessionLimits::events_fd() const {
  // Also when nothing is copied any more: that the limit was reached may not have been seen yet.
  return relay_ != nullptr ? relay_->events_fd() : -1;
}

int SessionLimits::Timeout() const {
  const int look = watcher_.Timeout();
  if (!kill_at_) return look;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*kill_at_ - Clock::now()).count();
  const int kill = static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
  return look < 0 ? kill : std::min(look, kill);
}

SessionEnd SessionLimits::Look(uint64_t calls) {
  if (relay_ == nullptr) return watcher_.Look(calls);
  relay_->ClearEvents();
  if (relay_->is_over()) return SessionEnd::kOutput;
  return watcher_.Look(calls + static_cast<uint64_t>(relay_->passed()));
}

bool SessionLimits::Check(uint64_t calls) {
  const SessionEnd reached = Look(calls);
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

void SessionLimits::MeasureUse(int64_t* cpu_user, int64_t* cpu_system, int64_t* peak_memory) const {
  rusage usage;
  if (getrusage(RUSAGE_CHILDREN, &usage) != 0) return;
  const auto micros = [](const timeval& time) {
    return int64_t{time.tv_sec} * 1'000'000 + int64_t{time.tv_usec};
  };
  *cpu_user = micros(usage.ru_utime);
  *cpu_system = micros(usage.ru_stime);
  *peak_memory = int64_t{usage.ru_maxrss} * 1024;
  if (cgroup_ == nullptr) return;
  // What a parent that ignores SIGCHLD has never waited for is counted there, too.
  if (SysResult<CgroupUse> counted = cgroup_->Use(); counted.ok()) {
    *cpu_user = std::max(*cpu_user, static_cast<int64_t>(counted->cpu_user));
    *cpu_system = std::max(*cpu_system, static_cast<int64_t>(counted->cpu_system));
    if (counted->peak_memory > 0) *peak_memory = static_cast<int64_t>(counted->peak_memory);
  }
}

void SessionLimits::DrainOutput(int signals) const {
  while (relay_ != nullptr && !relay_->is_done() && !relay_->is_drained()) {
    std::array<pollfd, 2> sources = {pollfd{.fd = signals, .events = POLLIN},
                                     pollfd{.fd = relay_->events_fd(), .events = POLLIN}};
    if (poll(sources.data(), sources.size(), kLookAtOutputEvery) < 0) continue;
    relay_->ClearEvents();
    signalfd_siginfo info;
    if (sources[0].revents != 0 && read(signals, &info, sizeof(info)) == sizeof(info) &&
        info.ssi_signo == SIGTERM) {
      return;
    }
  }
}

}  // namespace sessionctl
