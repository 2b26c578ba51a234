#include "supervisor/shared_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/landlock_uapi.h"
#include "sandbox/safe_file.h"
#include "supervisor/session_store.h"

namespace sessionctl {
namespace {

// sessionctl-UID-PID-ID: whose it is and who removes it.
std::string NamePrefix(uid_t owner) { return absl::StrCat("sessionctl-", owner, "-"); }

// Is `name` a directory of `owner` whose maker is gone? The process id spares most locks; the lock
// decides, since ids are used again and may be another namespace's.
bool IsAbandoned(int shm, const std::string& name, uid_t owner) {
  const pid_t maker = static_cast<pid_t>(atoi(name.c_str() + NamePrefix(owner).size()));
  if (maker > 0 && kill(maker, 0) == 0) return false;
  SysResult<OwnedFd> directory =
      OpenAt(shm, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (!directory.ok()) return false;
  SysResult<struct stat> info = Fstat(directory->get());
  if (!info.ok() || info->st_uid != owner) return false;
  return flock(directory->get(), LOCK_EX | LOCK_NB) == 0;
}

// What cannot be removed now is tried again when this user's next session starts.
void RemoveTree(int shm, const std::string& name) {
  if (!RemoveTreeBeneath(shm, name).ok()) return;
}

std::vector<std::string> NamesIn(int directory) {
  std::vector<std::string> names;
  SysResult<OwnedFd> fd = OpenAt(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = fd.ok() ? fdopendir(fd->get()) : nullptr;
  if (listing == nullptr) return names;
  fd->Release();  // the listing's now
  while (const dirent* entry = readdir(listing)) names.emplace_back(entry->d_name);
  closedir(listing);
  return names;
}

void RemoveAbandoned(int shm, uid_t owner) {
  const std::string prefix = NamePrefix(owner);
  for (const std::string& name : NamesIn(shm)) {
    if (name.starts_with(prefix) && IsAbandoned(shm, name, owner)) RemoveTree(shm, name);
  }
}

}  // namespace

SysResult<SharedMemory> SharedMemory::Create(uid_t owner, gid_t group) {
  SysResult<OwnedFd> shm = OpenAt(AT_FDCWD, kSharedMemoryPath, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!shm.ok()) return Errno(shm.error());
  RemoveAbandoned(shm->get(), owner);
  const std::string name = absl::StrCat(NamePrefix(owner), getpid(), "-", NewSessionId());
  SysResult<OwnedFd> directory = MakeDirectoryBeneath(shm->get(), name, 0700);
  if (!directory.ok()) return Errno(directory.error());
  // Ours is the only process that knows the name, and its id keeps others of ours from looking.
  if (flock(directory->get(), LOCK_EX | LOCK_NB) != 0) return LastErrno();
  if (owner != geteuid() && fchown(directory->get(), owner, group) != 0) return LastErrno();
  return SharedMemory(absl::StrCat(kSharedMemoryPath, "/", name), std::move(*directory));
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : path_(std::exchange(other.path_, "")), fd_(std::move(other.fd_)) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  if (this == &other) return *this;
  Remove();
  path_ = std::exchange(other.path_, "");
  fd_ = std::move(other.fd_);
  return *this;
}

SharedMemory::~SharedMemory() { Remove(); }

void SharedMemory::Remove() {
  if (path_.empty()) return;
  SysResult<OwnedFd> shm = OpenAt(AT_FDCWD, kSharedMemoryPath, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  fchmod(fd_.get(), 0700);  // the session owns it, too
  if (shm.ok()) RemoveTree(shm->get(), path_.substr(path_.rfind('/') + 1));
  path_.clear();
}

void EmptySharedMemory(int directory) {
  for (const std::string& name : NamesIn(directory)) unlinkat(directory, name.c_str(), 0);
}

void AddSharedMemory(const std::string& path, CompiledPolicy* policy) {
  CompiledMount compiled;
  Mount& mount = compiled.mount;
  mount.host = mount.guest = path;
  mount.alias = kSharedMemoryPath;
  compiled.is_shared_memory = true;
  mount.exec = false;
  mount.symlinks = SymlinkRule::kNone;
  policy->mounts.push_back(std::move(compiled));
  if (policy->broker_domain.handled_fs == 0) return;
  const uint64_t access = landlock::kFsReadFile | landlock::kFsReadDir | landlock::kFsWriteFile |
                          landlock::kFsMakeReg | landlock::kFsRemoveFile | landlock::kFsTruncate;
  policy->broker_domain.grants.push_back(
      {path, access & policy->broker_domain.handled_fs, "filesystem.shared_memory"});
}

}  // namespace sessionctl
