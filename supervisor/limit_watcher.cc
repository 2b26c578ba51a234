#include "supervisor/limit_watcher.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sandbox/process_tree.h"

namespace sessionctl {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kLookEvery(20);
constexpr milliseconds kLongestInterval(500);
// Looking may take a tenth of a processor and no more.
constexpr int kRestPerLook = 9;
// A session is idle as long as it uses less than this part of one processor.
constexpr double kIdleShare = 0.01;
// How long a session with a share of the processors runs, or is frozen, at a time.
constexpr milliseconds kShortestSlice(5);
constexpr milliseconds kSlice(50);

uint64_t ReapedMicroseconds() {
  rusage usage;
  if (getrusage(RUSAGE_CHILDREN, &usage) != 0) return 0;
  const auto micros = [](const timeval& time) {
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

}  // namespace

const char* SessionEndName(SessionEnd end) {
  switch (end) {
    case SessionEnd::kNone: return "";
    case SessionEnd::kWallTime: return "wall_time";
    case SessionEnd::kIdleTime: return "idle_time";
    case SessionEnd::kCpuTime: return "cpu_time";
    case SessionEnd::kMemory: return "memory";
    case SessionEnd::kPids: return "pids";
    case SessionEnd::kOutput: return "output";
    case SessionEnd::kMaxBytes: return "max_bytes";
    case SessionEnd::kOverlaySize: return "overlay_size";
  }
  return "";
}

bool IsTimeLimit(SessionEnd end) {
  return end == SessionEnd::kWallTime || end == SessionEnd::kIdleTime ||
         end == SessionEnd::kCpuTime;
}

LimitWatcher::LimitWatcher(const WatchPlan& plan, int proc, const SessionCgroup* cgroup,
                           std::function<SessionEnd()> look_at_mounts)
    : plan_(plan),
      proc_(proc),
      cgroup_(cgroup),
      look_at_mounts_(std::move(look_at_mounts)),
      processors_(static_cast<uint64_t>(std::max<long>(sysconf(_SC_NPROCESSORS_ONLN), 1))) {}

void LimitWatcher::Begin() {
  begun_ = true;
  started_ = next_look_ = last_look_ = last_active_ = share_from_ = Clock::now();
}

bool LimitWatcher::WatchesTree() const {
  return plan_.memory != kUnlimited || plan_.pids != kUnlimited;
}

int LimitWatcher::Timeout() const {
  if (!begun_) return -1;
  const auto now = Clock::now();
  Clock::time_point wake = Clock::time_point::max();
  if (plan_.wall_time != kUnlimited) wake = started_ + milliseconds(plan_.wall_time);
  if (WatchesTree() || look_at_mounts_ || plan_.cpu_time != kUnlimited ||
      plan_.idle_time != kUnlimited || plan_.frozen_cpu > 0) {
    wake = std::min(wake, next_look_);
  }
  if (wake == Clock::time_point::max()) return -1;
  const auto wait = std::chrono::ceil<milliseconds>(wake - now).count();
  return static_cast<int>(std::clamp<int64_t>(wait, 0, 60'000));
}

// As long as nothing that is watched can be reached meanwhile, but for memory and tasks.
LimitWatcher::Clock::duration LimitWatcher::Interval() const {
  Clock::duration interval = kLongestInterval;
  if (WatchesTree() || look_at_mounts_) interval = kLookEvery;
  if (plan_.frozen_cpu > 0) interval = std::min<Clock::duration>(interval, kShortestSlice);
  if (plan_.idle_time != kUnlimited) {
    interval = std::min<Clock::duration>(interval, milliseconds(plan_.idle_time) / 8);
  }
  if (plan_.cpu_time != kUnlimited) {
    const auto limit = static_cast<uint64_t>(plan_.cpu_time) * 1000;
    const uint64_t left = limit > cpu_ ? limit - cpu_ : 0;
    interval = std::min<Clock::duration>(interval, microseconds(left / processors_));
  }
  return std::max<Clock::duration>(interval, kShortestSlice);
}

SessionEnd LimitWatcher::Look(uint64_t activity) {
  if (!begun_) return SessionEnd::kNone;
  const auto now = Clock::now();
  if (plan_.wall_time != kUnlimited && now - started_ >= milliseconds(plan_.wall_time)) {
    return SessionEnd::kWallTime;
  }
  if (now < next_look_) return SessionEnd::kNone;
  const SessionEnd end = Measure(activity);
  const auto done = Clock::now();
  next_look_ = done + std::max<Clock::duration>(Interval(), kRestPerLook * (done - now));
  return end;
}

SessionEnd LimitWatcher::Measure(uint64_t activity) {
  if (plan_.cpu_time != kUnlimited || plan_.idle_time != kUnlimited || plan_.frozen_cpu > 0) {
    // What was counted for a process that nobody waited for is not taken back.
    cpu_ = std::max(cpu_, CpuMicroseconds());
  }
  if (plan_.frozen_cpu > 0) ShareProcessors(cpu_);
  if (look_at_mounts_) {
    if (const SessionEnd end = look_at_mounts_(); end != SessionEnd::kNone) return end;
  }
  if (WatchesTree()) {
    if (const SessionEnd end = MeasureTree(); end != SessionEnd::kNone) return end;
  }
  if (plan_.cpu_time != kUnlimited && cpu_ >= static_cast<uint64_t>(plan_.cpu_time) * 1000) {
    return SessionEnd::kCpuTime;
  }
  if (plan_.idle_time != kUnlimited && IsIdle(cpu_, activity)) return SessionEnd::kIdleTime;
  return SessionEnd::kNone;
}

std::vector<pid_t> LimitWatcher::Members() const {
  if (cgroup_ != nullptr) {
    SysResult<std::vector<pid_t>> members = cgroup_->Members();
    if (members.ok()) return *std::move(members);
  }
  return ProcessesBelow(proc_, getpid());
}

SessionEnd LimitWatcher::MeasureTree() {
  uint64_t threads = 0;
  std::map<pid_t, uint64_t> memory;
  for (const pid_t pid : Members()) {
    if (pid == exempt_) continue;
    SysResult<ProcessUsage> usage = UsageOf(proc_, pid);
    if (!usage.ok()) continue;
    threads += usage->threads;
    memory[pid] = usage->memory;
  }
  if (plan_.pids != kUnlimited && threads > static_cast<uint64_t>(plan_.pids)) {
    return SessionEnd::kPids;
  }
  return IsOverMemory(memory) ? SessionEnd::kMemory : SessionEnd::kNone;
}

// The plain sum counts what is shared once for each that shares it: cheap, and never too small.
bool LimitWatcher::IsOverMemory(const std::map<pid_t, uint64_t>& memory) const {
  const auto limit = static_cast<uint64_t>(plan_.memory);
  uint64_t sum = 0;
  for (const auto& [pid, bytes] : memory) sum += bytes;
  if (plan_.memory == kUnlimited || sum <= limit) return false;
  uint64_t exact = 0;
  for (const auto& [pid, bytes] : memory) {
    SysResult<uint64_t> share = ProportionalMemoryOf(proc_, pid);
    if (share.ok()) exact += *share;
    if (share.error() == EACCES) exact += bytes;  // one that nobody may look into
  }
  return exact > limit;
}

// Without a cgroup: what the broker has reaped, and what those that live have used with the
// children they waited for. A parent is read before its children, so that nothing is counted twice.
uint64_t LimitWatcher::CpuMicroseconds() const {
  if (cgroup_ != nullptr) {
    SysResult<uint64_t> time = cgroup_->CpuTime();
    if (time.ok()) return *time;
  }
  uint64_t sum = ReapedMicroseconds();
  for (const pid_t pid : ProcessesBelow(proc_, getpid())) {
    SysResult<ProcessUsage> usage = UsageOf(proc_, pid);
    if (usage.ok()) sum += usage->cpu_microseconds;
  }
  return sum;
}

bool LimitWatcher::IsIdle(uint64_t cpu, uint64_t activity) {
  const auto now = Clock::now();
  const auto passed = std::chrono::duration<double, std::micro>(now - last_look_).count();
  if (activity != activity_ || static_cast<double>(cpu - idle_cpu_) > kIdleShare * passed) {
    last_active_ = now;
  }
  activity_ = activity;
  idle_cpu_ = cpu;
  last_look_ = now;
  return now - last_active_ >= milliseconds(plan_.idle_time);
}

// Frozen until what it has used since the last time is no more than its share: late looks cost it
// nothing and gain it nothing.
void LimitWatcher::ShareProcessors(uint64_t cpu) {
  const auto now = Clock::now();
  if (frozen_until_) {
    if (now < *frozen_until_) return;
    if (!cgroup_->Freeze(false).ok()) return;
    frozen_until_.reset();
    share_from_ = now;
    share_cpu_ = cpu;
    return;
  }
  const microseconds earned(
      static_cast<int64_t>(static_cast<double>(cpu - share_cpu_) / plan_.frozen_cpu));
  if (now - share_from_ >= kSlice && share_from_ + earned <= now) {
    share_from_ = now;  // nothing is saved up
    share_cpu_ = cpu;
  } else if (share_from_ + earned > now + kSlice && cgroup_->Freeze(true).ok()) {
    frozen_until_ = share_from_ + earned;
  }
}

void LimitWatcher::TimeIsUp() {
  if (frozen_until_) (void)cgroup_->Freeze(false).ok();  // SIGKILL needs no thawing
  frozen_until_.reset();
  plan_.wall_time = plan_.idle_time = plan_.cpu_time = kUnlimited;
  plan_.frozen_cpu = 0;
}

}  // namespace sessionctl
