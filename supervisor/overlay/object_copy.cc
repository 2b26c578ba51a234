#include "supervisor/overlay/object_copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr size_t kBlock = size_t{1} << 20;
constexpr off_t kRange = off_t{64} << 20;  // what one copy_file_range may take
constexpr char kFileCapabilities[] = "security.capability";

SysStatus Status(int result) {
  if (result != 0) return LastErrno();
  return Done{};
}

SysStatus CopyByHand(int from, int to, off_t offset, off_t size, char* buffer) {
  while (size > 0) {
    const ssize_t got = pread(from, buffer, std::min(kBlock, static_cast<size_t>(size)), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return LastErrno();
    if (got == 0) return Done{};
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = pwrite(to, buffer + done, static_cast<size_t>(got - done), offset + done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return LastErrno();
      done += put;
    }
    offset += got;
    size -= got;
  }
  return Done{};
}

// One stretch of data, by the file system itself where it can.
SysStatus CopyRange(int from, int to, off_t offset, off_t size, char* buffer) {
  off_t in = offset, out = offset;
  while (size > 0) {
    const ssize_t done = copy_file_range(from, &in, to, &out, static_cast<size_t>(size), 0);
    if (done <= 0) return CopyByHand(from, to, in, size, buffer);
    size -= done;
  }
  return Done{};
}

SysStatus CopyContent(int from, int to, const std::function<bool()>& stop) {
  if (ioctl(to, FICLONE, from) == 0) return Done{};
  SysResult<struct stat> st = Fstat(from);
  if (!st.ok()) return Errno(st.error());
  const auto buffer = std::make_unique<char[]>(kBlock);
  for (off_t offset = 0; offset < st->st_size;) {
    if (stop && stop()) return Errno(ECANCELED);
    const off_t data = lseek(from, offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    const off_t begin = data < 0 ? offset : data;
    const off_t hole = data < 0 ? st->st_size : lseek(from, begin, SEEK_HOLE);
    if (hole < 0) return LastErrno();
    const off_t size = std::min(hole - begin, kRange);
    if (SysStatus copied = CopyRange(from, to, begin, size, buffer.get()); !copied.ok()) {
      return copied;
    }
    offset = begin + std::max(size, off_t{1});
  }
  return Status(ftruncate(to, st->st_size));
}

SysStatus MakeCopy(int pinned, const LayerEntry& entry, int directory, const std::string& name,
                   const std::function<bool()>& stop) {
  const char* leaf = name.c_str();
  if (entry.IsDirectory()) return Status(mkdirat(directory, leaf, 0700));
  if (entry.IsLink()) return Status(symlinkat(entry.target.c_str(), directory, leaf));
  if (S_ISFIFO(entry.mode)) return Status(mknodat(directory, leaf, S_IFIFO | 0600, 0));
  if (!entry.IsRegular()) return Errno(ENOTSUP);
  SysResult<OwnedFd> from = OpenContent(pinned);
  if (!from.ok()) return Errno(from.error());
  SysResult<OwnedFd> to =
      OpenAt(directory, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY, 0600);
  if (!to.ok()) return Errno(to.error());
  return CopyContent(from->get(), to->get(), stop);
}

// So that the owner himself may set its attributes, and change what is in it.
SysStatus Unlock(int pinned, const LayerEntry& entry) {
  const mode_t needed = entry.IsDirectory() ? 0700 : 0600;
  if (entry.IsLink() || (entry.mode & needed) == needed || geteuid() == 0) return Done{};
  return Status(chmod(FdPath(pinned).c_str(), (entry.mode & 07777) | needed));
}

SysStatus SetExtended(int pinned, const LayerEntry& now, const ObjectAttributes& wanted) {
  if (now.attributes == wanted.attributes) return Done{};
  const FdPath path(pinned);
  for (const auto& [name, value] : now.attributes) {
    if (wanted.attributes.contains(name)) continue;
    if (removexattr(path.c_str(), name.c_str()) != 0 && errno != ENODATA) return LastErrno();
  }
  for (const auto& [name, value] : wanted.attributes) {
    const auto found = now.attributes.find(name);
    if (found != now.attributes.end() && found->second == value) continue;
    if (setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) != 0) {
      return LastErrno();
    }
  }
  return Done{};
}

constexpr int kRemovalDepth = 64;
constexpr size_t kRemovedAtOnce = 4096;

// Removes a pinned tree without recursing further than that: what lies deeper is moved up to `top`,
// which is emptied until nothing is left.
class Removal {
 public:
  explicit Removal(int top) : top_(top) {}

  SysStatus Run() {
    for (;;) {
      SysResult<std::vector<std::string>> names = ReadSomeNames(top_, 1);
      if (!names.ok()) return Errno(names.error());
      if (names->empty()) return Done{};
      if (SysStatus emptied = Empty(top_, 0); !emptied.ok()) return emptied;
    }
  }

 private:
  SysStatus Empty(int directory, int depth) {
    for (;;) {
      SysResult<std::vector<std::string>> names = ReadSomeNames(directory, kRemovedAtOnce);
      if (!names.ok()) return Errno(names.error());
      for (const std::string& name : *names) {
        if (SysStatus removed = Remove(directory, name, depth); !removed.ok()) return removed;
      }
      // What was moved up is emptied by Run.
      if (names->size() < kRemovedAtOnce) return Done{};
    }
  }

  SysStatus Remove(int directory, const std::string& name, int depth) {
    if (unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return Done{};
    if (errno != EISDIR && errno != EPERM) return LastErrno();
    SysResult<OwnedFd> child = PinEntry(directory, name);
    if (!child.ok()) return Errno(child.error());
    SysResult<LayerEntry> entry = ReadEntry(child->get());
    if (!entry.ok()) return Errno(entry.error());
    if (!entry->IsDirectory()) return Errno(EPERM);  // immutable, or not ours in a sticky directory
    if (SysStatus unlocked = Unlock(child->get(), *entry); !unlocked.ok()) return unlocked;
    if (depth == kRemovalDepth) {
      const std::string moved = ".removed-" + std::to_string(++moved_);
      return Status(renameat2(directory, name.c_str(), top_, moved.c_str(), RENAME_NOREPLACE));
    }
    if (SysStatus emptied = Empty(child->get(), depth + 1); !emptied.ok()) return emptied;
    return Status(unlinkat(directory, name.c_str(), AT_REMOVEDIR));
  }

  const int top_;
  int moved_ = 0;
};

}  // namespace

ObjectAttributes AttributesOf(const LayerEntry& entry) {
  return {.mode = entry.mode & 07777,
          .uid = entry.uid,
          .gid = entry.gid,
          .accessed = entry.accessed,
          .modified = entry.modified,
          .attributes = entry.attributes};
}

bool DropPrivileges(mode_t type, ObjectAttributes* attributes) {
  // On a directory the set-group-ID bit says whose new files are, and lends nothing.
  const mode_t bits = S_ISDIR(type) ? 0 : attributes->mode & (S_ISUID | S_ISGID);
  attributes->mode &= ~bits;
  return attributes->attributes.erase(kFileCapabilities) > 0 || bits != 0;
}

SysStatus SetAttributes(int pinned, const ObjectAttributes& wanted, bool times) {
  SysResult<LayerEntry> now = ReadEntry(pinned);
  if (!now.ok()) return Errno(now.error());
  const bool plain = now->IsRegular() || now->IsDirectory() || S_ISFIFO(now->mode);
  if (!plain && !now->IsLink()) return Errno(ESTALE);
  SysStatus done = Done{};
  if (now->uid != wanted.uid || now->gid != wanted.gid) {
    done = Status(fchownat(pinned, "", wanted.uid, wanted.gid, AT_EMPTY_PATH));
  }
  if (done.ok() && plain && now->attributes != wanted.attributes) {
    done = Unlock(pinned, *now);
    if (done.ok()) done = SetExtended(pinned, *now, wanted);
  }
  // After the owner and the ACL, which both change it.
  if (done.ok() && plain) done = Status(chmod(FdPath(pinned).c_str(), wanted.mode));
  if (done.ok() && times) {
    const timespec both[2] = {wanted.accessed, wanted.modified};
    done = Status(utimensat(pinned, "", both, AT_EMPTY_PATH));
  }
  return done;
}

SysResult<OwnedFd> CopyObject(int pinned, const LayerEntry& entry, int directory,
                              const std::string& name, const std::function<bool()>& stop) {
  if (SysStatus made = MakeCopy(pinned, entry, directory, name, stop); !made.ok()) {
    return Errno(made.error());
  }
  return PinEntry(directory, name);
}

SysStatus RemoveContents(int pinned) {
  SysResult<LayerEntry> entry = ReadEntry(pinned);
  if (!entry.ok()) return Errno(entry.error());
  if (SysStatus unlocked = Unlock(pinned, *entry); !unlocked.ok()) return unlocked;
  return Removal(pinned).Run();
}

SysStatus RemoveObject(int directory, const std::string& name) {
  if (unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return Done{};
  if (errno != EISDIR && errno != EPERM) return LastErrno();
  SysResult<OwnedFd> pinned = PinEntry(directory, name);
  if (!pinned.ok()) return Errno(pinned.error());
  if (SysStatus emptied = RemoveContents(pinned->get()); !emptied.ok()) return emptied;
  return Status(unlinkat(directory, name.c_str(), AT_REMOVEDIR));
}

}  // namespace sessionctl
