// Opens that may wait for another process (a FIFO without its other end). The wait happens in the
// broker, on the worker that serves the call; a watcher thread ends it when the caller has a signal
// to handle or is gone, so that Ctrl-C works exactly as it does bare (traps 4 and 27).
#ifndef SUPERVISOR_MEDIATOR_BLOCKING_OPEN_H_
#define SUPERVISOR_MEDIATOR_BLOCKING_OPEN_H_

#include <pthread.h>

#include <cstdint>
#include <list>

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

class BlockingOpens {
 public:
  // At most `limit` waits at once; one more answers EAGAIN. Settles what SIGUSR2 does in this
  // process: before the broker's fence, which allows that no more.
  BlockingOpens(const Notifier& notifier, int limit);
  BlockingOpens(const BlockingOpens&) = delete;
  BlockingOpens& operator=(const BlockingOpens&) = delete;

  // open(path, flags) for the caller `task` of notification `id`. Errors: those of open;
  // kErestartsys when the caller has a signal to handle or a stop to join; ESRCH when the caller is
  // gone; EAGAIN when too many wait.
  SysResult<OwnedFd> Open(const RemoteTask& task, uint64_t id, const char* path, int flags);

 private:
  enum class Verdict { kWait, kSignalled, kGone };
  struct Entry {
    pthread_t worker;
    const RemoteTask* task;
    uint64_t id;
    Verdict verdict;
  };

  void Watch();
  Verdict Look(const Entry& entry) const;
  static void* WatcherMain(void* self);

  const Notifier& notifier_;
  const int limit_;
  Mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  bool watching_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_BLOCKING_OPEN_H_
