// How much room a session's changes to an overlay take, and its limits (overlay_size,
// overlay_inodes). What counts is what lies in the overlay's upper directory: new files, copies
// that the kernel makes of changed ones, marks of removed ones. It is measured by walking it, as
// often as costs a tenth of the time; between two walks, what was admitted is added. Any thread.
#ifndef SUPERVISOR_MEDIATOR_OVERLAY_LIMIT_H_
#define SUPERVISOR_MEDIATOR_OVERLAY_LIMIT_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "sandbox/base/mutex.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {

struct RoomTaken {
  int64_t bytes = 0;  // blocks on disk
  int64_t inodes = 0;
  // There is a directory that cannot be listed, or one that is too deep: more than can be told.
  bool unknown = false;
};

// What lies below a directory, itself not counted. Directories deeper than 128 are not entered.
RoomTaken MeasureRoom(int directory);

class OverlayLimit {
 public:
  // Limits below zero are none. `upper`: the upper directory.
  OverlayLimit(OwnedFd upper, int64_t max_bytes, int64_t max_inodes)
      : upper_(std::move(upper)), max_bytes_(max_bytes), max_inodes_(max_inodes) {}
  OverlayLimit(const OverlayLimit&) = delete;
  OverlayLimit& operator=(const OverlayLimit&) = delete;

  // Before a change of what `path` (relative to the mount) names: 0, or ENOSPC. `bytes`: what a
  // copy of it takes, which the kernel makes unless there is one.
  int Admit(const std::string& path, int64_t bytes);

  // Measures, if it is time. True when the changes take more than they may, by more than open files
  // can be: an eighth, at least 1 MiB.
  bool LookAndJudge();

  int upper() const { return upper_.get(); }

 private:
  using Clock = std::chrono::steady_clock;

  bool HasCopy(const std::string& path) const;
  bool Fits(int64_t bytes, int64_t inodes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Measure() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const OwnedFd upper_;
  const int64_t max_bytes_;
  const int64_t max_inodes_;
  Mutex mutex_;
  RoomTaken measured_ ABSL_GUARDED_BY(mutex_);
  // Admitted since the last walk; and before it, which it may not have seen yet.
  RoomTaken admitted_ ABSL_GUARDED_BY(mutex_);
  RoomTaken before_ ABSL_GUARDED_BY(mutex_);
  Clock::time_point last_ ABSL_GUARDED_BY(mutex_);
  Clock::duration cost_ ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_OVERLAY_LIMIT_H_
