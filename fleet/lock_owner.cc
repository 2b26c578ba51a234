#include "fleet/lock_owner.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_split.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/safe_file.h"

namespace sessionctl {
namespace {

// Its own descriptor table decides: the device in /proc/locks is not always that of stat(2).
bool HasOpen(pid_t pid, const struct stat& wanted) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd";
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (directory == nullptr) return false;
  while (const dirent* entry = readdir(directory.get())) {
    struct stat st;
    if (fstatat(dirfd(directory.get()), entry->d_name, &st, 0) != 0) continue;
    if (st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<LockOwner> FindLockOwner(int dirfd, const char* name) {
  SysResult<OwnedFd> file = OpenFileBeneath(dirfd, name);
  if (!file.ok()) return absl::NotFoundError("no lock file");
  SysResult<struct stat> st = Fstat(file->get());
  if (!st.ok()) return absl::NotFoundError("no lock file");
  SysResult<std::string> locks = ReadSmallFile(AT_FDCWD, "/proc/locks", size_t{16} << 20);
  if (!locks.ok()) return absl::NotFoundError("/proc/locks cannot be read");
  for (const absl::string_view line : absl::StrSplit(*locks, '\n')) {
    // "1: FLOCK  ADVISORY  WRITE 1234 00:1a:5678 0 EOF"
    int pid = 0;
    unsigned long inode = 0;
    if (sscanf(std::string(line).c_str(), "%*d: FLOCK %*s WRITE %d %*x:%*x:%lu", &pid, &inode) !=
            2 ||
        inode != st->st_ino || pid <= 0) {
      continue;
    }
    SysResult<OwnedFd> pidfd = PidfdOpen(pid, 0);
    if (pidfd.ok() && HasOpen(pid, *st)) return LockOwner{pid, std::move(*pidfd)};
  }
  return absl::NotFoundError("nobody who can be seen holds the lock");
}

}  // namespace sessionctl
