#include "supervisor/mediator/mount_quota.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "sandbox/base/syscalls.h"
#include "sandbox/open_inodes.h"
#include "sandbox/process_tree.h"
#include "supervisor/mediator/room_limit.h"

namespace sessionctl {
namespace {

// Files in sight are descriptors of the broker: a part of what it may have, and this at most.
constexpr size_t kMostInSight = 4096;
constexpr size_t kLookedAtEachTime = 64;
// One look at /proc may miss a process that forks meanwhile. So may two, but not the same one.
constexpr int kUnseenOften = 2;
constexpr std::chrono::milliseconds kSettleEvery(500);
constexpr std::chrono::milliseconds kSettleAtMostEvery(10);

size_t MostInSight() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 16;
  return std::min<size_t>(kMostInSight, limit.rlim_cur / 4);
}

}  // namespace

// Before a refusal: what was removed may have been let go since.
void MountQuota::TakeBack() {
  Look();
  if (removed_ > 0) SettleNow();
}

bool MountQuota::IsFull() {
  if (!HasBytes()) return false;
  // A quick program writes much between two looks: a few files are looked at each time.
  if (files_.size() <= kLookedAtEachTime) Look();
  if (Bytes() < max_bytes_) return false;
  TakeBack();
  return Bytes() >= max_bytes_;
}

bool MountQuota::MayKeepMore() {
  if (files_.size() >= MostInSight()) SettleNow();
  return files_.size() < MostInSight();
}

int MountQuota::ReserveName() {
  MutexLock lock(&mutex_);
  if (IsFull()) return full_;
  if (HasFiles() && names_ >= max_files_) TakeBack();
  if (HasFiles() && names_ >= max_files_) return full_;
  ++names_;
  return 0;
}

int MountQuota::ReserveFile() {
  {
    MutexLock lock(&mutex_);
    if (!MayKeepMore()) return ENFILE;
  }
  return ReserveName();
}

void MountQuota::ReturnName() {
  MutexLock lock(&mutex_);
  names_ = std::max<int64_t>(names_ - 1, 0);
}

int64_t MountQuota::Bytes() const { return std::max<int64_t>(settled_ + live_, 0); }

int MountQuota::AdmitWriting(int fd, const struct stat& info, Pin* pin) {
  if (!HasBytes()) return 0;
  // Not the caller's own open file, which may hold a lock or a lease.
  SysResult<OwnedFd> own = Reopen(fd, O_PATH);
  if (!own.ok()) return ENFILE;
  MutexLock lock(&mutex_);
  if (IsFull()) return full_;
  if (!MayKeepMore()) return ENFILE;
  PinFile(info, KeepInSight(std::move(*own), info, BytesOf(info)), pin);
  return 0;
}

int MountQuota::AddFile(int fd, bool unnamed, Pin* pin) {
  if (!HasBytes() && !unnamed) return 0;
  SysResult<struct stat> info = Fstat(fd);
  SysResult<OwnedFd> own = Reopen(fd, O_PATH);
  if (!info.ok() || !own.ok()) return ENFILE;
  MutexLock lock(&mutex_);
  File* file = KeepInSight(std::move(*own), *info, 0);
  file->unnamed = unnamed;
  PinFile(*info, file, pin);
  return 0;
}

void MountQuota::AddBlocks(int directory, const char* leaf) {
  struct stat info;
  if (!HasBytes() || fstatat(directory, leaf, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
  MutexLock lock(&mutex_);
  settled_ += BytesOf(info);
}

MountQuota::File* MountQuota::KeepInSight(OwnedFd own, const struct stat& info, int64_t base) {
  const auto [found, added] = files_.try_emplace(Inode(info.st_dev, info.st_ino));
  File& file = found->second;
  file.unseen = 0;
  if (added) {
    file.fd = std::move(own);
    file.base = file.now = base;
  }
  return &file;
}

void MountQuota::PinFile(const struct stat& info, File* file, Pin* pin) {
  ++file->pins;
  pin->quota_ = this;
  pin->inode_ = Inode(info.st_dev, info.st_ino);
}

void MountQuota::Unpin(const Inode& inode) {
  MutexLock lock(&mutex_);
  const auto found = files_.find(inode);
  if (found != files_.end()) --found->second.pins;
}

MountQuota::Doomed MountQuota::BeforeRemoval(int directory, const char* leaf) const {
  Doomed doomed;
  SysResult<OwnedFd> fd = OpenAt(directory, leaf, O_PATH | O_NOFOLLOW);
  if (!fd.ok()) return doomed;
  SysResult<struct stat> info = Fstat(fd->get());
  if (!info.ok()) return doomed;
  doomed.fd = std::move(*fd);
  doomed.bytes = BytesOf(*info);
  return doomed;
}

// Has it no name any more? Then it is kept in sight: its blocks and its name are given back when
// nobody holds it. (Where no more can be kept, they are not.)
bool MountQuota::IsGone(Doomed doomed, File** file) {
  *file = nullptr;
  SysResult<struct stat> info = Fstat(doomed.fd.get());
  if (!info.ok() || (info->st_nlink > 0 && !S_ISDIR(info->st_mode))) return false;
  const bool known = files_.contains(Inode(info->st_dev, info->st_ino));
  if (known || MayKeepMore()) *file = KeepInSight(std::move(doomed.fd), *info, doomed.bytes);
  return true;
}

void MountQuota::AfterUnlink(Doomed doomed) {
  if (!doomed.fd.valid()) return;
  MutexLock lock(&mutex_);
  File* file;
  if (!IsGone(std::move(doomed), &file)) {
    names_ = std::max<int64_t>(names_ - 1, 0);
  } else if (file != nullptr) {
    ++file->unlinked;
  }
}

void MountQuota::AfterReplace(Doomed doomed) {
  if (!doomed.fd.valid()) return;
  SysResult<struct stat> info = Fstat(doomed.fd.get());
  if (!info.ok() || info->st_nlink > 0) return;
  MutexLock lock(&mutex_);
  File* file;
  if (IsGone(std::move(doomed), &file) && file != nullptr) file->replaced = true;
}

void MountQuota::Look() {
  live_ = 0;
  removed_ = 0;
  for (auto& [inode, file] : files_) {
    SysResult<struct stat> info = Fstat(file.fd.get());
    if (!info.ok()) continue;
    file.now = BytesOf(*info);
    file.removed = info->st_nlink == 0 || file.unlinked > 0 || file.replaced || file.unnamed;
    live_ += file.now - file.base;
    removed_ += file.removed ? 1 : 0;
  }
}

bool MountQuota::LookAndJudge() {
  MutexLock lock(&mutex_);
  Look();
  // What has no name keeps its place on the disk for as long as we hold it.
  if ((removed_ > 0 || !HasBytes()) && Clock::now() - last_settled_ >= kSettleEvery) Settle();
  return HasBytes() && FarAbove(Bytes(), max_bytes_);
}

// Lets go of what no process of the session holds any more.
void MountQuota::Settle() {
  last_settled_ = Clock::now();
  if (files_.empty()) return;
  std::vector<pid_t> processes = ProcessesBelow(proc_, getpid());
  std::erase(processes, reaper_);
  const OpenInodes open(proc_, processes);
  for (auto it = files_.begin(); it != files_.end();) {
    File& file = it->second;
    const bool held = file.pins > 0 || open.MayHold(it->first.first, it->first.second);
    file.unseen = held ? 0 : file.unseen + 1;
    if (file.unseen < kUnseenOften) {
      ++it;
      continue;
    }
    SettleFile(file);
    it = files_.erase(it);
  }
  Look();
  settled_ = std::max(settled_, -std::max<int64_t>(live_, 0));
}

// Whoever asks for it again and again waits.
void MountQuota::SettleNow() {
  const auto since = Clock::now() - last_settled_;
  if (since < kSettleAtMostEvery) std::this_thread::sleep_for(kSettleAtMostEvery - since);
  for (int look = 0; look < kUnseenOften; ++look) Settle();
}

void MountQuota::SettleFile(const File& file) {
  SysResult<struct stat> info = Fstat(file.fd.get());
  const bool removed = info.ok() && info->st_nlink == 0;
  settled_ += (removed || !info.ok() ? 0 : BytesOf(*info)) - file.base;
  const int names =
      (removed ? std::max(file.unlinked, file.replaced ? 1 : 0) : 0) + (file.unnamed ? 1 : 0);
  names_ = std::max<int64_t>(names_ - names, 0);
}

int64_t MountQuota::bytes() {
  MutexLock lock(&mutex_);
  Look();
  return Bytes();
}

int64_t MountQuota::files() {
  MutexLock lock(&mutex_);
  SettleNow();
  return names_;
}

}  // namespace sessionctl
