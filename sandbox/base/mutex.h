// A mutex that both of our race checkers understand: clang's -Wthread-safety by its annotations,
// ThreadSanitizer because std::mutex is one of the calls that it watches. (absl::Mutex comes from a
// library that is built without it, so every use would be reported.) Any thread; not after fork.
#ifndef SANDBOX_BASE_MUTEX_H_
#define SANDBOX_BASE_MUTEX_H_

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace sessionctl {

class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Holds `mutex` for as long as it lives.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_->Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

}  // namespace sessionctl

#endif  // SANDBOX_BASE_MUTEX_H_
