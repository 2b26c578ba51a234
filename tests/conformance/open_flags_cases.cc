// open(2)'s flags: which are accepted, what they mean, and what F_GETFL shows of them afterwards;
// openat2(2); unnamed files.
#include <linux/openat2.h>
#include <sys/ioctl.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

std::string Octal(long value) {
  if (value < 0) return Answer(value);
  char text[32];
  snprintf(text, sizeof(text), "%lo", value);
  return text;
}

// F_GETFL in octal, and whether the descriptor is close-on-exec.
std::string FlagsOf(int fd) {
  const int status = fcntl(fd, F_GETFL);
  const std::string text = Octal(status);
  return fcntl(fd, F_GETFD) == FD_CLOEXEC ? text + " cloexec" : text;
}

std::string FlagsAfter(const char* path, int flags, mode_t mode = 0) {
  const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
  if (fd < 0) return Answer(-1);
  const std::string text = FlagsOf(fd);
  close(fd);
  return text;
}

std::string FdinfoFlags(int fd) {
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(fd));
  for (std::string word; file >> word;) {
    if (word == "flags:" && file >> word) return word;
  }
  return "no flags";
}

long Openat2(int dirfd, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve,
             size_t size = sizeof(open_how)) {
  char how[8192] = {};
  const open_how value = {flags, mode, resolve};
  memcpy(how, &value, sizeof(value));
  return OpenAt2(dirfd, path, how, size);
}

std::string Openat2Closed(int dirfd, const char* path, uint64_t flags, uint64_t mode = 0,
                          uint64_t resolve = 0) {
  const long fd = Openat2(dirfd, path, flags, mode, resolve);
  if (fd < 0) return Answer(fd);
  close(static_cast<int>(fd));
  return "ok";
}

}  // namespace

CASE(OpenFlags, StatusFlagsAreThoseThatWereAskedFor) {
  Touch("f", 0644, "x");
  IS("100000", FlagsAfter("f", O_RDONLY));
  IS("100001", FlagsAfter("f", O_WRONLY));
  IS("100002", FlagsAfter("f", O_RDWR));
  IS("100003", FlagsAfter("f", 3));
  IS("102001", FlagsAfter("f", O_WRONLY | O_APPEND));
  IS("104002", FlagsAfter("f", O_RDWR | O_NONBLOCK));
  IS("4110002", FlagsAfter("f", O_RDWR | O_SYNC));
  IS("110002", FlagsAfter("f", O_RDWR | O_DSYNC));
  IS("1100002", FlagsAfter("f", O_RDWR | O_NOATIME));
  IS("100002 cloexec", FlagsAfter("f", O_RDWR | O_CLOEXEC));
  IS("100000 cloexec", FlagsAfter("f", O_RDONLY | O_CLOEXEC));
  IS("100001", FlagsAfter("f", O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY, 0644));
  IS("100002", FlagsAfter("new", O_RDWR | O_CREAT | O_EXCL, 0644));
  IS("102001 cloexec", FlagsAfter("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
}

// A file that exists is reopened through a magic link, which O_NOFOLLOW would refuse
// (docs/fidelity.md).
CASE(OpenFlags, NoFollowStaysVisibleInStatusFlags) {
  Touch("f");
  IS(BareOrInside("500001", "100001"), FlagsAfter("f", O_WRONLY | O_NOFOLLOW));
  IS(BareOrInside("500002", "100002"), FlagsAfter("f", O_RDWR | O_CREAT | O_NOFOLLOW, 0644));
  IS("500002", FlagsAfter("new", O_RDWR | O_CREAT | O_NOFOLLOW, 0644));
  IS("300000 cloexec", FlagsAfter(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Dir("d");
  for (const char* directory : {"d", "d/", ".", "d/.."}) {
    IS("700000", FlagsAfter(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    IS("500000 cloexec", FlagsAfter(directory, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  }
  IS(0, chmod("d", 0400));  // read, not searched
  IS("ok", Open("d", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  IS(0, chmod("d", 0100));
  IS("EACCES", Open("d", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
}

CASE(OpenFlags, FdinfoShowsTheSameFlags) {
  Touch("f");
  IS("0100001", FdinfoFlags(Fd("f", O_WRONLY)));
  IS("02100002", FdinfoFlags(Fd("f", O_RDWR | O_CLOEXEC)));
  IS("0102001", FdinfoFlags(Fd("new", O_WRONLY | O_APPEND | O_CREAT, 0644)));
}

CASE(OpenFlags, UnknownBitsAreIgnored) {
  Touch("f");
  IS("100002", FlagsAfter("f", O_RDWR | 0x40000000));
  IS("100001", FlagsAfter("new", O_WRONLY | O_CREAT | 0x20000000, 0644));
  const long fd = syscall(SYS_openat, AT_FDCWD, "f", 0x7f00000000000000L | O_RDWR, 0);
  IS("100002", FlagsOf(static_cast<int>(fd)));
}

CASE(OpenFlags, DirectoryFlagWithCreateIsEinval) {
  Dir("d");
  Touch("f");
  for (const char* name : {"d", "f", "new"}) {
    IS("EINVAL", Open(name, O_RDONLY | O_DIRECTORY | O_CREAT, 0644));
    IS("EINVAL", Open(name, O_RDWR | O_DIRECTORY | O_CREAT | O_EXCL, 0644));
  }
  IS("nothing", What("new"));
}

CASE(OpenFlags, AccessModeThreeOpensForNeither) {
  Touch("f", 0644, "x");
  const int fd = Fd("f", 3);
  char byte;
  IS("EBADF", read(fd, &byte, 1));
  IS("EBADF", write(fd, "y", 1));
  IS("EINVAL", ftruncate(fd, 0));
  IS(0, fchmod(fd, 0600));
}

CASE(OpenFlags, OPathIgnoresTheRest) {
  Touch("f", 0, "x");
  Symlink("f", "link");
  IS("10000000", FlagsAfter("f", O_PATH));
  IS("10000000", FlagsAfter("f", O_PATH | O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644));
  IS("10400000", FlagsAfter("link", O_PATH | O_NOFOLLOW));
  IS("10000000 cloexec", FlagsAfter("f", O_PATH | O_WRONLY | O_CLOEXEC));
  IS("ENOENT", Open("new", O_PATH | O_CREAT | O_RDWR, 0644));
  IS("ENOTDIR", Open("f", O_PATH | O_DIRECTORY | O_WRONLY));
  IS(1, Size("f"));
  const int fd = Fd("f", O_PATH);
  char byte;
  IS("EBADF", read(fd, &byte, 1));
  IS("EBADF", write(fd, "y", 1));
  IS("EBADF", fchmod(fd, 0644));
  IS("EBADF", fchown(fd, -1, -1));
  IS("EBADF", ftruncate(fd, 0));
  IS("EBADF", futimens(fd, nullptr));
  IS("EBADF", fsync(fd));
  IS(0, fchownat(fd, "", static_cast<uid_t>(-1), static_cast<gid_t>(-1), AT_EMPTY_PATH));
  IS(0, utimensat(fd, "", nullptr, AT_EMPTY_PATH));
  IS(0, chmod(("/proc/self/fd/" + std::to_string(fd)).c_str(), 0640));
  IS("file 0640", What("f"));
  IS("ok", Open("/proc/self/fd/" + std::to_string(fd), O_RDWR));
}

CASE(OpenFlags, AppendWritesAtTheEnd) {
  Touch("f", 0644, "123");
  const int fd = Fd("f", O_WRONLY | O_APPEND);
  IS(0, lseek(fd, 0, SEEK_CUR));
  IS(1, lseek(fd, 1, SEEK_SET));
  IS(1, write(fd, "4", 1));
  IS(4, lseek(fd, 0, SEEK_CUR));
  IS(1, pwrite(fd, "5", 1, 0));  // Linux appends even so: pwrite(2), BUGS
  IS("12345", Read("f"));
  IS(0, fcntl(fd, F_SETFL, 0));
  IS(1, pwrite(fd, "x", 1, 0));
  IS("x2345", Read("f"));
  const int both = Fd("f", O_RDWR | O_APPEND | O_TRUNC);
  IS(2, write(both, "ab", 2));
  IS(2, Size("f"));
}

CASE(OpenFlags, LowestDescriptorIsGiven) {
  Touch("f");
  const int first = Fd("f", O_RDWR);
  const int second = Fd("f", O_WRONLY);
  const int third = Fd("new", O_WRONLY | O_CREAT, 0644);
  IS(3, first);
  IS(4, second);
  IS(5, third);
  close(4);
  IS(4, Fd("f", O_RDWR));
  close(0);
  IS(0, Fd("f", O_RDWR | O_CREAT, 0644));
  IS(6, Fd(".", O_RDWR | O_TMPFILE, 0600));
}

CASE(OpenFlags, DescriptorLinkNamesTheFile) {
  char cwd[4096];
  IS(true, getcwd(cwd, sizeof(cwd)) != nullptr);
  const std::string here = cwd;
  Dir("d");
  Symlink("d", "link");
  IS(here + "/f", LinkText("/proc/self/fd/" + std::to_string(Fd("f", O_RDWR | O_CREAT, 0644))));
  IS(here + "/f", LinkText("/proc/self/fd/" + std::to_string(Fd("./d/../f", O_RDWR))));
  IS(here + "/d/g",
     LinkText("/proc/self/fd/" + std::to_string(Fd("link/g", O_WRONLY | O_CREAT, 0644))));
  const int fd = Fd("d/g", O_RDWR);
  IS(0, unlink("d/g"));
  IS(here + "/d/g (deleted)", LinkText("/proc/self/fd/" + std::to_string(fd)));
}

CASE(Openat2, SizeIsChecked) {
  Touch("f");
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_RDWR, 0, 0, 0));
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_RDWR, 0, 0, 23));
  IS("E2BIG", Openat2(AT_FDCWD, "f", O_RDWR, 0, 0, 4097));
  IS(3, Openat2(AT_FDCWD, "f", O_RDWR, 0, 0, 32));
  IS(4, Openat2(AT_FDCWD, "f", O_RDWR, 0, 0, 4096));
  char how[32] = {};
  how[31] = 1;
  IS("E2BIG", syscall(SYS_openat2, AT_FDCWD, "f", how, sizeof(how)));
  IS("EFAULT", syscall(SYS_openat2, AT_FDCWD, "f", nullptr, sizeof(open_how)));
  IS("EFAULT", Openat2(AT_FDCWD, nullptr, O_RDWR, 0, 0));
}

CASE(Openat2, WhatOpenIgnoresIsEinval) {
  Touch("f");
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_RDWR | 0x40000000, 0, 0));
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_RDWR | (1UL << 40), 0, 0));
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_RDWR, 0644, 0));
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_RDWR | O_CREAT, 010000, 0));
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_RDWR | O_CREAT, 1UL << 32, 0));
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_PATH | O_RDWR, 0, 0));
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_RDONLY, 0, 0x40));
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_RDONLY, 0, 1UL << 40));
  IS("EINVAL", Openat2(AT_FDCWD, "f", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT));
  IS("EINVAL", Openat2(AT_FDCWD, ".", O_TMPFILE, 0600, 0));
  IS("EINVAL", Openat2(AT_FDCWD, ".", O_TMPFILE | O_RDWR | O_CREAT, 0600, 0));
  IS("EINVAL", Openat2(AT_FDCWD, "d", O_DIRECTORY | O_CREAT, 0600, 0));
  IS("ok", Openat2Closed(AT_FDCWD, "g", O_RDWR | O_CREAT | O_EXCL, 07640));
  IS("file 7640", What("g"));
}

CASE(Openat2, StatusFlagsAreThoseThatWereAskedFor) {
  Touch("f");
  IS("100002", FlagsOf(static_cast<int>(Openat2(AT_FDCWD, "f", O_RDWR, 0, 0))));
  IS("102001 cloexec",
     FlagsOf(static_cast<int>(Openat2(AT_FDCWD, "f", O_WRONLY | O_APPEND | O_CLOEXEC, 0, 0))));
  IS("100000", FlagsOf(static_cast<int>(Openat2(AT_FDCWD, "f", O_RDONLY, 0, 0))));
  IS("300000", FlagsOf(static_cast<int>(Openat2(AT_FDCWD, ".", O_DIRECTORY, 0, 0))));
}

CASE(Openat2, BeneathStaysBelowItsAnchor) {
  Dir("d");
  Dir("d/e");
  Touch("out");
  Touch("d/in");
  Symlink("../out", "d/to-out");
  Symlink("in", "d/to-in");
  Symlink("/etc/passwd", "d/absolute");
  const int d = Fd("d", O_PATH | O_DIRECTORY);
  IS("ok", Openat2Closed(d, "in", O_RDWR, 0, RESOLVE_BENEATH));
  IS("ok", Openat2Closed(d, "to-in", O_RDWR, 0, RESOLVE_BENEATH));
  IS("ok", Openat2Closed(d, "e/../in", O_RDWR, 0, RESOLVE_BENEATH));
  IS("EXDEV", Openat2Closed(d, "../out", O_RDWR, 0, RESOLVE_BENEATH));
  IS("EXDEV", Openat2Closed(d, "to-out", O_RDWR, 0, RESOLVE_BENEATH));
  IS("EXDEV", Openat2Closed(d, "absolute", O_RDWR, 0, RESOLVE_BENEATH));
  IS("EXDEV", Openat2Closed(d, "/etc", O_RDONLY, 0, RESOLVE_BENEATH));
  IS("ok", Openat2Closed(d, "new", O_RDWR | O_CREAT, 0600, RESOLVE_BENEATH));
  IS("EXDEV", Openat2Closed(d, "../new", O_RDWR | O_CREAT, 0600, RESOLVE_BENEATH));
  IS("d out", Names("."));
}

CASE(Openat2, InRootTakesItsAnchorForSlash) {
  Dir("d");
  Dir("d/e");
  Touch("d/in");
  Touch("in");
  Symlink("/in", "d/e/absolute");
  Symlink("../../../in", "d/e/dotted");
  const int d = Fd("d", O_PATH | O_DIRECTORY);
  for (const char* path : {"/in", "../in", "e/absolute", "e/dotted", "/../e/../in"}) {
    const long fd = Openat2(d, path, O_RDWR, 0, RESOLVE_IN_ROOT);
    IS(true, fd >= 0);
    struct stat opened;
    struct stat want;
    IS(0, fstat(static_cast<int>(fd), &opened));
    IS(0, stat("d/in", &want));
    IS(true, opened.st_ino == want.st_ino);
  }
}

CASE(Openat2, NoSymlinksRefusesEveryLink) {
  Dir("d");
  Touch("d/f");
  Symlink("d", "link");
  Symlink("f", "d/last");
  IS("ELOOP", Openat2Closed(AT_FDCWD, "link/f", O_RDWR, 0, RESOLVE_NO_SYMLINKS));
  IS("ELOOP", Openat2Closed(AT_FDCWD, "d/last", O_RDWR, 0, RESOLVE_NO_SYMLINKS));
  IS("ELOOP", Openat2Closed(AT_FDCWD, "d/last", O_RDWR | O_CREAT, 0600, RESOLVE_NO_SYMLINKS));
  IS("ok", Openat2Closed(AT_FDCWD, "d/f", O_RDWR, 0, RESOLVE_NO_SYMLINKS));
  IS("ok", Openat2Closed(AT_FDCWD, "d/new", O_RDWR | O_CREAT, 0600, RESOLVE_NO_SYMLINKS));
  IS("ok", Openat2Closed(AT_FDCWD, "link/f", O_RDWR, 0, RESOLVE_NO_MAGICLINKS));
  IS("ok", Openat2Closed(AT_FDCWD, "link/f", O_RDWR, 0, RESOLVE_NO_XDEV));
}

CASE(Temporary, UnnamedFileHasModeAndNoLinks) {
  umask(027);
  const int fd = Fd(".", O_TMPFILE | O_RDWR, 0666);
  struct stat info;
  IS(0, fstat(fd, &info));
  IS("100640", Octal(info.st_mode));
  IS(0, static_cast<long>(info.st_nlink));
  IS("", Names("."));
  IS(3, write(fd, "abc", 3));
  IS("20300002", FlagsOf(fd));
  IS("20300001 cloexec", FlagsOf(Fd(".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)));
}

CASE(Temporary, NeedsWritingAndADirectory) {
  Touch("f");
  Symlink(".", "link");
  Dir("closed", 0555);
  IS("EINVAL", Open(".", O_TMPFILE | O_RDONLY, 0600));
  IS("EINVAL", Open(".", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600));
  IS("EINVAL", Open(".", O_TMPFILE | O_RDWR | O_CREAT, 0600));
  IS("ENOTDIR", Open("f", O_TMPFILE | O_RDWR, 0600));
  IS("ENOENT", Open("missing", O_TMPFILE | O_RDWR, 0600));
  IS("ok", Open("link", O_TMPFILE | O_RDWR, 0600));
  IS("ENOTDIR", Open("link", O_TMPFILE | O_RDWR | O_NOFOLLOW, 0600));
  IS("EACCES", Open("closed", O_TMPFILE | O_RDWR, 0600));
  IS("ok", Open("./", O_TMPFILE | O_RDWR, 0600));
}

CASE(Temporary, IsLinkedThroughItsDescriptor) {
  const int fd = Fd(".", O_TMPFILE | O_RDWR, 0640);
  IS(3, write(fd, "abc", 3));
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  IS(0, linkat(AT_FDCWD, link.c_str(), AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  IS("abc", Read("named"));
  IS("file 0640", What("named"));
  IS(1, Links("named"));
  IS("EEXIST", linkat(AT_FDCWD, link.c_str(), AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  IS(0, linkat(AT_FDCWD, link.c_str(), AT_FDCWD, "again", AT_SYMLINK_FOLLOW));
  IS(2, Links("named"));
  IS("EXDEV", linkat(AT_FDCWD, link.c_str(), AT_FDCWD, "symlink", 0));
}

CASE(Temporary, ExclusiveOneIsNeverLinked) {
  const int fd = Fd(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  IS("ENOENT", linkat(AT_FDCWD, link.c_str(), AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  IS("ENOENT", linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
  IS("", Names("."));
}

CASE(Temporary, IsLinkedByAnEmptyPathByItsOpener) {
  const int fd = Fd(".", O_TMPFILE | O_RDWR, 0600);
  IS(0, linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
  IS("file 0600", What("named"));
  IS("ENOENT", linkat(fd, "", AT_FDCWD, "other", 0));
}

}  // namespace conformance
