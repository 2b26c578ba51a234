// One object of a layer as it is on disk: looked at beneath a held directory, by a descriptor that
// pins it, so that all that is said of it is said of one object. Both layers may be hostile: the
// upper one was written by a session, the lower one may be changed by others meanwhile. Follows no
// link and crosses no mount point. Any thread; not between fork and exec.
#ifndef SUPERVISOR_OVERLAY_ENTRY_H_
#define SUPERVISOR_OVERLAY_ENTRY_H_

#include <sys/stat.h>
#include <time.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

// The names that overlayfs keeps for itself in a mount with "userxattr"
// (Documentation/filesystems/overlayfs.rst).
inline constexpr char kOverlayAttributes[] = "user.overlay.";

struct LayerEntry {
  dev_t device = 0;
  ino_t inode = 0;
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  uint64_t size = 0;
  uint64_t links = 0;
  dev_t represents = 0;  // st_rdev
  timespec accessed{}, modified{}, changed{};

  // What overlayfs says of it. Of an upper layer only.
  bool whiteout = false;  // the name is absent, whatever lies below
  bool opaque = false;    // a directory of which nothing below shows
  bool foreign = false;   // metacopy or redirect: nothing that a "userxattr" mount writes
  bool copied = false;    // the kernel copied it up from below
  // … and of what: struct ovl_fb, a file handle. "" where whoever mounted the overlay may not open
  // by handle (CAP_DAC_READ_SEARCH: an ordinary user may not).
  std::string origin;

  // What a copy takes along: user.*, POSIX ACLs, security.capability.
  std::map<std::string, std::string> attributes;
  std::string target;  // of a symbolic link

  bool IsDirectory() const { return S_ISDIR(mode); }
  bool IsRegular() const { return S_ISREG(mode); }
  bool IsLink() const { return S_ISLNK(mode); }
};

// "file", "directory", "symlink", "fifo", "socket", "device".
const char* EntryTypeName(mode_t mode);

// Pins `path` beneath `dirfd` (O_PATH); "" is `dirfd` itself. Errors: ENOENT, ENOTDIR, EXDEV (it
// leads out, or onto another mount), ELOOP (over a link).
SysResult<OwnedFd> PinEntry(int dirfd, const std::string& path);

// What a pinned object is. Errors: EACCES, E2BIG (more than 64 KiB of extended attributes).
SysResult<LayerEntry> ReadEntry(int pinned);

// The names in a pinned directory, sorted. Errors: EACCES; E2BIG: more than a million. And the
// first ones that the kernel lists, at most `limit`.
SysResult<std::vector<std::string>> ReadNames(int pinned);
SysResult<std::vector<std::string>> ReadSomeNames(int pinned, size_t limit);

// The file handle of a pinned object in the words of LayerEntry::origin; "" where its file system
// has none, or where the origin is none. Equal ones mean one object.
std::string HandleOf(int pinned);
std::string HandleInOrigin(const std::string& origin);

// Do two regular files have the same bytes? Looks at data only, so a hole costs nothing. Errors:
// EACCES and those of read(2).
SysResult<bool> SameContent(int pinned, int other);

// Another open file of a pinned regular file, for reading. ESTALE: it is none.
SysResult<OwnedFd> OpenContent(int pinned);

inline bool Earlier(const timespec& one, const timespec& other) {
  return one.tv_sec != other.tv_sec ? one.tv_sec < other.tv_sec : one.tv_nsec < other.tv_nsec;
}
inline bool SameTime(const timespec& one, const timespec& other) {
  return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_ENTRY_H_
