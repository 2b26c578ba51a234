// Links of /proc that mean an open file or a directory, devices, and a full descriptor table.
#include <sys/resource.h>
#include <sys/xattr.h>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

std::string Magic(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace

CASE(MagicLinks, DescriptorIsOpenedAnew) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  IS(6, write(fd, "abcdef", 6));
  for (const std::string& path :
       {Magic(fd), "/dev/fd/" + std::to_string(fd), "/proc/thread-self/fd/" + std::to_string(fd),
        "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd)}) {
    const int again = Fd(path, O_RDWR);
    IS(0, lseek(again, 0, SEEK_CUR));
    IS(1, write(again, "X", 1));
    close(again);
    IS("ok", Open(path, O_RDWR | O_CREAT, 0600));
    IS("EEXIST", Open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
    IS("ELOOP", Open(path, O_RDWR | O_NOFOLLOW));
    IS("ENOTDIR", Open(path + "/", O_RDWR));
    IS("ENOTDIR", Open(path + "/x", O_RDWR | O_CREAT, 0600));
  }
  IS("Xbcdef", Read("f"));
  IS("ok", Open(Magic(fd), O_WRONLY | O_CREAT | O_TRUNC, 0600));
  IS(0, Size("f"));
}

CASE(MagicLinks, RightsAreThoseOfTheFileNotOfTheDescriptor) {
  Touch("f", 0400);
  const int fd = Fd("f", O_RDONLY);
  IS("EACCES", Open(Magic(fd), O_WRONLY));
  IS(0, chmod("f", 0600));
  IS("ok", Open(Magic(fd), O_WRONLY));
  IS("ENOENT", Open(Magic(77), O_RDWR));
  IS("ENOENT", Open("/proc/self/fd/x", O_RDWR));
}

CASE(MagicLinks, PipesAreOpenedAnew) {
  int pipes[2];
  IS(0, pipe(pipes));
  const int other = Fd(Magic(pipes[0]), O_WRONLY);
  IS(3, write(other, "abc", 3));
  char text[4] = {};
  IS(3, read(pipes[0], text, 3));
  IS("abc", text);
  IS("ok", Open(Magic(pipes[1]), O_RDONLY | O_NONBLOCK));
  IS("ok", Open(Magic(pipes[1]), O_WRONLY | O_CREAT | O_TRUNC, 0600));
  IS("ok", Open("/dev/fd/" + std::to_string(pipes[1]), O_WRONLY | O_APPEND));
}

CASE(MagicLinks, DirectoriesAreWalkedThrough) {
  Dir("d");
  const int d = Fd("d", O_PATH | O_DIRECTORY);
  IS("ok", Open(Magic(d) + "/f", O_RDWR | O_CREAT, 0600));
  IS("file 0600", What("d/f"));
  IS(0, mkdir((Magic(d) + "/e").c_str(), 0755));
  IS(0, rename((Magic(d) + "/f").c_str(), (Magic(d) + "/e/g").c_str()));
  IS("ok", Open(Magic(d) + "/e/../e/g", O_RDWR));
  IS(0, unlink((Magic(d) + "/e/g").c_str()));
  IS(0, symlink("x", "/proc/self/cwd/link"));
  IS("ok", Open("/proc/self/cwd/new", O_RDWR | O_CREAT, 0600));
  IS(0, chmod(Magic(d).c_str(), 0700));
  IS("dir 0700", What("d"));
  IS("d link new", Names("."));
}

CASE(MagicLinks, MetadataOfTheirFile) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  const std::string path = Magic(fd);
  IS(0, chmod(path.c_str(), 0600));
  IS(0, chown(path.c_str(), -1, kSecondGroup));
  IS(0, truncate(path.c_str(), 5));
  IS(0, utimensat(AT_FDCWD, path.c_str(), nullptr, 0));
  IS(0, setxattr(path.c_str(), "user.a", "1", 1, 0));
  IS(0, removexattr(path.c_str(), "user.a"));
  IS("file 0600", What("f"));
  IS(5, Size("f"));
  IS(0, access(path.c_str(), R_OK | W_OK));
}

CASE(MagicLinks, DescriptorOfALinkIsTheLink) {
  Touch("f");
  Symlink("f", "l");
  const int fd = Fd("l", O_PATH | O_NOFOLLOW);
  IS("ELOOP", Open(Magic(fd), O_RDWR));
  IS("ELOOP", Open(Magic(fd), O_RDONLY));
  IS(0, fchownat(fd, "", static_cast<uid_t>(-1), kSecondGroup, AT_EMPTY_PATH));
  IS(std::to_string(geteuid()) + ":2000", Owner("l"));
  IS("EOPNOTSUPP", chmod(Magic(fd).c_str(), 0600));
  IS(0, utimensat(fd, "", nullptr, AT_EMPTY_PATH));
  IS(0, linkat(fd, "", AT_FDCWD, "l2", AT_EMPTY_PATH));
  IS("link", What("l2"));
}

CASE(MagicLinks, UnnamedMemoryIsOnesOwn) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "m", 0));
  IS(true, fd >= 0);
  IS(3, write(fd, "abc", 3));
  IS("ok", Open(Magic(fd), O_RDWR));
  IS("abc", Read(Magic(fd)));
  IS(0, fchmod(fd, 0600));
  IS(0, ftruncate(fd, 1));
  IS("ok", Open(Magic(fd), O_RDWR | O_TRUNC));
}

CASE(Devices, CommonOnesWork) {
  IS("ok", Open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0666));
  IS("ok", Open("/dev/null", O_RDWR));
  IS("ok", Open("/dev/null", O_WRONLY | O_APPEND));
  IS("EEXIST", Open("/dev/null", O_WRONLY | O_CREAT | O_EXCL, 0666));
  IS("ENOTDIR", Open("/dev/null/", O_RDWR));
  IS("ENOTDIR", Open("/dev/null", O_RDONLY | O_DIRECTORY));
  IS("ENOSPC", write(Fd("/dev/full", O_WRONLY), "x", 1));
  char bytes[4];
  IS(4, read(Fd("/dev/zero", O_RDWR), bytes, 4));
  IS(4, read(Fd("/dev/urandom", O_RDONLY), bytes, 4));
  IS(1, write(Fd("/dev/null", O_WRONLY), "x", 1));
}

CASE(Devices, LinkToADeviceIsNotAWayOut) {
  Symlink("/dev/null", "null");
  // A link in a mount that leads out of it is refused: the island rule (docs/errors.md).
  IS(BareOrInside("ok", "EACCES"), Open("null", O_WRONLY));
}

CASE(Devices, FullDescriptorTableIsEmfile) {
  Touch("f", 0644, "abc");
  const rlimit limit = {16, 16};
  IS(0, setrlimit(RLIMIT_NOFILE, &limit));
  int last = -1;
  for (int fd; (fd = open("f", O_RDWR)) >= 0;) last = fd;
  IS("EMFILE", -1L);
  IS(15, last);
  IS("EMFILE", Open("f", O_RDONLY));
  IS("EMFILE", Open("f", O_WRONLY | O_TRUNC));
  IS("EMFILE", Open("new", O_WRONLY | O_CREAT, 0600));
  IS("EMFILE", Open(".", O_RDWR | O_TMPFILE, 0600));
  IS("nothing", What("new"));
  IS(3, Size("f"));
  close(9);
  IS(9, open("new", O_WRONLY | O_CREAT, 0600));
  IS(0, mkdir("d", 0755));
  IS(0, rename("new", "d/new"));
}

CASE(Devices, DescriptorsAboveALoweredLimitLeaveRoomBelow) {
  Touch("f", 0644, "abc");
  for (int fd = 3; fd < 40; ++fd) dup2(2, fd);
  const rlimit limit = {30, 40};
  IS(0, setrlimit(RLIMIT_NOFILE, &limit));
  IS("EMFILE", Open("f", O_RDONLY));
  close(28);
  // The highest below the limit is taken, and there are as many as the limit allows: but 28 is
  // free.
  IS("ENOENT", Open("absent", O_RDONLY));
  IS("ok", Open("new", O_WRONLY | O_CREAT, 0600));
  IS("ok", Open("f", O_WRONLY | O_TRUNC));
  IS(28, open("f", O_RDONLY));
  IS("EMFILE", Open("absent", O_RDONLY));
}

}  // namespace conformance
