// Files that another process of the same directory may be tampering with: lock files, state files,
// logs. Every function resolves `name` beneath `dirfd` with openat2(RESOLVE_BENEATH |
// RESOLVE_NO_SYMLINKS) and decides on what it opened, never on the name: a planted symbolic link
// (CWE-61), hard link, FIFO or another user's file is refused, not followed. This is the safe form
// of `open(path, O_CREAT)` for C++ programs at large:
//
//   SysResult<OwnedFd> run = OpenPrivateDirectory("/run/myprogram");
//   SysResult<LockFile> lock = LockFile::Acquire(run->get(), "lock", LockWait::kTry);
//   SysStatus saved = WriteFileAtomically(run->get(), "state.json", text, 0600);
//
// Any thread. May allocate: not for use between fork and exec. `dirfd` is a directory opened for
// reading or with O_PATH (never AT_FDCWD); `name` is relative and may have several components.
// Errors common to all:
//   ELOOP   a component of `name` is a symbolic link
//   EXDEV   `name` is absolute or leaves `dirfd` by ".."
//   EAGAIN  the directory was changed under the call too many times in a row
//   ENOSYS  the kernel has no openat2 (below 5.6)
// and what openat2(2) itself answers.
#ifndef SANDBOX_SAFE_FILE_H_
#define SANDBOX_SAFE_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <utility>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

enum class LockWait {
  kBlock,  // until the lock is free; a signal handler interrupts it (EINTR)
  kTry,    // EWOULDBLOCK when somebody holds the lock
};

// An exclusive flock(2) on a file that only we own. Released by the destructor, or by the kernel
// when the last process that inherited the descriptor ends. The file itself stays.
class LockFile {
 public:
  // Makes `name` (mode 0600) when it is missing and locks it. On return the name referred to the
  // locked file. Errors: EINVAL (not a regular file), EPERM (another user's), EMLINK (it has a
  // second name), EWOULDBLOCK.
  static SysResult<LockFile> Acquire(int dirfd, const std::string& name, LockWait wait);

  // Is the lock held by somebody? Looks with a shared lock, so observers do not see one another.
  // Errors: ENOENT, and as Acquire.
  static SysResult<bool> IsHeld(int dirfd, const std::string& name);

  // Blocks until nobody holds the lock. Errors: ENOENT, EINTR, and as Acquire.
  static SysStatus AwaitRelease(int dirfd, const std::string& name);

  int fd() const { return fd_.get(); }

 private:
  explicit LockFile(OwnedFd fd) : fd_(std::move(fd)) {}
  OwnedFd fd_;
};

enum class Durability {
  kSynced,  // on disk before return: fsync of the file and of its directory
  kFast,    // atomic for every reader, but a crash of the machine may bring back the old contents
};

// Replaces `name` as one step: a temporary file of our own (O_EXCL | O_NOFOLLOW) in the same
// directory, fsync, renameat2, fsync of the directory. A link that stands at `name` is replaced,
// not followed. The file's permission bits are exactly `mode`, whatever the umask. Errors: EISDIR,
// ENOSPC, EROFS …; the old contents stand.
SysStatus WriteFileAtomically(int dirfd, const std::string& name, const std::string& contents,
                              mode_t mode, Durability durability = Durability::kSynced);

// Makes a file with these contents (O_EXCL) in a directory that nobody looks into yet: half of it
// may stay there after an error. Its permission bits are exactly `mode`. Errors: EEXIST, ENOSPC …
SysStatus CreateFileBeneath(int dirfd, const std::string& name, const std::string& contents,
                            mode_t mode);

// The last time that `name` is written, with room that was kept for it: fills the file `reserve`
// beside it and puts that in its place as one step, on disk before return. Plain names, in a
// directory that is open for reading. Errors: ENOENT, EINVAL (not a regular file), EMLINK (it has a
// second name), …; then `name` stands as it was.
SysStatus ReplaceByReserve(int dirfd, const std::string& name, const std::string& reserve,
                           const std::string& contents);

// The contents of a regular file of at most `limit` bytes. Errors: EFBIG, EINVAL (not a regular
// file).
SysResult<std::string> ReadFileBeneath(int dirfd, const std::string& name, size_t limit);

// Makes a new file for appending (O_EXCL | O_APPEND), close-on-exec. Errors: EEXIST.
SysResult<OwnedFd> CreateLogBeneath(int dirfd, const std::string& name, mode_t mode);

// Opens a regular file for reading, close-on-exec. Errors: EINVAL (not a regular file).
SysResult<OwnedFd> OpenFileBeneath(int dirfd, const std::string& name);

// Opens a directory for reading, close-on-exec. Errors: ENOTDIR.
SysResult<OwnedFd> OpenDirectoryBeneath(int dirfd, const std::string& name);

// Makes one directory and opens it. Its parent must exist. Errors: EEXIST, and EPERM when somebody
// replaced the new directory by one that is not ours.
SysResult<OwnedFd> MakeDirectoryBeneath(int dirfd, const std::string& name, mode_t mode);

// Removes a directory with all that is in it, however deep, and directories of the caller's whose
// mode forbids it; never crosses a link. Errors: ENOENT, ENOTDIR, what unlinkat(2) answers; part of
// the tree may be gone then.
SysStatus RemoveTreeBeneath(int dirfd, const std::string& name);

// Opens the directory at the absolute `path`, making it and its missing parents with mode 0700. The
// last component must be a directory of our own that nobody else may write to, not a link. Parents
// are followed as they are: whoever names the path trusts them. Errors: EINVAL (a relative path),
// ELOOP or ENOTDIR (a link or a file stands there), EPERM (not ours, or writable by group or
// others).
SysResult<OwnedFd> OpenPrivateDirectory(const std::string& path);

}  // namespace sessionctl

#endif  // SANDBOX_SAFE_FILE_H_
