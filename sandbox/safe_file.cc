#include "sandbox/safe_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string_view>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr uint64_t kStrict = kResolveBeneath | kResolveNoSymlinks | kResolveNoMagiclinks;
constexpr int kMaxNameAttempts = 128;
constexpr int kMaxDepth = 32;

// openat2 gives EAGAIN while somebody renames below the directory: try again, but not forever.
SysResult<OwnedFd> OpenStrict(int dirfd, const std::string& name, uint64_t flags, mode_t mode = 0) {
  // kStrict refuses links by itself; O_NOFOLLOW beside O_DIRECTORY would only turn its ELOOP into
  // ENOTDIR.
  const uint64_t no_follow = (flags & O_DIRECTORY) != 0 ? 0 : O_NOFOLLOW;
  const OpenHow how = {.flags = flags | O_CLOEXEC | no_follow, .mode = mode, .resolve = kStrict};
  for (int attempt = 0; attempt < kMaxNameAttempts; ++attempt) {
    SysResult<OwnedFd> fd = OpenAt2(dirfd, name.c_str(), how);
    if (fd.ok() || (fd.error() != EAGAIN && fd.error() != EINTR)) return fd;
  }
  return Errno(EAGAIN);
}

// A name split into its held parent directory and its last component.
struct ParentAndLeaf {
  OwnedFd parent;
  std::string leaf;
};

SysResult<ParentAndLeaf> OpenParent(int dirfd, const std::string& name) {
  const size_t slash = name.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : name.substr(0, slash);
  std::string leaf = slash == std::string::npos ? name : name.substr(slash + 1);
  if (leaf.empty() || leaf == "." || leaf == "..") return Errno(EINVAL);
  if (slash == 0) return Errno(EXDEV);
  SysResult<OwnedFd> fd = OpenStrict(dirfd, parent, O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return Errno(fd.error());
  return ParentAndLeaf{std::move(*fd), std::move(leaf)};
}

SysStatus RequireOwnRegularFile(const struct stat& st) {
  if (!S_ISREG(st.st_mode)) return Errno(EINVAL);
  if (st.st_uid != geteuid()) return Errno(EPERM);
  if (st.st_nlink > 1) return Errno(EMLINK);
  return Done{};
}

bool SameObject(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Does `name` still refer to the object of `held`?
bool StillNamed(int dirfd, const std::string& name, const struct stat& held) {
  SysResult<OwnedFd> fd = OpenStrict(dirfd, name, O_PATH);
  if (!fd.ok()) return false;
  SysResult<struct stat> st = Fstat(fd->get());
  return st.ok() && SameObject(*st, held);
}

SysStatus Lock(int fd, int operation) {
  if (flock(fd, operation) != 0) return LastErrno();
  return Done{};
}

// Opens and checks a lock file. O_NONBLOCK: a FIFO that was planted must not hold us up.
SysResult<OwnedFd> OpenLockFile(int dirfd, const std::string& name, uint64_t create_flag) {
  SysResult<OwnedFd> fd = OpenStrict(dirfd, name, O_RDWR | O_NONBLOCK | O_NOCTTY | create_flag,
                                     create_flag != 0 ? 0600 : 0);
  if (!fd.ok()) return fd;
  SysResult<struct stat> st = Fstat(fd->get());
  if (!st.ok()) return Errno(st.error());
  SysStatus ours = RequireOwnRegularFile(*st);
  if (!ours.ok()) return Errno(ours.error());
  return fd;
}

std::string TemporaryName() {
  uint64_t random = 0;
  if (getrandom(&random, sizeof(random), 0) != sizeof(random)) random = getpid();
  char name[32];
  snprintf(name, sizeof(name), ".tmp-%016llx", static_cast<unsigned long long>(random));
  return name;
}

SysStatus Fsync(int fd) {
  if (fsync(fd) != 0) return LastErrno();
  return Done{};
}

SysStatus FillFile(int fd, const std::string& contents, mode_t mode, Durability durability) {
  SysStatus written = WriteAll(fd, contents.data(), contents.size());
  if (!written.ok()) return written;
  if (fchmod(fd, mode) != 0) return LastErrno();
  return durability == Durability::kSynced ? Fsync(fd) : Done{};
}

struct DirectoryCloser {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, DirectoryCloser>;

// Removes what is below a held directory. What lies too deep for a descriptor a level is moved up.
class TreeRemover {
 public:
  // `top`: a directory opened for reading.
  static SysStatus Empty(OwnedFd top);

 private:
  explicit TreeRemover(int top) : top_(top) {}
  SysStatus RemoveContents(DIR* directory, int depth);
  SysStatus RemoveEntry(int parent, const std::string& leaf, int depth);
  SysStatus RemoveDirectory(int parent, const std::string& leaf, int depth);
  SysStatus MoveUp(int parent, const std::string& leaf);

  const int top_;
  int moved_ = 0;
};

// A directory of ours that nobody may look into or change, as programs and the kernel's overlays
// make them, is opened first.
SysResult<OwnedFd> OpenToEmpty(int parent, const std::string& leaf) {
  SysResult<OwnedFd> pinned = OpenStrict(parent, leaf, O_PATH | O_DIRECTORY);
  if (!pinned.ok()) return pinned;
  SysResult<struct stat> info = Fstat(pinned->get());
  if (!info.ok()) return Errno(info.error());
  if (info->st_uid == geteuid() && (info->st_mode & 0700) != 0700) {
    const FdPath path(pinned->get());
    if (fchmodat(path.dirfd(), path.name(), 0700, 0) != 0) return LastErrno();
  }
  return Reopen(pinned->get(), O_RDONLY | O_DIRECTORY);
}

SysStatus TreeRemover::Empty(OwnedFd top) {
  Directory directory(fdopendir(top.get()));
  if (directory == nullptr) return LastErrno();
  TreeRemover remover(top.Release());  // now the stream's
  int moved;
  do {
    moved = remover.moved_;
    rewinddir(directory.get());
    SysStatus removed = remover.RemoveContents(directory.get(), 1);
    if (!removed.ok()) return removed;
  } while (moved != remover.moved_);
  return Done{};
}

SysStatus TreeRemover::RemoveContents(DIR* directory, int depth) {
  while (dirent* entry = readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    SysStatus removed = RemoveEntry(dirfd(directory), entry->d_name, depth);
    if (!removed.ok() && removed.error() != ENOENT) return removed;
  }
  return Done{};
}

SysStatus TreeRemover::RemoveEntry(int parent, const std::string& leaf, int depth) {
  if (unlinkat(parent, leaf.c_str(), 0) == 0) return Done{};
  // EPERM: POSIX's answer for a directory.
  if (errno != EISDIR && errno != EPERM) return LastErrno();
  return RemoveDirectory(parent, leaf, depth);
}

SysStatus TreeRemover::RemoveDirectory(int parent, const std::string& leaf, int depth) {
  if (depth >= kMaxDepth) return MoveUp(parent, leaf);
  SysResult<OwnedFd> fd = OpenToEmpty(parent, leaf);
  if (!fd.ok()) return Errno(fd.error());
  Directory directory(fdopendir(fd->get()));
  if (directory == nullptr) return LastErrno();
  fd->Release();  // now the stream's
  SysStatus emptied = RemoveContents(directory.get(), depth + 1);
  if (!emptied.ok()) return emptied;
  if (unlinkat(parent, leaf.c_str(), AT_REMOVEDIR) != 0) return LastErrno();
  return Done{};
}

// To a name of ours beside the first ones, from where it is removed in the next round. Changing its
// ".." takes the right to write to it.
SysStatus TreeRemover::MoveUp(int parent, const std::string& leaf) {
  SysResult<OwnedFd> opened = OpenToEmpty(parent, leaf);
  if (!opened.ok()) return Errno(opened.error());
  if (renameat2(parent, leaf.c_str(), top_, TemporaryName().c_str(), RENAME_NOREPLACE) != 0) {
    return LastErrno();
  }
  ++moved_;
  return Done{};
}

// One step down the path of OpenPrivateDirectory; makes what is missing.
SysResult<OwnedFd> Descend(int parent, const std::string& name, bool last) {
  const int flags = O_DIRECTORY | O_CLOEXEC | (last ? O_RDONLY | O_NOFOLLOW : O_PATH);
  SysResult<OwnedFd> fd = OpenAt(parent, name.c_str(), flags);
  if (fd.ok() || fd.error() != ENOENT) return fd;
  if (mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) return LastErrno();
  return OpenAt(parent, name.c_str(), flags | O_NOFOLLOW);
}

}  // namespace

SysResult<LockFile> LockFile::Acquire(int dirfd, const std::string& name, LockWait wait) {
  const int operation = LOCK_EX | (wait == LockWait::kTry ? LOCK_NB : 0);
  for (int attempt = 0; attempt < kMaxNameAttempts; ++attempt) {
    SysResult<OwnedFd> fd = OpenLockFile(dirfd, name, O_CREAT);
    if (!fd.ok()) return Errno(fd.error());
    SysStatus locked = Lock(fd->get(), operation);
    if (!locked.ok()) return Errno(locked.error());
    // Somebody may have removed or replaced the file while we waited; a lock on a nameless file
    // locks nothing.
    SysResult<struct stat> st = Fstat(fd->get());
    if (!st.ok()) return Errno(st.error());
    if (StillNamed(dirfd, name, *st)) return LockFile(std::move(*fd));
  }
  return Errno(EAGAIN);
}

SysResult<bool> LockFile::IsHeld(int dirfd, const std::string& name) {
  SysResult<OwnedFd> fd = OpenLockFile(dirfd, name, 0);
  if (!fd.ok()) return Errno(fd.error());
  SysStatus locked = Lock(fd->get(), LOCK_SH | LOCK_NB);
  if (!locked.ok() && locked.error() != EWOULDBLOCK) return Errno(locked.error());
  return !locked.ok();
}

SysStatus LockFile::AwaitRelease(int dirfd, const std::string& name) {
  SysResult<OwnedFd> fd = OpenLockFile(dirfd, name, 0);
  if (!fd.ok()) return Errno(fd.error());
  return Lock(fd->get(), LOCK_SH);
}

SysStatus WriteFileAtomically(int dirfd, const std::string& name, const std::string& contents,
                              mode_t mode, Durability durability) {
  SysResult<ParentAndLeaf> at = OpenParent(dirfd, name);
  if (!at.ok()) return Errno(at.error());
  const int parent = at->parent.get();
  const std::string temporary = TemporaryName();
  SysResult<OwnedFd> fd = OpenStrict(parent, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!fd.ok()) return Errno(fd.error());
  SysStatus status = FillFile(fd->get(), contents, mode, durability);
  if (status.ok() && renameat2(parent, temporary.c_str(), parent, at->leaf.c_str(), 0) != 0) {
    status = LastErrno();
  }
  if (!status.ok()) {
    unlinkat(parent, temporary.c_str(), 0);
    return status;
  }
  return durability == Durability::kSynced ? Fsync(parent) : Done{};
}

SysStatus CreateFileBeneath(int dirfd, const std::string& name, const std::string& contents,
                            mode_t mode) {
  SysResult<OwnedFd> fd = OpenStrict(dirfd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!fd.ok()) return Errno(fd.error());
  return FillFile(fd->get(), contents, mode, Durability::kFast);
}

SysStatus ReplaceByReserve(int dirfd, const std::string& name, const std::string& reserve,
                           const std::string& contents) {
  SysResult<OwnedFd> fd = OpenStrict(dirfd, reserve, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd.ok()) return Errno(fd.error());
  SysResult<struct stat> st = Fstat(fd->get());
  if (!st.ok()) return Errno(st.error());
  if (!S_ISREG(st->st_mode)) return Errno(EINVAL);
  if (st->st_nlink != 1) return Errno(EMLINK);
  SysStatus filled = WriteAll(fd->get(), contents.data(), contents.size());
  if (filled.ok() && ftruncate(fd->get(), static_cast<off_t>(contents.size())) != 0) {
    filled = LastErrno();
  }
  if (filled.ok()) filled = Fsync(fd->get());
  if (!filled.ok()) return filled;
  if (renameat2(dirfd, reserve.c_str(), dirfd, name.c_str(), 0) != 0) return LastErrno();
  return Fsync(dirfd);
}

SysResult<OwnedFd> OpenFileBeneath(int dirfd, const std::string& name) {
  SysResult<OwnedFd> fd = OpenStrict(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd.ok()) return fd;
  SysResult<struct stat> st = Fstat(fd->get());
  if (!st.ok()) return Errno(st.error());
  if (!S_ISREG(st->st_mode)) return Errno(EINVAL);
  return fd;
}

SysResult<std::string> ReadFileBeneath(int dirfd, const std::string& name, size_t limit) {
  SysResult<OwnedFd> fd = OpenFileBeneath(dirfd, name);
  if (!fd.ok()) return Errno(fd.error());
  std::string contents;
  char buffer[16384];
  for (;;) {
    const ssize_t count = read(fd->get(), buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return LastErrno();
    if (count == 0) return contents;
    contents.append(buffer, static_cast<size_t>(count));
    if (contents.size() > limit) return Errno(EFBIG);
  }
}

SysResult<OwnedFd> CreateLogBeneath(int dirfd, const std::string& name, mode_t mode) {
  return OpenStrict(dirfd, name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, mode);
}

SysResult<OwnedFd> OpenDirectoryBeneath(int dirfd, const std::string& name) {
  return OpenStrict(dirfd, name, O_RDONLY | O_DIRECTORY);
}

SysResult<OwnedFd> MakeDirectoryBeneath(int dirfd, const std::string& name, mode_t mode) {
  SysResult<ParentAndLeaf> at = OpenParent(dirfd, name);
  if (!at.ok()) return Errno(at.error());
  if (mkdirat(at->parent.get(), at->leaf.c_str(), mode) != 0) return LastErrno();
  SysResult<OwnedFd> fd = OpenStrict(at->parent.get(), at->leaf, O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return fd;
  SysResult<struct stat> st = Fstat(fd->get());
  if (!st.ok()) return Errno(st.error());
  if (st->st_uid != geteuid()) return Errno(EPERM);
  return fd;
}

SysStatus RemoveTreeBeneath(int dirfd, const std::string& name) {
  SysResult<ParentAndLeaf> at = OpenParent(dirfd, name);
  if (!at.ok()) return Errno(at.error());
  SysResult<OwnedFd> top = OpenToEmpty(at->parent.get(), at->leaf);
  if (!top.ok()) return Errno(top.error());
  SysStatus emptied = TreeRemover::Empty(std::move(*top));
  if (!emptied.ok()) return emptied;
  if (unlinkat(at->parent.get(), at->leaf.c_str(), AT_REMOVEDIR) != 0) return LastErrno();
  return Done{};
}

SysResult<OwnedFd> OpenPrivateDirectory(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (path.empty() || path[0] != '/' || end == std::string::npos) return Errno(EINVAL);
  SysResult<OwnedFd> current = OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (size_t start = 0; current.ok() && start <= end;) {
    const size_t slash = std::min(path.find('/', start), end + 1);
    const std::string component = path.substr(start, slash - start);
    start = slash + 1;
    if (component.empty()) continue;
    SysResult<OwnedFd> next = Descend(current->get(), component, slash == end + 1);
    current = std::move(next);
  }
  if (!current.ok()) return current;
  SysResult<struct stat> st = Fstat(current->get());
  if (!st.ok()) return Errno(st.error());
  if (st->st_uid != geteuid() || (st->st_mode & 022) != 0) return Errno(EPERM);
  return current;
}

}  // namespace sessionctl
