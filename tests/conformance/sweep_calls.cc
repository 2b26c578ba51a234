#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>

#include <cstring>

#include "tests/conformance/conformance.h"
#include "tests/conformance/newer_calls.h"
#include "tests/conformance/sweep.h"

namespace conformance {
namespace {

// Every open of the sweeps: no FIFO may hold it up.
long OpenNow(const char* path, int flags, mode_t mode = 0) {
  return open(path, flags | O_NONBLOCK, mode);
}

long Openat2Within(const char* path, uint64_t flags, uint64_t resolve) {
  const open_how how = {flags | O_NONBLOCK, (flags & O_CREAT) != 0 ? 0600UL : 0, resolve};
  return OpenAt2(AT_FDCWD, path, &how, sizeof(how));
}

long Socket(const char* path, bool bound) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const auto* at = reinterpret_cast<const sockaddr*>(&address);
  const long answer = bound ? bind(fd, at, sizeof(address)) : connect(fd, at, sizeof(address));
  const int error = errno;
  close(fd);
  errno = error;
  return answer;
}

long Watch(const char* path) {
  const int fd = inotify_init1(IN_CLOEXEC);
  const long answer = inotify_add_watch(fd, path, IN_ALL_EVENTS);
  const int error = errno;
  close(fd);
  errno = error;
  return answer;
}

long SetXattrAt(int dirfd, const char* path, int flags) {
  XattrArgs args = {reinterpret_cast<uint64_t>("value"), 5, 0};
  return syscall(kSetxattrat, dirfd, path, flags, "user.sweep", &args, sizeof(args));
}

long GetXattrAt(int dirfd, const char* path, int flags) {
  char value[16];
  XattrArgs args = {reinterpret_cast<uint64_t>(value), sizeof(value), 0};
  return syscall(kGetxattrat, dirfd, path, flags, "user.sweep", &args, sizeof(args));
}

// Its own attributes, set again: nothing changes, everything is looked at.
long SetAttributesAt(int dirfd, const char* path, int flags) {
  uint64_t attributes[4] = {};
  return syscall(kFileSetattr, dirfd, path, attributes, 24, flags);
}

long GetAttributesAt(int dirfd, const char* path, int flags) {
  uint64_t attributes[4] = {};
  return syscall(kFileGetattr, dirfd, path, attributes, 24, flags);
}

long Stat(const char* path, bool link) {
  struct stat info;
  return link ? lstat(path, &info) : stat(path, &info);
}

std::vector<PathCall> OpeningCalls() {
  std::vector<PathCall> calls;
  static const std::pair<const char*, int> kinds[] = {
      {"open r", O_RDONLY},
      {"open w", O_WRONLY},
      {"open w+", O_RDWR | O_CREAT},
      {"open new", O_WRONLY | O_CREAT | O_EXCL},
      {"open trunc", O_WRONLY | O_TRUNC},
      {"open dir", O_RDONLY | O_DIRECTORY},
      {"open nofollow", O_RDONLY | O_NOFOLLOW},
      {"open nofollow+", O_WRONLY | O_NOFOLLOW | O_CREAT},
      {"open path", O_PATH},
      {"open path nofollow", O_PATH | O_NOFOLLOW},
      {"open temporary", O_RDWR | O_TMPFILE}};
  for (const auto& [name, flags] : kinds) {
    const int kept = flags;
    calls.push_back({name, [kept](const char* p) { return OpenNow(p, kept, 0640); }, true});
  }
  calls.push_back({"openat2", [](const char* p) { return Openat2Within(p, O_RDWR, 0); }, true});
  static const std::pair<const char*, uint64_t> within[] = {{"beneath", RESOLVE_BENEATH},
                                                            {"in root", RESOLVE_IN_ROOT},
                                                            {"no links", RESOLVE_NO_SYMLINKS}};
  for (const auto& [name, flags] : within) {
    const uint64_t kept = flags;
    calls.push_back(
        {name, [kept](const char* p) { return Openat2Within(p, O_RDONLY, kept); }, true});
    calls.push_back(
        {name, [kept](const char* p) { return Openat2Within(p, O_RDWR | O_CREAT, kept); }, true});
  }
  return calls;
}

const PathCall kChangingCalls[] = {
    {"mkdir", [](const char* p) { return mkdir(p, 0755); }},
    {"mkfifo", [](const char* p) { return mknod(p, S_IFIFO | 0644, 0); }},
    {"mknod file", [](const char* p) { return mknod(p, S_IFREG | 0644, 0); }},
    {"mknod device", [](const char* p) { return mknod(p, S_IFCHR | 0644, makedev(1, 3)); }},
    {"symlink", [](const char* p) { return symlink("x", p); }},
    {"rmdir", [](const char* p) { return rmdir(p); }},
    {"unlink", [](const char* p) { return unlink(p); }},
    {"chmod", [](const char* p) { return chmod(p, 0701); }},
    {"chown", [](const char* p) { return chown(p, kSameUid, kSecondGroup); }},
    {"lchown", [](const char* p) { return lchown(p, kSameUid, kSecondGroup); }},
    {"utime", [](const char* p) { return utime(p, nullptr); }},
    {"utimes", [](const char* p) { return utimes(p, nullptr); }},
    {"futimesat", [](const char* p) { return syscall(SYS_futimesat, AT_FDCWD, p, nullptr); }},
    {"truncate", [](const char* p) { return truncate(p, 3); }},
    {"setxattr", [](const char* p) { return setxattr(p, "user.a", "1", 1, 0); }},
    {"lsetxattr", [](const char* p) { return lsetxattr(p, "user.a", "1", 1, 0); }},
    {"removexattr", [](const char* p) { return removexattr(p, "user.a"); }},
    {"lremovexattr", [](const char* p) { return lremovexattr(p, "user.a"); }},
    {"bind", [](const char* p) { return Socket(p, true); }},
};

const PathCall kLookingCalls[] = {
    {"connect", [](const char* p) { return Socket(p, false); }},
    {"stat", [](const char* p) { return Stat(p, false); }},
    {"lstat", [](const char* p) { return Stat(p, true); }},
    {"access", [](const char* p) { return access(p, R_OK | W_OK); }},
    {"chdir", [](const char* p) { return chdir(p); }},
    {"watch", [](const char* p) { return Watch(p); }},
    {"statfs",
     [](const char* p) {
       struct statfs info;
       return statfs(p, &info);
     }},
    {"readlink",
     [](const char* p) {
       char text[64];
       return readlink(p, text, sizeof(text));
     }},
    {"getxattr", [](const char* p) { return getxattr(p, "user.a", nullptr, 0); }},
    {"listxattr", [](const char* p) { return listxattr(p, nullptr, 0); }},
};

}  // namespace

const std::vector<PathCall>& PathCalls() {
  static const std::vector<PathCall> calls = [] {
    std::vector<PathCall> all = OpeningCalls();
    all.insert(all.end(), std::begin(kChangingCalls), std::end(kChangingCalls));
    all.insert(all.end(), std::begin(kLookingCalls), std::end(kLookingCalls));
    return all;
  }();
  return calls;
}

const std::vector<PairCall>& PairCalls() {
  const auto rename2 = [](unsigned flags) {
    return [flags](const char* from, const char* to) {
      return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
    };
  };
  static const std::vector<PairCall> calls = {
      {"rename", [](const char* from, const char* to) { return rename(from, to); }},
      {"rename noreplace", rename2(RENAME_NOREPLACE)},
      {"rename exchange", rename2(RENAME_EXCHANGE)},
      {"link", [](const char* from, const char* to) { return link(from, to); }},
      {"link following",
       [](const char* from, const char* to) {
         return linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW);
       }},
  };
  return calls;
}

const std::vector<AtCall>& AtCalls() {
  static const std::vector<AtCall> calls = {
      {"openat", [](int d, const char* p, int) { return openat(d, p, O_RDONLY | O_NONBLOCK); },
       false, true},
      {"openat+",
       [](int d, const char* p, int) { return openat(d, p, O_RDWR | O_CREAT | O_NONBLOCK, 0600); },
       false, true},
      {"mkdirat", [](int d, const char* p, int) { return mkdirat(d, p, 0755); }, false},
      {"mknodat", [](int d, const char* p, int) { return mknodat(d, p, S_IFIFO | 0600, 0); },
       false},
      {"symlinkat", [](int d, const char* p, int) { return symlinkat("x", d, p); }, false},
      {"renameat from", [](int d, const char* p, int) { return renameat(d, p, AT_FDCWD, "to"); },
       false},
      {"renameat to", [](int d, const char* p, int) { return renameat(AT_FDCWD, "f", d, p); },
       false},
      {"linkat to", [](int d, const char* p, int) { return linkat(AT_FDCWD, "f", d, p, 0); },
       false},
      {"linkat from",
       [](int d, const char* p, int flags) { return linkat(d, p, AT_FDCWD, "to", flags); }, true},
      {"unlinkat", [](int d, const char* p, int flags) { return unlinkat(d, p, flags); }, true},
      {"fchmodat2",
       [](int d, const char* p, int flags) { return syscall(kFchmodat2, d, p, 0701, flags); },
       true},
      {"fchownat",
       [](int d, const char* p, int flags) {
         return syscall(SYS_fchownat, d, p, kSameUid, kSecondGroup, flags);
       },
       true},
      {"utimensat",
       [](int d, const char* p, int flags) { return syscall(SYS_utimensat, d, p, nullptr, flags); },
       true},
      {"setxattrat", SetXattrAt, true},
      {"getxattrat", GetXattrAt, true},
      {"listxattrat",
       [](int d, const char* p, int flags) {
         return syscall(kListxattrat, d, p, flags, nullptr, 0);
       },
       true},
      {"removexattrat",
       [](int d, const char* p, int flags) {
         return syscall(kRemovexattrat, d, p, flags, "user.sweep");
       },
       true},
      {"file_setattr", SetAttributesAt, true},
      {"file_getattr", GetAttributesAt, true},
      {"faccessat2",
       [](int d, const char* p, int flags) { return syscall(SYS_faccessat2, d, p, R_OK, flags); },
       true},
      {"newfstatat",
       [](int d, const char* p, int flags) {
         struct stat info;
         return syscall(SYS_newfstatat, d, p, &info, flags);
       },
       true},
      {"statx",
       [](int d, const char* p, int flags) {
         struct statx info;
         return syscall(SYS_statx, d, p, flags, STATX_BASIC_STATS, &info);
       },
       true},
  };
  return calls;
}

}  // namespace conformance
