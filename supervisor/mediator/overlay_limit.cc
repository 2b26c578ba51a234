#include "supervisor/mediator/overlay_limit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <string_view>
#include <thread>
#include <vector>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/room_limit.h"

namespace sessionctl {
namespace {

constexpr int64_t kLeastNew = 4096;  // what a new file or a directory takes
constexpr size_t kDeepest = 128;     // each level is a descriptor while it is walked
constexpr std::chrono::milliseconds kLookAtMostEvery(20);
constexpr int kShareOfLooking = 10;  // one part of the time goes into it

class Walk {
 public:
  RoomTaken Run(int directory);

 private:
  using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;
  void Enter(int parent, const char* name);
  void Count(int parent, const char* name);

  std::vector<Directory> way_;
  std::set<ino_t> linked_;  // those with several names, once
  RoomTaken taken_;
};

void Walk::Enter(int parent, const char* name) {
  SysResult<OwnedFd> fd = way_.size() < kDeepest
                              ? OpenAt(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
                              : Errno(ELOOP);
  if (!fd.ok() && fd.error() == ENOENT) return;  // removed meanwhile
  Directory directory(fd.ok() ? fdopendir(fd->get()) : nullptr, closedir);
  if (directory == nullptr) {
    taken_.unknown = true;
    return;
  }
  fd->Release();  // now the stream's
  way_.push_back(std::move(directory));
}

void Walk::Count(int parent, const char* name) {
  struct stat info;
  if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
  const bool is_directory = S_ISDIR(info.st_mode);
  if (is_directory || info.st_nlink < 2 || linked_.insert(info.st_ino).second) {
    taken_.bytes += BytesOf(info);
    ++taken_.inodes;
  }
  if (is_directory) Enter(parent, name);
}

RoomTaken Walk::Run(int directory) {
  Enter(directory, ".");
  while (!way_.empty()) {
    DIR* const at = way_.back().get();
    const dirent* entry = readdir(at);
    if (entry == nullptr) {
      way_.pop_back();
      continue;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") Count(dirfd(at), entry->d_name);
  }
  return taken_;
}

}  // namespace

RoomTaken MeasureRoom(int directory) { return Walk().Run(directory); }

bool OverlayLimit::HasCopy(const std::string& path) const {
  if (path.empty()) return true;
  return OpenAt2(upper_.get(), path.c_str(),
                 {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = kResolveBeneath})
      .ok();
}

bool OverlayLimit::Fits(int64_t bytes, int64_t inodes) const {
  if (measured_.unknown) return false;
  bytes += measured_.bytes + before_.bytes + admitted_.bytes;
  inodes += measured_.inodes + before_.inodes + admitted_.inodes;
  return (max_bytes_ < 0 || bytes <= max_bytes_) && (max_inodes_ < 0 || inodes <= max_inodes_);
}

void OverlayLimit::Measure() {
  before_ = admitted_;
  admitted_ = {};
  const Clock::time_point began = Clock::now();
  measured_ = MeasureRoom(upper_.get());
  last_ = Clock::now();
  cost_ = last_ - began;
}

int OverlayLimit::Admit(const std::string& path, int64_t bytes) {
  const bool copied = HasCopy(path);
  const int64_t room = copied ? 0 : std::max(bytes, kLeastNew);
  const int64_t inodes = copied ? 0 : 1;
  MutexLock lock(&mutex_);
  // The second walk has seen all that was admitted before the first. Whoever asks again and again
  // waits as long as he makes us look.
  for (int look = 0; look < 2 && !Fits(room, inodes); ++look) {
    const Clock::duration since = Clock::now() - last_;
    if (since < cost_) std::this_thread::sleep_for(cost_ - since);
    Measure();
  }
  if (!Fits(room, inodes)) return ENOSPC;
  admitted_.bytes += room;
  admitted_.inodes += inodes;
  return 0;
}

bool OverlayLimit::LookAndJudge() {
  MutexLock lock(&mutex_);
  const Clock::duration interval =
      std::max<Clock::duration>(kLookAtMostEvery, cost_ * kShareOfLooking);
  if (Clock::now() - last_ >= interval) Measure();
  return max_bytes_ >= 0 && FarAbove(measured_.bytes, max_bytes_);
}

}  // namespace sessionctl
