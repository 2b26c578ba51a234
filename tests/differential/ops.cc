#include "tests/differential/ops.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

namespace differential {
namespace {

// Numbers that the build machine's headers may lack; all architectures share those from 424 on.
constexpr long kOpenat2 = 437;
constexpr long kFaccessat2 = 439;
constexpr long kFchmodat2 = 452;
constexpr long kSetxattrat = 463;
constexpr long kGetxattrat = 464;
constexpr long kListxattrat = 465;
constexpr long kRemovexattrat = 466;
constexpr long kFileGetattr = 468;
constexpr long kFileSetattr = 469;

// clang-format off
std::vector<Op> MakeOps() {
  return {
      // What is mediated.
      {"openat", SYS_openat, "dpom", 30, true},
      {"openat2", kOpenat2, "dpH", 14, true},
      {"renameat", SYS_renameat, "dpdp", 6},
      {"renameat2", SYS_renameat2, "dpdpr", 8},
      {"mkdirat", SYS_mkdirat, "dpm", 6},
      {"unlinkat", SYS_unlinkat, "dpa", 8},
      {"linkat", SYS_linkat, "dpdpa", 8},
      {"symlinkat", SYS_symlinkat, "tdp", 5},
      {"mknodat", SYS_mknodat, "dpmn", 4},
      {"fchmod", SYS_fchmod, "fm", 6},
      {"fchmodat", SYS_fchmodat, "dpm", 4},
      {"fchmodat2", kFchmodat2, "dpma", 5},
      {"fchown", SYS_fchown, "fuu", 5},
      {"fchownat", SYS_fchownat, "dpuua", 6},
      {"utimensat", SYS_utimensat, "dpTa", 8},
      {"truncate", SYS_truncate, "pn", 5},
      {"setxattr", SYS_setxattr, "pNvn", 5},
      {"lsetxattr", SYS_lsetxattr, "pNvn", 3},
      {"fsetxattr", SYS_fsetxattr, "fNvn", 4},
      {"setxattrat", kSetxattrat, "dpaNZ", 4},
      {"removexattr", SYS_removexattr, "pN", 3},
      {"lremovexattr", SYS_lremovexattr, "pN", 2},
      {"fremovexattr", SYS_fremovexattr, "fN", 2},
      {"removexattrat", kRemovexattrat, "dpaN", 3},
      {"file_setattr", kFileSetattr, "dpAa", 3},
#ifdef SYS_open
      {"open", SYS_open, "pom", 30, true},
      {"creat", SYS_creat, "pm", 6, true},
      {"rename", SYS_rename, "pp", 10},
      {"mkdir", SYS_mkdir, "pm", 8},
      {"rmdir", SYS_rmdir, "p", 6},
      {"unlink", SYS_unlink, "p", 8},
      {"link", SYS_link, "pp", 8},
      {"symlink", SYS_symlink, "tp", 8},
      {"mknod", SYS_mknod, "pmn", 4},
      {"chmod", SYS_chmod, "pm", 10},
      {"chown", SYS_chown, "puu", 5},
      {"lchown", SYS_lchown, "puu", 4},
      {"utime", SYS_utime, "pU", 3},
      {"utimes", SYS_utimes, "pV", 3},
      {"futimesat", SYS_futimesat, "dpV", 4},
#endif
      // What observes.
      {"newfstatat", SYS_newfstatat, "dpSa", 8},
      {"statx", SYS_statx, "dpanX", 6},
      {"fstat", SYS_fstat, "fS", 6},
      {"faccessat", SYS_faccessat, "dpn", 2},
      {"faccessat2", kFaccessat2, "dpna", 4},
      {"readlinkat", SYS_readlinkat, "dpB", 3},
      {"getxattr", SYS_getxattr, "pNB", 2},
      {"lgetxattr", SYS_lgetxattr, "pNB", 1},
      {"fgetxattr", SYS_fgetxattr, "fNB", 2},
      {"listxattr", SYS_listxattr, "pB", 2},
      {"flistxattr", SYS_flistxattr, "fB", 2},
      {"getxattrat", kGetxattrat, "dpaNZ", 1},
      {"listxattrat", kListxattrat, "dpaB", 1},
      {"file_getattr", kFileGetattr, "dpBa", 1},
      {"listdir", -1, "f", 5},
      {"read", SYS_read, "fB", 6},
      {"pread64", SYS_pread64, "fBn", 3},
      {"write", SYS_write, "fv", 12},
      {"pwrite64", SYS_pwrite64, "fvn", 4},
      {"lseek", SYS_lseek, "fnn", 4},
      {"ftruncate", SYS_ftruncate, "fn", 6},
      {"fallocate", SYS_fallocate, "fnnn", 2},
      {"dup", SYS_dup, "f", 3, true},
      {"dup3", SYS_dup3, "fno", 2, true},
      {"fcntl", SYS_fcntl, "fnn", 6},
      {"close", SYS_close, "f", 8},
      {"getcwd", SYS_getcwd, "B", 2},
      {"chdir", SYS_chdir, "p", 6},
      {"fchdir", SYS_fchdir, "f", 3},
      {"umask", SYS_umask, "m", 4},
#ifdef SYS_open
      {"stat", SYS_stat, "pS", 4},
      {"lstat", SYS_lstat, "pS", 4},
      {"access", SYS_access, "pn", 3},
      {"readlink", SYS_readlink, "pB", 3},
      {"dup2", SYS_dup2, "fn", 2, true},
#endif
      // Whom it happens to.
      {"spawn", -1, "ww", 0},
      {"unshare", SYS_unshare, "n", 2},
      {"limit", -1, "wn", 3},
      {"exit", -1, "", 1},
  };
}
// clang-format on

}  // namespace

const std::vector<Op>& Ops() {
  static const std::vector<Op>* const ops = new std::vector<Op>(MakeOps());
  return *ops;
}

const Op* FindOp(const std::string& name) {
  static const auto* const index = [] {
    auto* map = new std::map<std::string, const Op*>;
    for (const Op& op : Ops()) map->emplace(op.name, &op);
    return map;
  }();
  const auto it = index->find(name);
  return it == index->end() ? nullptr : it->second;
}

const std::vector<NamedNumber>& OpenFlagNames() {
  static const std::vector<NamedNumber> kNames = {
      {"O_RDONLY", O_RDONLY},     {"O_WRONLY", O_WRONLY},   {"O_RDWR", O_RDWR},
      {"O_CREAT", O_CREAT},       {"O_EXCL", O_EXCL},       {"O_NOCTTY", O_NOCTTY},
      {"O_TRUNC", O_TRUNC},       {"O_APPEND", O_APPEND},   {"O_NONBLOCK", O_NONBLOCK},
      {"O_DSYNC", O_DSYNC},       {"O_SYNC", O_SYNC},       {"O_ASYNC", O_ASYNC},
      {"O_DIRECT", O_DIRECT},     {"O_LARGEFILE", 0100000}, {"O_DIRECTORY", O_DIRECTORY},
      {"O_NOFOLLOW", O_NOFOLLOW}, {"O_NOATIME", O_NOATIME}, {"O_CLOEXEC", O_CLOEXEC},
      {"O_PATH", O_PATH},         {"O_TMPFILE", O_TMPFILE}, {"O_ACCMODE", O_ACCMODE},
  };
  return kNames;
}

const std::vector<NamedNumber>& AtFlagNames() {
  static const std::vector<NamedNumber> kNames = {
      {"AT_SYMLINK_NOFOLLOW", AT_SYMLINK_NOFOLLOW},
      {"AT_SYMLINK_FOLLOW", AT_SYMLINK_FOLLOW},
      {"AT_EMPTY_PATH", AT_EMPTY_PATH},
      {"AT_REMOVEDIR", AT_REMOVEDIR},
      {"AT_EACCESS", AT_EACCESS},
      {"AT_NO_AUTOMOUNT", AT_NO_AUTOMOUNT},
  };
  return kNames;
}

const std::vector<NamedNumber>& OtherNames() {
  static const std::vector<NamedNumber> kNames = {
      {"RENAME_NOREPLACE", RENAME_NOREPLACE},
      {"RENAME_EXCHANGE", RENAME_EXCHANGE},
      {"RENAME_WHITEOUT", 4},
      {"RESOLVE_NO_XDEV", 1},
      {"RESOLVE_NO_MAGICLINKS", 2},
      {"RESOLVE_NO_SYMLINKS", 4},
      {"RESOLVE_BENEATH", 8},
      {"RESOLVE_IN_ROOT", 16},
      {"RESOLVE_CACHED", 32},
      {"S_IFREG", S_IFREG},
      {"S_IFDIR", S_IFDIR},
      {"S_IFCHR", S_IFCHR},
      {"S_IFBLK", S_IFBLK},
      {"S_IFIFO", S_IFIFO},
      {"S_IFSOCK", S_IFSOCK},
      {"S_IFLNK", S_IFLNK},
      {"F_DUPFD", F_DUPFD},
      {"F_DUPFD_CLOEXEC", F_DUPFD_CLOEXEC},
      {"F_GETFD", F_GETFD},
      {"F_SETFD", F_SETFD},
      {"F_GETFL", F_GETFL},
      {"F_SETFL", F_SETFL},
      {"CLONE_FS", CLONE_FS},
      {"CLONE_FILES", CLONE_FILES},
  };
  return kNames;
}

int64_t ParseNumber(const std::string& word) {
  static const auto* const names = [] {
    auto* map = new std::map<std::string, int64_t>;
    for (const auto* list : {&OpenFlagNames(), &AtFlagNames(), &OtherNames()}) {
      for (const NamedNumber& entry : *list) map->emplace(entry.name, entry.value);
    }
    return map;
  }();
  int64_t value = 0;
  for (size_t at = 0; at <= word.size();) {
    size_t end = word.find('|', at);
    if (end == std::string::npos) end = word.size();
    const std::string part = word.substr(at, end - at);
    const auto it = names->find(part);
    if (it != names->end()) {
      value |= it->second;
    } else if (part[0] == '-') {
      value |= strtoll(part.c_str(), nullptr, 0);
    } else {
      value |= static_cast<int64_t>(strtoull(part.c_str(), nullptr, 0));
    }
    at = end + 1;
  }
  return value;
}

}  // namespace differential
