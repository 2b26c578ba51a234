// The session's view as calls find it, and what becomes of calls that have found an earlier one
// when a mount goes: they may finish, but not for long, and none of them acts in the mount once it
// is said to be gone.
#ifndef SUPERVISOR_MEDIATOR_CURRENT_VIEW_H_
#define SUPERVISOR_MEDIATOR_CURRENT_VIEW_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "sandbox/base/mutex.h"
#include "supervisor/mediator/session_view.h"

namespace sessionctl {

// One view, for as long as a call goes on that found it: each holds it from its beginning until its
// answer is sent.
struct ViewInUse {
  std::shared_ptr<const SessionView> session;
  // Of the calls that hold it, those that wait for another process and are past every decision.
  mutable std::atomic<int> waiting = 0;
  // No call may act by it any more (CallContext::MayAct).
  mutable std::atomic<bool> over = false;
};

// A call that waits, for the lifetime of the object.
class WaitingCall {
 public:
  explicit WaitingCall(const ViewInUse& view) : view_(view) { ++view_.waiting; }
  ~WaitingCall() { --view_.waiting; }
  WaitingCall(const WaitingCall&) = delete;
  WaitingCall& operator=(const WaitingCall&) = delete;

 private:
  const ViewInUse& view_;
};

class CurrentView {
 public:
  // `first` must outlive this.
  explicit CurrentView(const SessionView& first);
  CurrentView(const CurrentView&) = delete;
  CurrentView& operator=(const CurrentView&) = delete;

  // Any thread.
  std::shared_ptr<const ViewInUse> Get() const;

  // Calls that begin from now on find `next`. One thread, like the next.
  void Replace(std::shared_ptr<const SessionView> next);
  // Sees off the calls that found an earlier view in which a mount stood at `guest`. For as long as
  // `patience` they go on as they are, then for as long again they may end, but not begin to act.
  // True: none of them will act any more. False: one is in the kernel with what it does.
  bool SeeOff(const std::string& guest, std::chrono::milliseconds patience);

 private:
  std::vector<std::weak_ptr<const ViewInUse>> EarlierWith(const std::string& guest);

  mutable Mutex lock_;
  std::shared_ptr<const ViewInUse> now_ ABSL_GUARDED_BY(lock_);
  std::vector<std::weak_ptr<const ViewInUse>> earlier_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_CURRENT_VIEW_H_
