// What one session adds to one mount, in names and in bytes, and its limits of both (max_files,
// max_bytes). What it takes away again is given back, but nothing is saved up: the sum is never
// below zero, so the mount never grows by more than the limit from any moment on.
//
// Names are made by mediated calls alone, so they are counted exactly. Bytes are written natively,
// to descriptors that the broker has opened: it keeps each such file in sight (an O_PATH
// descriptor) for as long as a process of the session may write to it, and looks at its blocks.
// A file that has lost its last name counts until nobody holds it any more. Any thread.
#ifndef SUPERVISOR_MEDIATOR_MOUNT_QUOTA_H_
#define SUPERVISOR_MEDIATOR_MOUNT_QUOTA_H_

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "sandbox/base/mutex.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

class MountQuota {
 public:
  // Limits below zero are none. `proc` is an open /proc, which must outlive this. The calling
  // process is the session's broker. `full`: the answer to what is too much. `reaper`: a child that
  // holds no file of the mount, and may not be looked into; 0: none.
  MountQuota(int64_t max_bytes, int64_t max_files, int proc, int full = EDQUOT, pid_t reaper = 0)
      : max_bytes_(max_bytes), max_files_(max_files), proc_(proc), full_(full), reaper_(reaper) {}
  MountQuota(const MountQuota&) = delete;
  MountQuota& operator=(const MountQuota&) = delete;

  // Keeps a file in sight while its descriptor is on the way to the session.
  class Pin {
   public:
    Pin() = default;
    Pin(Pin&& other) noexcept
        : quota_(std::exchange(other.quota_, nullptr)), inode_(std::move(other.inode_)) {}
    Pin& operator=(Pin&& other) noexcept {
      std::swap(quota_, other.quota_);
      std::swap(inode_, other.inode_);
      return *this;
    }
    ~Pin() {
      if (quota_ != nullptr) quota_->Unpin(inode_);
    }

   private:
    friend class MountQuota;
    MountQuota* quota_ = nullptr;
    std::pair<dev_t, ino_t> inode_;
  };

  // Before a name is made: 0, or EDQUOT. ReturnName() when it was not made after all.
  int ReserveName();
  void ReturnName();
  // The same for a regular file that will be opened. Also ENFILE, as below.
  int ReserveFile();

  // Before a regular file is opened for writing, or emptied: 0; EDQUOT when the session has added
  // as much as it may; ENFILE when it writes to more files at once than can be kept in sight.
  int AdmitWriting(int fd, const struct stat& info, Pin* pin);
  // A file was made, and is open for writing. `unnamed`: its reserved name is given back when it is
  // gone. Errors: ENFILE.
  int AddFile(int fd, bool unnamed, Pin* pin);
  // A name was made that is no regular file: its blocks count, too.
  void AddBlocks(int directory, const char* leaf);

  // What a call may remove: looked at before, told after. A rename that replaced it is not told
  // from one that came after somebody else's removal: it gives back no more than one name.
  struct Doomed {
    OwnedFd fd;
    int64_t bytes = 0;
  };
  Doomed BeforeRemoval(int directory, const char* leaf) const;
  void AfterUnlink(Doomed doomed);
  void AfterReplace(Doomed doomed);

  // Looks at what is in sight. True when the session has added more than it may, by more than open
  // files can be: an eighth, at least 1 MiB.
  bool LookAndJudge();

  // For tests.
  int64_t bytes();
  int64_t files();

 private:
  using Clock = std::chrono::steady_clock;
  using Inode = std::pair<dev_t, ino_t>;
  struct File {
    OwnedFd fd;
    int64_t base = 0;  // bytes, when it came into sight
    int64_t now = 0;   // at the last look
    int pins = 0;
    // Names that are given back when it is gone.
    int unlinked = 0;
    bool replaced = false;
    bool unnamed = false;
    bool removed = false;  // is anything given back when nobody holds it any more?
    int unseen = 0;        // how often in a row nobody was seen to hold it
  };

  bool HasBytes() const { return max_bytes_ >= 0; }
  bool HasFiles() const { return max_files_ >= 0; }
  int64_t Bytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `own`, an O_PATH descriptor, is kept.
  File* KeepInSight(OwnedFd own, const struct stat& info, int64_t base)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayKeepMore() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeBack() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsFull() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PinFile(const struct stat& info, File* file, Pin* pin) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unpin(const Inode& inode);
  bool IsGone(Doomed doomed, File** file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Settle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SettleNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SettleFile(const File& file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t max_bytes_;
  const int64_t max_files_;
  const int proc_;
  const int full_;
  const pid_t reaper_;
  Mutex mutex_;
  std::map<Inode, File> files_ ABSL_GUARDED_BY(mutex_);
  int64_t live_ ABSL_GUARDED_BY(mutex_) = 0;     // bytes added to what is in sight
  int64_t settled_ ABSL_GUARDED_BY(mutex_) = 0;  // and to what no longer is
  int64_t names_ ABSL_GUARDED_BY(mutex_) = 0;
  int removed_ ABSL_GUARDED_BY(mutex_) = 0;  // such files
  Clock::time_point last_settled_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_MOUNT_QUOTA_H_
