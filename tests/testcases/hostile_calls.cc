#include "tests/testcases/hostile_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace hostile {
namespace {

open_how how_write = {.flags = O_WRONLY, .mode = 0, .resolve = 0};
char xattr_value[] = "v";

}  // namespace

const std::vector<Call>& Calls() {
  static const std::vector<Call> kCalls = {
#ifdef SYS_open
      {"open", SYS_open, {kPath, O_WRONLY, 0}, Leaf::kFile, {}, 1, {1, 2}},
      {"open-creat", SYS_open, {kPath, O_WRONLY | O_CREAT, 0644}, Leaf::kFresh, {}, 1, {1, 2}},
      {"open-rdonly", SYS_open, {kPath, O_RDONLY, 0}, Leaf::kFile, {}, 1, {1, 2}},
      {"creat", SYS_creat, {kPath, 0644}, Leaf::kFresh, {}, -1, {1}},
      {"rename-from", SYS_rename, {kPath, kOther}, Leaf::kFile, Leaf::kFresh},
      {"rename-to", SYS_rename, {kOther, kPath}, Leaf::kFresh},
      {"mkdir", SYS_mkdir, {kPath, 0755}, Leaf::kFresh, {}, -1, {1}},
      {"rmdir", SYS_rmdir, {kPath}, Leaf::kDirectory},
      {"unlink", SYS_unlink, {kPath}, Leaf::kFile},
      {"link-from", SYS_link, {kPath, kOther}, Leaf::kFile, Leaf::kFresh},
      {"link-to", SYS_link, {kOther, kPath}, Leaf::kFresh},
      {"symlink-target", SYS_symlink, {kPath, kOther}, Leaf::kFile, Leaf::kFresh},
      {"symlink", SYS_symlink, {kOther, kPath}, Leaf::kFresh},
      {"mknod", SYS_mknod, {kPath, S_IFIFO | 0644, 0}, Leaf::kFresh, {}, -1, {1, 2}},
      {"chmod", SYS_chmod, {kPath, 0750}, Leaf::kFile, {}, -1, {1}},
      {"chown", SYS_chown, {kPath, -1, -1}, Leaf::kFile, {}, -1, {1, 2}},
      {"lchown", SYS_lchown, {kPath, -1, -1}, Leaf::kFile, {}, -1, {1, 2}},
      {"utime", SYS_utime, {kPath, 0}, Leaf::kFile},
      {"utimes", SYS_utimes, {kPath, 0}, Leaf::kFile},
      {"futimesat", SYS_futimesat, {kDir, kPath, 0}, Leaf::kFile, {}, -1, {0}},
#endif
      {"openat", SYS_openat, {kDir, kPath, O_RDWR, 0}, Leaf::kFile, {}, 2, {0, 2, 3}},
      {"openat-creat",
       SYS_openat,
       {kDir, kPath, O_RDWR | O_CREAT | O_EXCL, 0600},
       Leaf::kFresh,
       {},
       2,
       {0, 2, 3}},
      {"openat2",
       SYS_openat2,
       {kDir, kPath, Pointer(&how_write), sizeof(how_write)},
       Leaf::kFile,
       {},
       -1,
       {0}},
      {"renameat-from",
       SYS_renameat,
       {kDir, kPath, AT_FDCWD, kOther},
       Leaf::kFile,
       Leaf::kFresh,
       -1,
       {0, 2}},
      {"renameat-to",
       SYS_renameat,
       {AT_FDCWD, kOther, kDir, kPath},
       Leaf::kFresh,
       Leaf::kFile,
       -1,
       {0, 2}},
      {"renameat2",
       SYS_renameat2,
       {kDir, kPath, AT_FDCWD, kOther, RENAME_NOREPLACE},
       Leaf::kFile,
       Leaf::kFresh,
       4,
       {0, 2, 4}},
      {"renameat2-exchange",
       SYS_renameat2,
       {kDir, kPath, AT_FDCWD, kOther, RENAME_EXCHANGE},
       Leaf::kFile,
       Leaf::kDirectory,
       4,
       {0, 2, 4}},
      {"mkdirat", SYS_mkdirat, {kDir, kPath, 0755}, Leaf::kFresh, {}, -1, {0, 2}},
      {"unlinkat", SYS_unlinkat, {kDir, kPath, 0}, Leaf::kFile, {}, 2, {0, 2}},
      {"unlinkat-dir", SYS_unlinkat, {kDir, kPath, AT_REMOVEDIR}, Leaf::kDirectory, {}, 2, {0, 2}},
      {"linkat-from",
       SYS_linkat,
       {kDir, kPath, AT_FDCWD, kOther, 0},
       Leaf::kFile,
       Leaf::kFresh,
       4,
       {0, 2, 4}},
      {"linkat-to",
       SYS_linkat,
       {AT_FDCWD, kOther, kDir, kPath, 0},
       Leaf::kFresh,
       Leaf::kFile,
       4,
       {0, 2, 4}},
      {"symlinkat", SYS_symlinkat, {kOther, kDir, kPath}, Leaf::kFresh, {}, -1, {1}},
      {"mknodat", SYS_mknodat, {kDir, kPath, S_IFREG | 0644, 0}, Leaf::kFresh, {}, -1, {0, 2, 3}},
      {"fchmodat", SYS_fchmodat, {kDir, kPath, 0750}, Leaf::kFile, {}, -1, {0, 2}},
      {"fchmodat2", SYS_fchmodat2, {kDir, kPath, 0750, 0}, Leaf::kFile, {}, 3, {0, 2, 3}},
      {"fchownat", SYS_fchownat, {kDir, kPath, -1, -1, 0}, Leaf::kFile, {}, 4, {0, 2, 3, 4}},
      {"utimensat", SYS_utimensat, {kDir, kPath, 0, 0}, Leaf::kFile, {}, 3, {0, 3}},
      {"truncate", SYS_truncate, {kPath, 1}, Leaf::kFile},
      {"setxattr",
       SYS_setxattr,
       {kPath, Pointer("user.k"), Pointer(xattr_value), 1, 0},
       Leaf::kFile,
       {},
       4,
       {4}},
      {"lsetxattr",
       SYS_lsetxattr,
       {kPath, Pointer("user.k"), Pointer(xattr_value), 1, 0},
       Leaf::kFile,
       {},
       4,
       {4}},
      {"removexattr", SYS_removexattr, {kPath, Pointer("user.none")}, Leaf::kFile},
      {"lremovexattr", SYS_lremovexattr, {kPath, Pointer("user.none")}, Leaf::kFile},
  };
  return kCalls;
}

long Make(const Call& call, const std::vector<long>& args) {
  long a[6] = {};
  for (size_t i = 0; i < args.size(); ++i) a[i] = args[i];
  errno = 0;
  return syscall(call.nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

bool OpensDescriptor(const Call& call) {
  return strncmp(call.name, "open", 4) == 0 || strcmp(call.name, "creat") == 0;
}

void Put(const std::string& path, Leaf leaf) {
  if (leaf == Leaf::kDirectory) {
    mkdir(path.c_str(), 0755);
  } else if (leaf == Leaf::kFile) {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT, 0644);
    if (fd >= 0) {
      if (write(fd, "content", 7) != 7) perror("write");
      close(fd);
    }
  }
}

void Report(const std::string& call, const std::string& what, long result) {
  const int error = result < 0 ? errno : 0;
  printf("{\"call\":\"%s\",\"case\":\"%s\",\"errno\":\"%s\"}\n", call.c_str(), what.c_str(),
         error == 0 ? "OK" : strerrorname_np(error));
}

}  // namespace hostile
