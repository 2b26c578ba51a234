#include "sandbox/base/syscalls.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstdio>

#include "sandbox/base/own_descriptors.h"

namespace sessionctl {
namespace {

SysResult<OwnedFd> FdResult(long value) {
  if (value < 0) return LastErrno();
  return OwnedFd(static_cast<int>(value));
}

SysStatus StatusResult(long value) {
  if (value < 0) return LastErrno();
  return Done{};
}

}  // namespace

SysResult<OwnedFd> OpenAt2(int dirfd, const char* path, const OpenHow& how) {
  return FdResult(syscall(kNrOpenat2, dirfd, path, &how, sizeof(how)));
}

SysResult<OwnedFd> OpenAt(int dirfd, const char* path, int flags, mode_t mode) {
  return FdResult(openat(dirfd, path, flags | O_CLOEXEC, mode));
}

SysResult<OwnedFd> PidfdOpen(pid_t pid, unsigned flags) {
  return FdResult(syscall(kNrPidfdOpen, pid, flags));
}

SysResult<OwnedFd> PidfdGetfd(int pidfd, int target_fd) {
  return FdResult(syscall(kNrPidfdGetfd, pidfd, target_fd, 0U));
}

SysResult<OwnedFd> Duplicate(int fd) { return FdResult(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

SysResult<struct stat> Fstat(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return LastErrno();
  return info;
}

SysStatus Fchmodat2(int dirfd, const char* path, mode_t mode, unsigned flags) {
  return StatusResult(syscall(kNrFchmodat2, dirfd, path, mode, flags));
}

SysResult<std::string> ReadLinkAt(int dirfd, const char* path) {
  char buffer[PATH_MAX];
  ssize_t size = readlinkat(dirfd, path, buffer, sizeof(buffer));
  if (size < 0) return LastErrno();
  if (size == static_cast<ssize_t>(sizeof(buffer))) return Errno(ENAMETOOLONG);
  return std::string(buffer, static_cast<size_t>(size));
}

FdPath::FdPath(int fd) : dirfd_(OwnDescriptorsDirectory()), relative_(StandsInOwnDescriptors()) {
  snprintf(text_, sizeof(text_), "/proc/self/fd/%d", fd);
  if (dirfd_ < 0) dirfd_ = AT_FDCWD;
}

SysResult<OwnedFd> Reopen(int fd, int flags) {
  const FdPath path(fd);
  return OpenAt(path.dirfd(), path.name(), flags);
}

SysResult<std::string> PathOfDescriptor(int fd) {
  const FdPath path(fd);
  return ReadLinkAt(path.dirfd(), path.name());
}

SysResult<std::string> ReadSmallFile(int dirfd, const char* path, size_t limit) {
  SysResult<OwnedFd> file = OpenAt(dirfd, path, O_RDONLY);
  if (!file.ok()) return Errno(file.error());
  // Most are far smaller than their limit: room that is never used need not be cleared.
  std::string text(std::min<size_t>(limit, 4096), '\0');
  size_t used = 0;
  while (used < limit) {
    if (used == text.size()) text.resize(std::min(limit, 2 * used));
    ssize_t size = read(file->get(), text.data() + used, text.size() - used);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return LastErrno();
    if (size == 0) break;
    used += static_cast<size_t>(size);
  }
  text.resize(used);
  return text;
}

SysStatus WriteAll(int fd, const void* data, size_t size) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t written = write(fd, next, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return LastErrno();
    next += written;
    size -= static_cast<size_t>(written);
  }
  return Done{};
}

}  // namespace sessionctl
