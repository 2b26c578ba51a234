// The broker's part in its session's limits: what it looks at, and how a session ends that has
// reached one. Used by the broker's main loop alone.
#ifndef SUPERVISOR_SESSION_LIMITS_H_
#define SUPERVISOR_SESSION_LIMITS_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "policy/limit_plan.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/cgroup.h"
#include "supervisor/limit_watcher.h"

namespace sessionctl {

class SessionLimits {
 public:
  // `proc`: an open /proc. `cgroup` may be null.
  SessionLimits(const LimitPlan& plan, int proc, const SessionCgroup* cgroup);

  // The command runs.
  void Begin(pid_t command);

  // How long the main loop waits, in milliseconds (-1: for ever).
  int Timeout() const;
  // Looks, and acts on what it finds: at a limit of time the command is told. True when whatever is
  // left of the session has to be killed now. `calls`: mediated ones, so far.
  bool Check(uint64_t calls);

  // The limit that the session reached; kNone when it ends by itself.
  SessionEnd ended() const { return ended_; }
  // Kills all that is in the session's cgroup, in one step. What there is outside stays.
  void Kill();

 private:
  using Clock = std::chrono::steady_clock;

  void TellCommand();

  const LimitPlan& plan_;
  const SessionCgroup* const cgroup_;
  LimitWatcher watcher_;
  OwnedFd command_;  // a pidfd
  SessionEnd ended_ = SessionEnd::kNone;
  std::optional<Clock::time_point> kill_at_;  // when the grace of a limit of time is over
};

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_LIMITS_H_
