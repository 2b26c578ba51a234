// A caller whose arguments are as bad as they get. Each mode prints JSON lines; run bare and in a
// session, the lines must be the same, except those of `flip`, `storm` and `killed`, which count.
//
//   hostile_caller errnos                 every path call × every bad argument, below the working
//   directory hostile_caller flip INSIDE OUTSIDE N  a second thread flips the path's bytes between
//   two directories of equal
//                                         length during N rounds of every call
//   hostile_caller storm THREADS ROUNDS   threads that create, rename, link and remove at once
//   hostile_caller emfile                 no free descriptor in the caller
//   hostile_caller killed ROUNDS          children killed in the middle of their calls
//   hostile_caller signals ROUNDS         a timer's signal every 200 µs while it creates files with
//   O_EXCL
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace {

constexpr size_t kPage = 4096;

// What stands in a row for an argument that the case fills in.
enum : long {
  kPath = -100001,   // the path under test
  kOther = -100002,  // the other path of a two-path call
  kDir = -100003,    // AT_FDCWD, or the case's bad descriptor
};

enum class Leaf { kFile, kDirectory, kFresh };

struct Call {
  const char* name;
  long nr;
  std::vector<long> args;
  Leaf leaf;  // what must stand at the path for the call to succeed
  Leaf other_leaf = Leaf::kFile;
  int flags_arg = -1;              // a flags register, for unknown bits
  std::vector<int> int_args = {};  // 32-bit registers, for garbage in the high halves
};

open_how how_write = {.flags = O_WRONLY, .mode = 0, .resolve = 0};
char xattr_value[] = "v";

long Pointer(const void* pointer) { return reinterpret_cast<long>(pointer); }

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

// ---- errnos ----

struct Guarded {
  char* start;  // a readable and writable page …
  char* end;    // … behind which nothing is mapped
};

Guarded MapGuarded(int behind) {
  char* pages = static_cast<char*>(
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (pages == MAP_FAILED) abort();
  if (behind < 0) {
    munmap(pages + kPage, kPage);
  } else {
    mprotect(pages + kPage, kPage, behind);
  }
  return {pages, pages + kPage};
}

struct Case {
  const char* name;
  // From the good path to the argument; the string is kept alive by the caller.
  std::function<const char*(std::string& path)> path;
  std::string leaf = "leaf";  // the last component's name
};

std::string Repeated(const std::string& tail, size_t total) {
  std::string path;
  while (path.size() + 2 + tail.size() <= total) path += "./";
  while (path.size() + tail.size() < total) path += "/";
  return path + tail;
}

std::vector<Case> Cases() {
  static const Guarded kUnmapped = MapGuarded(-1);
  static const Guarded kNoAccess = MapGuarded(PROT_NONE);
  static const Guarded kReadable = MapGuarded(PROT_READ | PROT_WRITE);
  auto same = [](std::string& path) { return path.c_str(); };
  auto total = [](size_t bytes) {
    return [bytes](std::string& path) {
      path = Repeated(path, bytes);
      return path.c_str();
    };
  };
  // Puts the path so that `before` of its bytes stand on the first page.
  auto across = [](Guarded pages, size_t before) {
    return [pages, before](std::string& path) -> const char* {
      char* at = pages.end - before;
      memcpy(at, path.c_str(), before);
      if (pages.start == kReadable.start)
        memcpy(pages.end, path.c_str() + before, path.size() + 1 - before);
      return at;
    };
  };
  return {
      {"good", same},
      {"null", [](std::string&) -> const char* { return nullptr; }},
      {"unmapped", [](std::string&) -> const char* { return reinterpret_cast<const char*>(0x10); }},
      {"kernel-address",
       [](std::string&) { return reinterpret_cast<const char*>(0xffffffff81000000ul); }},
      {"non-canonical",
       [](std::string&) { return reinterpret_cast<const char*>(0x8000000000000000ul); }},
      {"unterminated-page",
       [](std::string&) -> const char* {
         memset(kUnmapped.start, 'a', kPage);
         return kUnmapped.start;
       }},
      {"unterminated-few",
       [](std::string&) -> const char* {
         memset(kUnmapped.end - 3, 'a', 3);
         return kUnmapped.end - 3;
       }},
      {"terminated-at-the-end",
       [](std::string& path) -> const char* {
         return static_cast<char*>(
             memcpy(kUnmapped.end - path.size() - 1, path.c_str(), path.size() + 1));
       }},
      {"page-crossing", across(kReadable, 3)},
      {"second-page-unmapped", across(kUnmapped, 3)},
      {"second-page-prot-none", across(kNoAccess, 3)},
      {"empty", [](std::string& path) { return (path = "").c_str(); }},
      {"4095-bytes", total(4095)},
      {"4096-bytes", total(4096)},
      {"8000-bytes", total(8000)},
      {"non-utf-8-name", same, "\xff\xfe\x80\x01"},
      {"newline-name", same, "a\nb\"c\\"},
      {"255-byte-name", same, std::string(255, 'n')},
      {"256-byte-name", same, std::string(256, 'n')},
      {"trailing-slash", [](std::string& path) { return (path += "/").c_str(); }},
      {"trailing-dot", [](std::string& path) { return (path += "/.").c_str(); }},
      {"trailing-dot-dot", [](std::string& path) { return (path += "/..").c_str(); }},
      {"doubled-slashes",
       [](std::string& path) {
         return (path = path.substr(0, path.find('/')) + "///" + path.substr(path.find('/') + 1))
             .c_str();
       }},
      {"missing-parent", [](std::string& path) { return (path = "no-such/" + path).c_str(); }},
      {"file-as-parent",
       [](std::string& path) {
         return (path = path.substr(0, path.find('/')) + "/file/x").c_str();
       }},
      {"link-loop",
       [](std::string& path) {
         return (path = path.substr(0, path.find('/')) + "/loop/x").c_str();
       }},
      {"link-loop-leaf",
       [](std::string& path) { return (path = path.substr(0, path.find('/')) + "/loop").c_str(); }},
      {"dangling-link",
       [](std::string& path) {
         return (path = path.substr(0, path.find('/')) + "/dangling").c_str();
       }},
      {"link-to-file",
       [](std::string& path) {
         return (path = path.substr(0, path.find('/')) + "/pointer").c_str();
       }},
      {"dot", [](std::string& path) { return (path = ".").c_str(); }},
  };
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

std::string MakeSceneDirectory() {
  static int number = 0;
  const std::string directory = "c" + std::to_string(number++);
  mkdir(directory.c_str(), 0755);
  Put(directory + "/file", Leaf::kFile);
  if (symlink("loop", (directory + "/loop").c_str()) < 0) perror("symlink");
  if (symlink("nowhere", (directory + "/dangling").c_str()) < 0) perror("symlink");
  if (symlink("file", (directory + "/pointer").c_str()) < 0) perror("symlink");
  return directory;
}

void Report(const std::string& call, const std::string& what, long result) {
  const int error = result < 0 ? errno : 0;
  printf("{\"call\":\"%s\",\"case\":\"%s\",\"errno\":\"%s\"}\n", call.c_str(), what.c_str(),
         error == 0 ? "OK" : strerrorname_np(error));
}

// One call with `path` and `dirfd`; `change` may spoil the registers.
void TryCall(const Call& call, const std::string& what, const char* path,
             const std::string& directory, int dirfd,
             const std::function<void(std::vector<long>&)>& change) {
  const std::string other = directory + "/other";
  Put(other, call.other_leaf);
  std::vector<long> args = call.args;
  for (long& arg : args) {
    if (arg == kPath) arg = Pointer(path);
    if (arg == kOther) arg = Pointer(other.c_str());
    if (arg == kDir) arg = dirfd;
  }
  if (change) change(args);
  const long result = Make(call, args);
  Report(call.name, what, result);
  if (result >= 0 && OpensDescriptor(call)) close(static_cast<int>(result));
}

bool HasDirectoryArgument(const Call& call) {
  for (const long arg : call.args) {
    if (arg == kDir) return true;
  }
  return false;
}

void TryPaths(const Call& call) {
  for (const Case& a_case : Cases()) {
    const std::string directory = MakeSceneDirectory();
    std::string path = directory + "/" + a_case.leaf;
    Put(path, call.leaf);
    const char* argument = a_case.path(path);
    TryCall(call, a_case.name, argument, directory, AT_FDCWD, nullptr);
  }
}

void TryRegisters(const Call& call) {
  auto fresh = [&call](std::string& path) {
    const std::string directory = MakeSceneDirectory();
    path = directory + "/leaf";
    Put(path, call.leaf);
    return directory;
  };
  std::string path;
  if (call.flags_arg >= 0) {
    for (const int bits : {0x40000000, 0x10, static_cast<int>(0x80000000u), -1}) {
      if (bits == -1 && OpensDescriptor(call))
        continue;  // O_PATH, O_TMPFILE and all others at once
      const std::string directory = fresh(path);
      TryCall(call, "flags|" + std::to_string(bits), path.c_str(), directory, AT_FDCWD,
              [&call, bits](std::vector<long>& args) {
                args[call.flags_arg] |= static_cast<unsigned>(bits);
              });
    }
  }
  if (!call.int_args.empty()) {
    const std::string directory = fresh(path);
    TryCall(call, "garbage-in-high-bits", path.c_str(), directory, AT_FDCWD,
            [&call](std::vector<long>& args) {
              for (const int i : call.int_args) {
                args[i] = static_cast<long>((0xdeadbeeful << 32) | static_cast<unsigned>(args[i]));
              }
            });
  }
  if (!HasDirectoryArgument(call)) return;
  int pipes[2];
  if (pipe(pipes) < 0) abort();
  const int regular = open("/proc/self/exe", O_RDONLY);
  const int sock = socket(AF_UNIX, SOCK_STREAM, 0);
  const std::pair<const char*, int> kDescriptors[] = {{"closed", 987},        {"minus-one", -1},
                                                      {"minimum", INT32_MIN}, {"pipe", pipes[0]},
                                                      {"file", regular},      {"socket", sock}};
  for (const auto& [name, fd] : kDescriptors) {
    const std::string directory = fresh(path);
    TryCall(call, std::string("dirfd-") + name, path.c_str(), directory, fd, nullptr);
  }
  const std::string directory = fresh(path);
  const int good = open(directory.c_str(), O_PATH | O_DIRECTORY);
  TryCall(call, "dirfd-good", "leaf", directory, good, nullptr);
  // An absolute path needs no directory: the descriptor is not looked at.
  char cwd[4096];
  if (getcwd(cwd, sizeof(cwd)) == nullptr) abort();
  const std::string second = fresh(path);
  TryCall(call, "absolute-with-bad-dirfd", (std::string(cwd) + "/" + path).c_str(), second, 987,
          nullptr);
  for (const int fd : {pipes[0], pipes[1], regular, sock, good}) close(fd);
}

// Pointers and values besides the path.
void TryOtherArguments() {
  const std::string directory = MakeSceneDirectory();
  const std::string file = directory + "/file";
  const char* f = file.c_str();
  const void* bad = reinterpret_cast<const void*>(0x10);
  const std::string long_name = "user." + std::string(256, 'n');
  static char big[70000];
  Report("setxattr", "name-null", syscall(SYS_setxattr, f, nullptr, "v", 1, 0));
  Report("setxattr", "name-unmapped", syscall(SYS_setxattr, f, bad, "v", 1, 0));
  Report("setxattr", "name-empty", syscall(SYS_setxattr, f, "", "v", 1, 0));
  Report("setxattr", "name-long", syscall(SYS_setxattr, f, long_name.c_str(), "v", 1, 0));
  Report("setxattr", "value-unmapped", syscall(SYS_setxattr, f, "user.k", bad, 1, 0));
  Report("setxattr", "value-too-big", syscall(SYS_setxattr, f, "user.k", big, 65537, 0));
  Report("setxattr", "value-empty", syscall(SYS_setxattr, f, "user.k", nullptr, 0, 0));
  Report("setxattr", "replace-missing",
         syscall(SYS_setxattr, f, "user.none", "v", 1, XATTR_REPLACE));
  Report("setxattr", "unknown-namespace", syscall(SYS_setxattr, f, "odd.k", "v", 1, 0));
  Report("removexattr", "name-unmapped", syscall(SYS_removexattr, f, bad));
  Report("removexattr", "missing", syscall(SYS_removexattr, f, "user.none"));
  Report("utimensat", "times-unmapped", syscall(SYS_utimensat, AT_FDCWD, f, bad, 0));
  const timespec odd[2] = {{0, 2000000000}, {0, 0}};
  Report("utimensat", "nanoseconds", syscall(SYS_utimensat, AT_FDCWD, f, odd, 0));
  const timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  Report("utimensat", "omit", syscall(SYS_utimensat, AT_FDCWD, f, omit, 0));
  Report("utimensat", "null-path", syscall(SYS_utimensat, AT_FDCWD, nullptr, nullptr, 0));
  Report("truncate", "negative", syscall(SYS_truncate, f, -1L));
  Report("truncate", "directory", syscall(SYS_truncate, directory.c_str(), 1L));
  Report("openat2", "how-unmapped", syscall(SYS_openat2, AT_FDCWD, f, bad, sizeof(open_how)));
  Report("openat2", "size-zero", syscall(SYS_openat2, AT_FDCWD, f, &how_write, 0));
  Report("openat2", "size-small", syscall(SYS_openat2, AT_FDCWD, f, &how_write, 8));
  Report("openat2", "size-big", syscall(SYS_openat2, AT_FDCWD, f, big, 5000));
  struct {
    open_how how;
    long more;
  } larger = {how_write, 0};
  long fd = syscall(SYS_openat2, AT_FDCWD, f, &larger, sizeof(larger));
  Report("openat2", "size-larger-zero", fd);
  if (fd >= 0) close(static_cast<int>(fd));
  larger.more = 1;
  Report("openat2", "size-larger-set", syscall(SYS_openat2, AT_FDCWD, f, &larger, sizeof(larger)));
  const std::pair<const char*, open_how> kHows[] = {
      {"unknown-flag", {.flags = 1ull << 40, .mode = 0, .resolve = 0}},
      {"unknown-resolve", {.flags = O_RDONLY, .mode = 0, .resolve = 1ull << 40}},
      {"mode-without-creat", {.flags = O_RDONLY, .mode = 0644, .resolve = 0}},
      {"mode-too-big", {.flags = O_WRONLY | O_CREAT, .mode = 010000, .resolve = 0}},
      {"path-and-write", {.flags = O_PATH | O_RDWR, .mode = 0, .resolve = 0}},
      {"beneath", {.flags = O_RDONLY, .mode = 0, .resolve = RESOLVE_BENEATH}},
      {"in-root-and-beneath",
       {.flags = O_RDONLY, .mode = 0, .resolve = RESOLVE_BENEATH | RESOLVE_IN_ROOT}},
      {"no-symlinks", {.flags = O_RDONLY, .mode = 0, .resolve = RESOLVE_NO_SYMLINKS}},
  };
  for (const auto& [name, how] : kHows) {
    fd = syscall(SYS_openat2, AT_FDCWD, f, &how, sizeof(how));
    Report("openat2", name, fd);
    if (fd >= 0) close(static_cast<int>(fd));
  }
  Report("mknod", "unknown-type",
         syscall(SYS_mknodat, AT_FDCWD, (directory + "/n").c_str(), 0170000, 0));
  Report("mknod", "directory",
         syscall(SYS_mknodat, AT_FDCWD, (directory + "/n").c_str(), S_IFDIR | 0755, 0));
  for (const int f_variant : {-1, 987}) {
    Report("fchmod", "bad-descriptor", syscall(SYS_fchmod, f_variant, 0600));
    Report("fchown", "bad-descriptor", syscall(SYS_fchown, f_variant, -1, -1));
    Report("fsetxattr", "bad-descriptor", syscall(SYS_fsetxattr, f_variant, "user.k", "v", 1, 0));
    Report("fremovexattr", "bad-descriptor", syscall(SYS_fremovexattr, f_variant, "user.k"));
    Report("utimensat", "bad-descriptor", syscall(SYS_utimensat, f_variant, nullptr, nullptr, 0));
  }
  const int pinned = open(f, O_PATH);
  Report("fchmod", "path-descriptor", syscall(SYS_fchmod, pinned, 0600));
  Report("fchown", "path-descriptor", syscall(SYS_fchown, pinned, -1, -1));
  Report("fsetxattr", "path-descriptor", syscall(SYS_fsetxattr, pinned, "user.k", "v", 1, 0));
  Report("utimensat", "path-descriptor", syscall(SYS_utimensat, pinned, nullptr, nullptr, 0));
  Report("fchownat", "path-descriptor-empty",
         syscall(SYS_fchownat, pinned, "", -1, -1, AT_EMPTY_PATH));
  Report("fchmodat2", "path-descriptor-empty",
         syscall(SYS_fchmodat2, pinned, "", 0600, AT_EMPTY_PATH));
  close(pinned);
}

int RunErrnos() {
  for (const Call& call : Calls()) {
    TryPaths(call);
    TryRegisters(call);
  }
  TryOtherArguments();
  return 0;
}

// ---- flip ----

int RunFlip(const std::string& inside, const std::string& outside, long rounds) {
  if (inside.size() != outside.size()) return 2;
  static char path[8192];
  static std::atomic<bool> stop = false;
  std::thread flipper([&] {
    while (!stop) {
      memcpy(path, outside.data(), outside.size());
      memcpy(path, inside.data(), inside.size());
    }
  });
  long ok = 0;
  long failed = 0;
  for (const Call& call : Calls()) {
    const char* name = call.leaf == Leaf::kFile        ? "target"
                       : call.leaf == Leaf::kDirectory ? "remove-me"
                                                       : "fresh";
    const std::string good = inside + "/" + name;
    const std::string other = inside + "/other";
    memcpy(path + inside.size(), ("/" + std::string(name)).c_str(), strlen(name) + 2);
    for (long i = 0; i < rounds; ++i) {
      if (call.leaf == Leaf::kFresh) {
        unlink(good.c_str());
        rmdir(good.c_str());
      } else {
        Put(good, call.leaf);
      }
      unlink(other.c_str());
      rmdir(other.c_str());
      Put(other, call.other_leaf);
      std::vector<long> args = call.args;
      for (long& arg : args) {
        if (arg == kPath) arg = Pointer(path);
        if (arg == kOther) arg = Pointer(other.c_str());
        if (arg == kDir) arg = AT_FDCWD;
      }
      const long result = Make(call, args);
      ++(result >= 0 ? ok : failed);
      if (result >= 0 && OpensDescriptor(call)) close(static_cast<int>(result));
    }
  }
  stop = true;
  flipper.join();
  printf("{\"calls\":%ld,\"ok\":%ld,\"failed\":%ld}\n", ok + failed, ok, failed);
  return 0;
}

// ---- storm ----

int RunStorm(int threads, int rounds) {
  std::mutex mutex;
  std::map<std::string, long> errors;
  std::atomic<long> calls = 0;
  auto check = [&](const char* what, long result) {
    ++calls;
    if (result >= 0) return;
    const std::string error = std::string(what) + " " + strerrorname_np(errno);
    const std::lock_guard<std::mutex> lock(mutex);
    ++errors[error];
  };
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      const std::string a = "t" + std::to_string(t) + ".a";
      const std::string b = "t" + std::to_string(t) + ".b";
      const std::string d = "t" + std::to_string(t) + ".d";
      for (int i = 0; i < rounds; ++i) {
        const int fd = open(a.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        check("open", fd);
        if (fd >= 0) close(fd);
        check("rename", rename(a.c_str(), b.c_str()));
        check("link", link(b.c_str(), a.c_str()));
        check("unlink", unlink(a.c_str()));
        check("unlink", unlink(b.c_str()));
        check("mkdir", mkdir(d.c_str(), 0755));
        check("rmdir", rmdir(d.c_str()));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  printf("{\"calls\":%ld,\"errors\":%zu}\n", calls.load(), errors.size());
  for (const auto& [error, count] : errors) fprintf(stderr, "%s: %ld\n", error.c_str(), count);
  return 0;
}

// ---- emfile ----

int RunEmfile() {
  const rlimit limit = {64, 64};
  setrlimit(RLIMIT_NOFILE, &limit);
  Put("file", Leaf::kFile);
  int last = -1;
  for (int i = 0; i < 100; ++i) {
    const int fd = open("file", O_WRONLY);
    if (fd < 0) break;
    last = fd;
  }
  printf("{\"highest\":%d}\n", last);
  Report("open", "no-descriptor-left", open("file", O_WRONLY));
  Report("openat-creat", "no-descriptor-left", open("fresh", O_WRONLY | O_CREAT | O_EXCL, 0644));
  struct stat status;
  Report("stat", "created-without-descriptor", stat("fresh", &status));
  Report("mkdir", "needs-none", mkdir("made", 0755));
  close(last);
  Report("open", "one-free-again", open("file", O_WRONLY));
  return 0;
}

// ---- killed ----

[[noreturn]] void CallForever(int number) {
  const std::string a = "k" + std::to_string(number);
  for (;;) {
    const int fd = open(a.c_str(), O_WRONLY | O_CREAT, 0644);
    if (fd >= 0) close(fd);
    rename(a.c_str(), (a + ".b").c_str());
    unlink((a + ".b").c_str());
  }
}

int RunKilled(int rounds) {
  int killed = 0;
  for (int i = 0; i < rounds; ++i) {
    const pid_t child = fork();
    if (child == 0) CallForever(i % 8);
    usleep(static_cast<useconds_t>(i * 37 % 1500));
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ++killed;
  }
  printf("{\"killed\":%d}\n", killed);
  Report("mkdir", "afterwards", mkdir("afterwards", 0755));
  return 0;
}

// ---- signals ----

int RunSignals(int rounds) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  const itimerval every = {{0, 200}, {0, 200}};
  setitimer(ITIMER_REAL, &every, nullptr);
  std::map<int, int> errors;
  for (int i = 0; i < rounds; ++i) {
    const std::string name = "s" + std::to_string(i);
    const int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0) ++errors[errno];
    if (fd >= 0) close(fd);
    if (unlink(name.c_str()) < 0) ++errors[errno];
  }
  const itimerval off = {};
  setitimer(ITIMER_REAL, &off, nullptr);
  printf("{\"rounds\":%d,\"errors\":%zu}\n", rounds, errors.size());
  for (const auto& [error, count] : errors)
    fprintf(stderr, "%s: %d\n", strerrorname_np(error), count);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "errnos") return RunErrnos();
  if (mode == "flip" && argc == 5) return RunFlip(argv[2], argv[3], atol(argv[4]));
  if (mode == "storm" && argc == 4) return RunStorm(atoi(argv[2]), atoi(argv[3]));
  if (mode == "emfile") return RunEmfile();
  if (mode == "killed" && argc == 3) return RunKilled(atoi(argv[2]));
  if (mode == "signals" && argc == 3) return RunSignals(atoi(argv[2]));
  fprintf(stderr,
          "hostile_caller: errnos | flip INSIDE OUTSIDE N | storm T N | emfile | killed N | "
          "signals N\n");
  return 2;
}
