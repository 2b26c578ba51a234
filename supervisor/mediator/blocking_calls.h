// System calls that may sleep for another process: the open of a FIFO without its other end, a
// connect, a send. The wait happens in the broker, on the worker that serves the call; a watcher
// thread ends it when the caller has a signal to handle or is gone, so that Ctrl-C works exactly as
// it does bare (traps 4, 27 and 47).
#ifndef SUPERVISOR_MEDIATOR_BLOCKING_CALLS_H_
#define SUPERVISOR_MEDIATOR_BLOCKING_CALLS_H_

#include <pthread.h>

#include <cstdint>
#include <set>
#include <type_traits>

#include "absl/base/thread_annotations.h"
#include "sandbox/base/mutex.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/notifier.h"
#include "sandbox/remote_task.h"

namespace sessionctl {

// The kernel's own code for "restart the call, or EINTR if the handler says so". We answer it only
// to a thread that the kernel has told to look at its signals, so user space never sees the number.
inline constexpr int kErestartsys = 512;

class BlockingCalls {
 public:
  // At most `limit` waits at once; one more answers EAGAIN. Settles what SIGUSR2 does in this
  // process: before the broker's fence, which allows that no more.
  BlockingCalls(const Notifier& notifier, int limit);
  BlockingCalls(const BlockingCalls&) = delete;
  BlockingCalls& operator=(const BlockingCalls&) = delete;

  // Makes `call`, which returns a SysResult, for the caller `task` of notification `id`. Errors:
  // its own; kErestartsys when the caller has a signal to handle or a stop to join; ESRCH when the
  // caller is gone; EAGAIN when too many wait. After EINTR with nothing of this, it is made again.
  template <typename Call>
  std::invoke_result_t<Call> Run(const RemoteTask& task, uint64_t id, Call call) {
    Entry entry = {pthread_self(), &task, id, Verdict::kWait};
    if (!Enter(&entry)) return Errno(EAGAIN);
    for (;;) {
      std::invoke_result_t<Call> result = call();
      const bool interrupted = !result.ok() && result.error() == EINTR;
      const Verdict verdict = Leave(&entry, interrupted);
      if (!interrupted) return result;
      if (verdict != Verdict::kWait) return Errno(verdict == Verdict::kGone ? ESRCH : kErestartsys);
    }
  }

 private:
  enum class Verdict { kWait, kSignalled, kGone };
  struct Entry {
    pthread_t worker;
    const RemoteTask* task;
    uint64_t id;
    Verdict verdict;
  };

  bool Enter(Entry* entry);
  // Forgets `entry`, unless it was interrupted and has to wait on.
  Verdict Leave(Entry* entry, bool interrupted);
  void Watch();
  Verdict Look(const Entry& entry) const;
  static void* WatcherMain(void* self);

  const Notifier& notifier_;
  const size_t limit_;
  Mutex mutex_;
  std::set<Entry*> entries_ ABSL_GUARDED_BY(mutex_);
  bool watching_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_BLOCKING_CALLS_H_
