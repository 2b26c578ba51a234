// hostile_caller errnos: every path call × every bad argument.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include <functional>

#include "tests/testcases/hostile_calls.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace hostile {
namespace {

constexpr size_t kPage = 4096;

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
  open_how how_write = {.flags = O_WRONLY, .mode = 0, .resolve = 0};
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

}  // namespace

int RunErrnos() {
  for (const Call& call : Calls()) {
    TryPaths(call);
    TryRegisters(call);
  }
  TryOtherArguments();
  TrySockets();
  return 0;
}

}  // namespace hostile
