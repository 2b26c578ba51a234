// The mediator: receives a session's intercepted calls and answers them, one straight line each:
//   Notification → SyscallRow → SyscallRequest (memory copied once) → handler (resolve, decide,
//   act) → Reply → Send.
//
// Workers (workers.h) does so on as many threads as are needed, so that a call that hangs holds up
// only itself (trap 15) and calls are received at once (trap 1).
#ifndef SUPERVISOR_MEDIATOR_MEDIATOR_H_
#define SUPERVISOR_MEDIATOR_MEDIATOR_H_

#include <cstdint>
#include <utility>

#include "sandbox/base/owned_fd.h"
#include "sandbox/notifier.h"
#include "supervisor/mediator/audit_event.h"
#include "supervisor/mediator/blocking_calls.h"
#include "supervisor/mediator/bound_names.h"
#include "supervisor/mediator/call_counters.h"
#include "supervisor/mediator/current_view.h"
#include "supervisor/mediator/mount_table.h"
#include "supervisor/mediator/reply.h"
#include "supervisor/mediator/session_view.h"
#include "supervisor/mediator/terminals.h"
#include "supervisor/mediator/workers.h"

namespace sessionctl {

class Mediator {
 public:
  // `session` and `audit` must outlive this, and this must outlive its threads: it lives as long as
  // the process.
  Mediator(const SessionView& session, Notifier notifier, AuditSink* audit);
  Mediator(const Mediator&) = delete;
  Mediator& operator=(const Mediator&) = delete;

  // Terminals that the broker's parent makes for the session (terminals.h). Before Start.
  void HearOfTerminals(OwnedFd numbers, OwnedFd directory) {
    terminals_.HearOf(std::move(numbers), std::move(directory));
  }

  // The session as calls find it. Who replaces it is the broker's main thread.
  CurrentView& view() { return view_; }

  // Starts the first worker, and more as they are needed.
  Workers& workers() { return workers_; }

  // Counts there instead of in itself; before Start. `counters` must outlive it.
  void CountIn(CallCounters* counters) { counters_ = counters; }
  uint64_t calls() const { return counters_->calls.load(std::memory_order_relaxed); }
  uint64_t denials() const { return counters_->denials.load(std::memory_order_relaxed); }

 private:
  void Serve(const Notification& call);
  Reply Answer(const ViewInUse& view, const Notification& call);
  void Send(const Notification& call, Reply reply);

  CurrentView view_;
  Notifier notifier_;
  AuditSink* const audit_;
  BlockingCalls blocking_;
  Terminals terminals_;
  BoundNames bound_names_;
  MountTable mount_table_;
  CallCounters own_counters_;
  CallCounters* counters_ = &own_counters_;
  Workers workers_;  // last: they use all of it
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_MEDIATOR_H_
