// Which processes and threads belong to a session, as the kernel itself says it: the broker may
// signal its own session and nobody else (Landlock's signal scope), so whoever it may signal, and
// is not a thread of its own, is the session's. An answer is about this moment: a number can be
// used again by somebody else as soon as its task is gone. Any thread.
#ifndef SUPERVISOR_MEDIATOR_SESSION_TASKS_H_
#define SUPERVISOR_MEDIATOR_SESSION_TASKS_H_

#include <sys/types.h>

#include <functional>

#include "sandbox/remote_task.h"
#include "supervisor/mediator/session_view.h"

namespace sessionctl {

class SessionTasks {
 public:
  // Both must outlive this.
  SessionTasks(const SessionView& session, const RemoteTask& caller)
      : session_(session), caller_(caller) {}

  // 0 when the task with this id (> 0) belongs to the session; ESRCH: there is none; EPERM: it is
  // somebody else's. Without the signal scope (best_effort) only the caller's own threads are known
  // to belong to it.
  int Check(pid_t task) const;

  // Every thread of those processes of the session for which `wanted` holds. In no order.
  void ForEach(const std::function<bool(pid_t process)>& wanted,
               const std::function<void(pid_t thread)>& visit) const;

 private:
  const SessionView& session_;
  const RemoteTask& caller_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_SESSION_TASKS_H_
