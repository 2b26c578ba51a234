// openat2(2), as a table each: its structure, its flags, and RESOLVE_ flags over one tree of links.
#include <linux/openat2.h>

#include <cstring>
#include <vector>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

long Openat2(int dirfd, const char* path, open_how how) {
  return OpenAt2(dirfd, path, &how, sizeof(how));
}

std::string Result(long fd) {
  if (fd < 0) return Answer(fd);
  close(static_cast<int>(fd));
  return "ok";
}

// Where the descriptor leads: its path below `top`, or the error.
std::string Found(long fd, const std::string& top) {
  if (fd < 0) return Answer(fd);
  const std::string path = LinkText("/proc/self/fd/" + std::to_string(fd));
  close(static_cast<int>(fd));
  if (path == top) return ".";
  return path.starts_with(top + "/") ? path.substr(top.size() + 1) : path;
}

std::string Here() {
  char cwd[4096];
  return getcwd(cwd, sizeof(cwd)) != nullptr ? cwd : Answer(-1);
}

// root/ with links of every kind in it, and what lies beside it.
void LinkedTree() {
  Touch("outside");
  for (const char* directory : {"root", "root/etc", "root/a", "root/a/b"}) Dir(directory);
  Touch("root/etc/passwd");
  const std::pair<const char*, const char*> links[] = {
      {"etc/passwd", "root/relative"},
      {"etc/", "root/directory"},
      {"/etc/passwd", "root/absolute"},
      {"/", "root/a/slash"},
      {"../../root/", "root/a/around"},
      {"/../../a", "root/a/garbage"},
      {"../a/../etc/../etc/passwd", "root/a/zigzag"},
      {"../../../../../../etc/passwd", "root/a/up"},
      {"../../outside", "root/a/out"},
      {"nowhere", "root/dangling"},
      {"loop", "root/loop"}};
  for (const auto& [target, path] : links) Symlink(target, path);
}

struct Resolved {
  const char* path;
  const char* beneath;
  const char* in_root;
  const char* no_links;
};

constexpr Resolved kResolved[] = {
    {"etc/passwd", "etc/passwd", "etc/passwd", "etc/passwd"},
    {"relative", "etc/passwd", "etc/passwd", "ELOOP"},
    {"directory/passwd", "etc/passwd", "etc/passwd", "ELOOP"},
    {"absolute", "EXDEV", "etc/passwd", "ELOOP"},
    {"a/slash", "EXDEV", ".", "ELOOP"},
    {"a/slash/etc/passwd", "EXDEV", "etc/passwd", "ELOOP"},
    {"a/around", "EXDEV", "ENOENT", "ELOOP"},
    {"a/garbage", "EXDEV", "a", "ELOOP"},
    {"a/zigzag", "etc/passwd", "etc/passwd", "ELOOP"},
    {"a/up", "EXDEV", "etc/passwd", "ELOOP"},
    {"a/out", "EXDEV", "ENOENT", "ELOOP"},
    {"a/b/../../etc", "etc", "etc", "etc"},
    {"a/b/..", "a", "a", "a"},
    {"a/..", ".", ".", "."},
    {"a/../..", "EXDEV", ".", nullptr},
    {"..", "EXDEV", ".", nullptr},
    {"../outside", "EXDEV", "ENOENT", nullptr},
    {"../root/etc", "EXDEV", "ENOENT", "etc"},
    {"dangling", "ENOENT", "ENOENT", "ELOOP"},
    {"loop", "ELOOP", "ELOOP", "ELOOP"},
    {"missing", "ENOENT", "ENOENT", "ENOENT"},
    {"etc/passwd/x", "ENOTDIR", "ENOTDIR", "ENOTDIR"},
    {"etc/passwd/..", "ENOTDIR", "ENOTDIR", "ENOTDIR"},
    {".", ".", ".", "."},
    {"/", "EXDEV", ".", nullptr},
    {"/etc/passwd", "EXDEV", "etc/passwd", nullptr},
    {"/../../a/up", "EXDEV", "etc/passwd", nullptr},
};

}  // namespace

CASE(Openat2, StructureOfEverySizeAndPlace) {
  alignas(8) char memory[4096 + 96];
  for (const size_t shift : {0, 1, 2, 3, 4, 7, 8, 9, 11, 17, 87}) {
    for (const size_t size : {24, 32, 100, 4096}) {
      memset(memory, 0xff, sizeof(memory));  // what lies around it is not looked at
      char* const how = memory + shift;
      memset(how, 0, size);
      IS("ok", Result(syscall(SYS_openat2, AT_FDCWD, ".", how, size)));
      how[size - 1] = 1;
      IS(size == 24 ? "EINVAL" : "E2BIG", Result(syscall(SYS_openat2, AT_FDCWD, ".", how, size)));
    }
    memset(memory, 0, sizeof(memory));
    for (const size_t size : {0, 1, 8, 23}) {
      IS("EINVAL", Result(syscall(SYS_openat2, AT_FDCWD, ".", memory + shift, size)));
    }
    IS("E2BIG", Result(syscall(SYS_openat2, AT_FDCWD, ".", memory, 4097)));
  }
}

CASE(Openat2, FlagsModesAndResolve) {
  Touch("f");
  struct {
    const char* want;
    const char* path;
    open_how how;
  } const rows[] = {
      {"EINVAL", ".", {O_TMPFILE | O_PATH | O_RDWR, 0, 0}},
      {"EINVAL", ".", {O_TMPFILE | O_CREAT | O_RDWR, 0, 0}},
      {"EINVAL", "f", {O_PATH | O_CREAT, 0, 0}},
      {"EINVAL", "f", {O_PATH | O_EXCL, 0, 0}},
      {"EINVAL", "f", {O_PATH | O_NOCTTY, 0, 0}},
      {"EINVAL", "f", {O_PATH | O_DIRECT, 0, 0}},
      {"EINVAL", "f", {O_PATH | 0100000, 0, 0}},
      {"EINVAL", "f", {O_PATH | O_TRUNC, 0, 0}},
      {"EINVAL", "f", {O_PATH, 0600, 0}},
      {"EINVAL", "f", {O_PATH, 0, 0x1337}},
      {"EINVAL", "f", {O_RDONLY, 0600, 0}},
      {"EINVAL", "f", {O_CREAT, 0xffff, 0}},
      {"EINVAL", "f", {O_CREAT, 0xC000000000000000ULL, 0}},
      {"EINVAL", "f", {O_CREAT, 0600, 0x1337}},
      {"EINVAL", ".", {O_TMPFILE | O_RDWR, 0x1337, 0}},
      {"EINVAL", ".", {O_TMPFILE | O_RDWR, 0x0000A00000000000ULL, 0}},
      {"EINVAL", ".", {O_TMPFILE | O_RDWR, 0600, 0x1337}},
      {"EINVAL", "f", {O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT}},
      {"EAGAIN", "f", {O_RDWR | O_CREAT, 0600, RESOLVE_CACHED}},
      {"EAGAIN", "f", {O_RDWR | O_TRUNC, 0, RESOLVE_CACHED}},
      {"EAGAIN", ".", {O_RDWR | O_TMPFILE, 0600, RESOLVE_CACHED}},
      {"ok", "f", {O_CREAT, 0600, 0}},
      {"ok", "f", {O_RDWR | 0100000, 0, RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS}},
      {"ok", ".", {O_TMPFILE | O_RDWR, 0600, RESOLVE_BENEATH}},
      {"ok", ".", {O_TMPFILE | O_WRONLY | O_EXCL, 07777, RESOLVE_IN_ROOT}},
      {"EISDIR", ".", {O_RDWR, 0, RESOLVE_BENEATH}},
      {"ENOTDIR", "f", {O_RDWR | O_DIRECTORY, 0, RESOLVE_BENEATH}},
      {"EEXIST", "f", {O_CREAT | O_EXCL, 0600, RESOLVE_BENEATH}},
      {"EISDIR", "new/", {O_CREAT, 0600, RESOLVE_BENEATH}},
      {"EISDIR", ".", {O_CREAT, 0600, RESOLVE_BENEATH}},
      {"EXDEV", "..", {O_CREAT, 0600, RESOLVE_BENEATH}},
      {"EISDIR", "..", {O_CREAT, 0600, RESOLVE_IN_ROOT}},
  };
  for (const auto& row : rows) {
    const std::string name = std::to_string(&row - rows) + " " + row.path + " ";
    IS(name + row.want, name + Result(Openat2(AT_FDCWD, row.path, row.how)));
  }
  IS("f", Names("."));
}

CASE(Openat2, ResolveFlagsOverOneTree) {
  LinkedTree();
  const std::string top = Here() + "/root";
  const int root = Fd("root", O_RDONLY | O_DIRECTORY);
  for (const Resolved& row : kResolved) {
    const std::string name = std::string(row.path) + " ";
    const auto found = [&](uint64_t flags, uint64_t resolve) {
      return name + Found(Openat2(root, row.path, {flags, 0, resolve}), top);
    };
    IS(name + row.beneath, found(O_RDONLY, RESOLVE_BENEATH));
    IS(name + row.beneath, found(O_RDONLY, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS));
    IS(name + row.in_root, found(O_RDONLY, RESOLVE_IN_ROOT));
    IS(name + row.in_root, found(O_RDONLY, RESOLVE_IN_ROOT | RESOLVE_NO_XDEV));
    if (row.no_links != nullptr) {
      IS(name + row.no_links, found(O_RDONLY, RESOLVE_NO_SYMLINKS));
    }
  }
}

CASE(Openat2, ResolveFlagsHoldForWhatIsMade) {
  LinkedTree();
  const std::string top = Here() + "/root";
  const int root = Fd("root", O_PATH);
  Symlink("etc/made", "root/new");
  Symlink("new", "root/again");
  Symlink("/etc/absolute", "root/new-absolute");
  Symlink("../../../up", "root/a/new-up");
  Symlink("../made", "root/a/sideways");
  Symlink("slash/", "root/slashed");
  Symlink(".", "root/dot");
  const auto made = [&](const char* path, uint64_t resolve) {
    return Found(Openat2(root, path, {O_RDWR | O_CREAT, 0640, resolve}), top);
  };
  IS("etc/made", made("new", RESOLVE_BENEATH));
  IS("etc/made", made("again", RESOLVE_IN_ROOT));
  IS("EXDEV", made("new-absolute", RESOLVE_BENEATH));
  IS("etc/absolute", made("new-absolute", RESOLVE_IN_ROOT));
  IS("EXDEV", made("a/new-up", RESOLVE_BENEATH));
  IS("up", made("a/new-up", RESOLVE_IN_ROOT));
  IS("made", made("directory/../a/sideways", RESOLVE_BENEATH));
  IS("etc/passwd", made("relative", RESOLVE_BENEATH));
  IS("etc/passwd", made("/a/up", RESOLVE_IN_ROOT));
  IS("EISDIR", made("slashed", RESOLVE_BENEATH));
  IS("EISDIR", made("dot", RESOLVE_BENEATH));
  IS("ELOOP", made("loop", RESOLVE_BENEATH));
  IS("ELOOP", made("again", RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
  IS("nowhere", made("dangling", RESOLVE_NO_XDEV));
  IS("etc/passwd", made("relative", RESOLVE_NO_XDEV));
  IS("file 0640", What("root/nowhere"));
  IS("EEXIST", Result(Openat2(root, "again", {O_CREAT | O_EXCL, 0600, RESOLVE_BENEATH})));
  IS("ELOOP", Result(Openat2(root, "again", {O_CREAT | O_NOFOLLOW, 0600, RESOLVE_BENEATH})));
  IS("absolute made passwd", Names("root/etc"));
}

// What lies outside the mount is the system's, and may be read.
CASE(Openat2, ResolveFlagsOutsideTheMount) {
  const int bin = Fd("/usr/bin", O_PATH | O_DIRECTORY);
  const auto outside = [](int dirfd, const char* path, uint64_t resolve, uint64_t flags = 0) {
    return Found(Openat2(dirfd, path, {flags, (flags & O_CREAT) != 0 ? 0600UL : 0, resolve}), "/");
  };
  IS("/usr/bin/true", outside(bin, "true", RESOLVE_BENEATH));
  IS("/usr/bin/true", outside(bin, "/../true", RESOLVE_IN_ROOT));
  IS("/usr/bin/true", outside(AT_FDCWD, "/usr/bin/true", RESOLVE_NO_SYMLINKS));
  IS("/usr/bin/true", outside(bin, "true", RESOLVE_NO_XDEV));
  IS("/usr/bin", outside(bin, ".", RESOLVE_BENEATH, O_DIRECTORY));
  IS("/dev/null", outside(AT_FDCWD, "/dev/null", RESOLVE_NO_SYMLINKS, O_RDWR));
  IS("EXDEV", outside(bin, "../bin/true", RESOLVE_BENEATH));
  IS("EXDEV", outside(bin, "/usr/bin/true", RESOLVE_BENEATH));
  IS("ENOENT", outside(bin, "missing", RESOLVE_BENEATH));
  IS("ENOENT", outside(bin, "/usr/bin/true", RESOLVE_IN_ROOT));
  IS("ENOTDIR", outside(bin, "true/x", RESOLVE_BENEATH));
  IS("ENOTDIR", outside(bin, "true", RESOLVE_BENEATH, O_DIRECTORY));
  IS("EISDIR", outside(bin, ".", RESOLVE_BENEATH, O_CREAT));
  IS("EEXIST", outside(bin, "true", RESOLVE_BENEATH, O_CREAT | O_EXCL));
  IS("/usr/bin/true", outside(bin, "true", RESOLVE_BENEATH, O_CREAT));
  SAME(Result(Openat2(AT_FDCWD, "/bin/true", {0, 0, RESOLVE_NO_SYMLINKS})));
}

}  // namespace conformance
