// Looks after those of a session's limits that no kernel mechanism holds: time, and where there is
// no cgroup with controllers, memory, tasks and the share of the processors. Lives in the broker's
// main loop: the broker's parent stops when the command is stopped, and must not let it out of its
// limits by that. One thread.
//
// Between two looks the session does what it likes, so a limit is exceeded by what can be used up
// meanwhile: a look comes every 20 ms, later where it is expensive (a tenth of a processor at most
// goes into looking) or where the limit cannot be near.
#ifndef SUPERVISOR_LIMIT_WATCHER_H_
#define SUPERVISOR_LIMIT_WATCHER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "policy/limit_plan.h"
#include "sandbox/cgroup.h"

namespace sessionctl {

// Why a session ended although its command had not.
enum class SessionEnd : uint32_t {
  kNone,
  kWallTime,
  kIdleTime,
  kCpuTime,
  kMemory,
  kPids,
  kOutput,
  kMaxBytes,
  kOverlaySize,
};
// "wall_time" …, as records say it; "" for kNone.
const char* SessionEndName(SessionEnd end);
// Is it a limit of time? Then the command is told (SIGTERM) before it is killed, and the exit code
// is 124.
bool IsTimeLimit(SessionEnd end);
inline constexpr int kTimeLimitExit = 124;

class LimitWatcher {
 public:
  // `proc`: an open /proc. `cgroup` may be null. Both must outlive this. The calling process is the
  // session's broker. `look_at_mounts`: the limit of a mount that it is far beyond, else kNone. May
  // be empty.
  LimitWatcher(const WatchPlan& plan, int proc, const SessionCgroup* cgroup,
               std::function<SessionEnd()> look_at_mounts);

  // The command runs from now on.
  void Begin();
  // A process that no limit counts: the session's init. 0: none (any more).
  void Exempt(pid_t process) { exempt_ = process; }
  // Milliseconds until the next look, as poll(2) takes them.
  int Timeout() const;
  // Looks, if it is time. `activity` grows with what the session does beside using its processors.
  SessionEnd Look(uint64_t activity);
  // A limit of time was reached: lets a frozen session go, and looks at the other limits only.
  void TimeIsUp();

 private:
  using Clock = std::chrono::steady_clock;

  bool WatchesTree() const;
  Clock::duration Interval() const;
  SessionEnd Measure(uint64_t activity);
  SessionEnd MeasureTree();
  bool IsOverMemory(const std::map<pid_t, uint64_t>& memory) const;
  uint64_t CpuMicroseconds() const;
  std::vector<pid_t> Members() const;
  bool IsIdle(uint64_t cpu, uint64_t activity);
  void ShareProcessors(uint64_t cpu);

  WatchPlan plan_;
  const int proc_;
  const SessionCgroup* const cgroup_;
  const std::function<SessionEnd()> look_at_mounts_;
  const uint64_t processors_;
  pid_t exempt_ = 0;
  bool begun_ = false;
  Clock::time_point started_;
  Clock::time_point next_look_;
  uint64_t cpu_ = 0;  // of the last look, microseconds
  // For idle_time.
  Clock::time_point last_look_;
  Clock::time_point last_active_;
  uint64_t activity_ = 0;
  uint64_t idle_cpu_ = 0;
  // For the freezer: since when, and from which processor time on, the share is reckoned.
  std::optional<Clock::time_point> frozen_until_;
  Clock::time_point share_from_;
  uint64_t share_cpu_ = 0;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_LIMIT_WATCHER_H_
