// Thin wrappers of system calls that libc (Debian 12's) does not declare, and of the few sequences
// every room needs. Each one is exactly its system call: errno comes back in the SysResult.
// Async-signal-safe unless said.
#ifndef SANDBOX_BASE_SYSCALLS_H_
#define SANDBOX_BASE_SYSCALLS_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

// Numbers and flags that a build machine's headers may lack; x86_64 and aarch64 share all numbers
// from 424 on.
inline constexpr int kNrOpenat2 = 437;
inline constexpr int kNrPidfdOpen = 434;
inline constexpr int kNrPidfdGetfd = 438;
inline constexpr int kNrFchmodat2 = 452;
inline constexpr int kNrSetxattrat = 463;
inline constexpr int kNrRemovexattrat = 466;
inline constexpr int kNrFileSetattr = 469;
inline constexpr unsigned kMfdNoexecSeal = 0x8;   // MFD_NOEXEC_SEAL, 6.3
inline constexpr unsigned kMfdExec = 0x10;        // MFD_EXEC, 6.3
inline constexpr int kIoprioWhoProcess = 1;       // IOPRIO_WHO_PROCESS (linux/ioprio.h)
inline constexpr unsigned kPidfdThread = O_EXCL;  // PIDFD_THREAD, 6.9

// struct open_how, version 0 (24 bytes), openat2(2).
struct OpenHow {
  uint64_t flags = 0;
  uint64_t mode = 0;
  uint64_t resolve = 0;
};
inline constexpr uint64_t kResolveNoXdev = 0x01;
inline constexpr uint64_t kResolveNoMagiclinks = 0x02;
inline constexpr uint64_t kResolveNoSymlinks = 0x04;
inline constexpr uint64_t kResolveBeneath = 0x08;
inline constexpr uint64_t kResolveInRoot = 0x10;
inline constexpr uint64_t kResolveCached = 0x20;

SysResult<OwnedFd> OpenAt2(int dirfd, const char* path, const OpenHow& how);
SysResult<OwnedFd> OpenAt(int dirfd, const char* path, int flags, mode_t mode = 0);
SysResult<OwnedFd> PidfdOpen(pid_t pid, unsigned flags);
SysResult<OwnedFd> PidfdGetfd(int pidfd, int target_fd);
SysResult<OwnedFd> Duplicate(int fd);  // close-on-exec
SysResult<struct stat> Fstat(int fd);
SysStatus Fchmodat2(int dirfd, const char* path, mode_t mode, unsigned flags);

// The text of a symbolic link, ENAMETOOLONG from 4096 bytes on. Allocates: not after fork.
SysResult<std::string> ReadLinkAt(int dirfd, const char* path);

// "/proc/self/fd/N": the magic link through which a pinned (O_PATH) object is reopened or named.
class FdPath {
 public:
  explicit FdPath(int fd);
  // For calls that take a path alone.
  const char* c_str() const { return relative_ ? text_ + kDirectoryLength : text_; }
  // The same for calls that take a directory descriptor, by the shortest way there is.
  int dirfd() const { return dirfd_; }
  const char* name() const { return dirfd_ < 0 ? text_ : text_ + kDirectoryLength; }

 private:
  static constexpr int kDirectoryLength = 14;  // of "/proc/self/fd/"
  char text_[32];
  int dirfd_;
  bool relative_;  // StandsInOwnDescriptors
};

// Another open file of the object that `fd` pins. Errors: those of open(2).
SysResult<OwnedFd> Reopen(int fd, int flags);

// The path by which the kernel knows an open object (d_path); "… (deleted)" when it has no name any
// more, no leading slash for what never had one ("pipe:[1]"). Allocates.
SysResult<std::string> PathOfDescriptor(int fd);

// Reads a whole small file (procfs, sysfs) of at most `limit` bytes. Allocates.
SysResult<std::string> ReadSmallFile(int dirfd, const char* path, size_t limit);

// Writes everything or fails. EINTR is retried.
SysStatus WriteAll(int fd, const void* data, size_t size);

}  // namespace sessionctl

#endif  // SANDBOX_BASE_SYSCALLS_H_
