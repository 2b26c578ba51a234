// The broker's part in its session's limits: what it looks at, what passes through it, and how a
// session ends that has reached one. Used by the broker's main loop alone.
#ifndef SUPERVISOR_SESSION_LIMITS_H_
#define SUPERVISOR_SESSION_LIMITS_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "policy/limit_plan.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/cgroup.h"
#include "supervisor/limit_watcher.h"
#include "supervisor/output_relay.h"

namespace sessionctl {

class SessionLimits {
 public:
  // `proc`: an open /proc. `cgroup` may be null. `look_at_mounts`: as of LimitWatcher.
  SessionLimits(const LimitPlan& plan, int proc, const SessionCgroup* cgroup,
                std::function<SessionEnd()> look_at_mounts);

  // Before the command is forked: puts pipes in the place of its streams where their volume is
  // limited. Errors: those of pipe(2).
  SysStatus InterposeOutput(int* stdout_fd, int* stderr_fd);
  // When it has been, and the broker is in its fence. False: no thread can be made.
  bool StartOutput();
  // The command runs.
  void Begin(pid_t command);

  // As LimitWatcher::Exempt.
  void Exempt(pid_t process) { watcher_.Exempt(process); }

  // What the main loop waits for: a descriptor (-1: none), and milliseconds (-1: for ever).
  int events_fd() const;
  int Timeout() const;
  // Looks, and acts on what it finds: at a limit of time the command is told. True when whatever is
  // left of the session has to be killed now. `calls`: mediated ones, so far.
  bool Check(uint64_t calls);

  // The limit that the session reached; kNone when it ends by itself.
  SessionEnd ended() const { return ended_; }
  // At the end, when all are reaped: what the session has used. Microseconds, and bytes of the
  // largest process or (with a memory controller) of all together.
  void MeasureUse(int64_t* cpu_user, int64_t* cpu_system, int64_t* peak_memory) const;
  // Kills all that is in the session's cgroup, in one step. What there is outside stays.
  void Kill();
  // Waits until what the session has written has passed, or `signals` (a signalfd) tells SIGTERM.
  void DrainOutput(int signals) const;

 private:
  using Clock = std::chrono::steady_clock;

  SessionEnd Look(uint64_t calls);
  void TellCommand();

  const LimitPlan& plan_;
  const SessionCgroup* const cgroup_;
  LimitWatcher watcher_;
  std::unique_ptr<OutputRelay> relay_;  // null: the output passes straight through
  OwnedFd command_;                     // a pidfd
  SessionEnd ended_ = SessionEnd::kNone;
  std::optional<Clock::time_point> kill_at_;  // when the grace of a limit of time is over
};

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_LIMITS_H_
