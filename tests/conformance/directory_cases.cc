// mkdir(2), rmdir(2), unlink(2), mknod(2), and the working directory.
#include <sys/sysmacros.h>

#include <climits>
#include <cstdlib>

#include "tests/conformance/conformance.h"

namespace conformance {

CASE(Directories, ModeIsMaskedAndSetIdBitsAreNot) {
  umask(0);
  IS(0, mkdir("a", 0777));
  IS("dir 0777", What("a"));
  IS(0, mkdir("b", 07777));
  IS("dir 1777", What("b"));  // mkdir(2), VERSIONS: 01777 are taken
  umask(027);
  IS(0, mkdir("c", 0777));
  IS("dir 0750", What("c"));
  IS(2, Links("c"));
  IS(std::to_string(geteuid()) + ":" + std::to_string(getegid()), Owner("c"));
}

CASE(Directories, ExistingNameIsEexist) {
  Touch("f");
  Dir("d");
  Symlink("nowhere", "dangling");
  Symlink("d", "l");
  Symlink("self", "self");
  for (const char* name : {"f", "d", "d/", "dangling", "dangling/", "l", "l/", "self", ".", "..",
                           "d/.", "d/..", "f/", "/"}) {
    IS("EEXIST", mkdir(name, 0755));
  }
  IS("nothing", What("nowhere"));
}

CASE(Directories, BadPaths) {
  Touch("f");
  IS("ENOENT", mkdir("", 0755));
  IS("ENOENT", mkdir("a/b", 0755));
  IS("ENOTDIR", mkdir("f/b", 0755));
  IS("ENOTDIR", mkdir("f/.", 0755));
  IS("EFAULT", syscall(SYS_mkdir, nullptr, 0755));
  IS("EBADF", mkdirat(77, "d", 0755));
  IS("ENOTDIR", mkdirat(Fd("f", O_RDONLY), "d", 0755));
  IS(0, mkdir("slash/", 0755));
  IS(0, mkdir("slashes///", 0755));
  IS("ENOENT", mkdir("new/.", 0755));
  IS(0, mkdirat(Fd("slash", O_PATH), "inner", 0755));
  IS("dir 0755", What("slash/inner"));
}

CASE(Directories, NeedsWritableParent) {
  Dir("ro", 0555);
  Dir("nosearch", 0666);
  Dir("ro2", 0755);
  Dir("ro2/d");
  IS(0, chmod("ro2", 0555));
  IS("EACCES", mkdir("ro/d", 0755));
  IS("EACCES", mkdir("nosearch/d", 0755));
  IS("EEXIST", mkdir("ro2/d", 0755));
  IS("EACCES", rmdir("ro2/d"));
  IS(0, chmod("ro2", 0755));
  IS(0, rmdir("ro2/d"));
}

CASE(Directories, RmdirAnswers) {
  Touch("f");
  Dir("d");
  Dir("full");
  Touch("full/f");
  Dir("nested");
  Dir("nested/d");
  Symlink("d", "l");
  Symlink("nowhere", "dangling");
  IS("EINVAL", rmdir("."));
  IS("ENOTEMPTY", rmdir(".."));
  IS("EINVAL", rmdir("d/."));
  IS("EINVAL", rmdir("d/./"));
  IS("ENOTEMPTY", rmdir("d/.."));
  IS("ENOTDIR", rmdir("f"));
  IS("ENOTDIR", rmdir("f/"));
  IS("ENOTDIR", rmdir("l"));
  IS("ENOTDIR", rmdir("l/"));
  IS("ENOTDIR", rmdir("dangling"));
  IS("ENOTEMPTY", rmdir("full"));
  IS("ENOTEMPTY", rmdir("nested"));
  IS("ENOENT", rmdir("missing"));
  IS("ENOENT", rmdir("missing/"));
  IS("ENOENT", rmdir(""));
  IS("ENOTDIR", rmdir("f/x"));
  IS("EFAULT", syscall(SYS_rmdir, nullptr));
  IS(0, rmdir("d/"));
  IS("ENOENT", rmdir("d"));
}

CASE(Directories, LinkCountsFollowSubdirectories) {
  Dir("d");
  Dir("d/a");
  Dir("d/b");
  Touch("d/f");
  IS(4, Links("d"));
  IS(0, rmdir("d/a"));
  IS(3, Links("d"));
}

CASE(Unlink, Answers) {
  Touch("f");
  Dir("d");
  Symlink("d", "l");
  Symlink("f", "lf");
  Symlink("self", "self");
  IS("EISDIR", unlink("d"));
  IS("EISDIR", unlink("d/"));
  IS("EISDIR", unlink("."));
  IS("EISDIR", unlink(".."));
  IS("EISDIR", unlink("d/."));
  IS("EISDIR", unlink("d/.."));
  IS("ENOTDIR", unlink("f/"));
  IS("ENOTDIR", unlink("l/"));
  IS("ENOTDIR", unlink("f/x"));
  IS("ENOENT", unlink("missing"));
  IS("ENOENT", unlink("missing/"));
  IS("ENOENT", unlink("missing/x"));
  IS("ENOENT", unlink(""));
  IS("EFAULT", syscall(SYS_unlink, nullptr));
  IS(0, unlink("l"));
  IS(0, unlink("lf"));
  IS(0, unlink("self"));
  IS("d f", Names("."));
  IS(0, unlink(".//f"));
}

CASE(Unlink, FlagsOfUnlinkat) {
  Touch("f");
  Dir("d");
  const int here = Fd(".", O_RDONLY | O_DIRECTORY);
  IS("EINVAL", unlinkat(here, "f", AT_SYMLINK_NOFOLLOW));
  IS("EINVAL", unlinkat(here, "missing", 1));
  IS("EISDIR", unlinkat(here, "d", 0));
  IS("ENOTDIR", unlinkat(here, "f", AT_REMOVEDIR));
  IS("EINVAL", unlinkat(here, ".", AT_REMOVEDIR));
  IS("ENOENT", unlinkat(here, "", AT_REMOVEDIR));
  IS("EBADF", unlinkat(77, "f", 0));
  IS("ENOTDIR", unlinkat(Fd("f", O_RDONLY), "f", 0));
  IS(0, syscall(SYS_unlinkat, AT_FDCWD | (5L << 32), "f", 7L << 32));
  IS(0, unlinkat(here, "d", AT_REMOVEDIR));
  IS("", Names("."));
}

CASE(Unlink, OpenFileLivesOn) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0600);
  IS(0, unlink("f"));
  IS(3, write(fd, "abc", 3));
  struct stat info;
  IS(0, fstat(fd, &info));
  IS(0, static_cast<long>(info.st_nlink));
  IS(3, static_cast<long>(info.st_size));
  IS(0, fchmod(fd, 0644));
  const std::string again = "/proc/self/fd/" + std::to_string(fd);
  IS("ok", Open(again, O_RDWR));
  IS("abc", Read(again));
  IS(0, ftruncate(fd, 1));
  IS(0, truncate(again.c_str(), 0));
}

CASE(Unlink, NeedsWritableParentNotFile) {
  Dir("ro");
  Touch("ro/f", 0666);
  Touch("f", 0);
  IS(0, chmod("ro", 0555));
  IS("EACCES", unlink("ro/f"));
  IS("ENOENT", unlink("ro/missing"));
  IS(0, chmod("ro", 0666));
  IS("EACCES", unlink("ro/f"));
  IS("EACCES", unlink("ro/missing"));
  IS(0, chmod("ro", 0755));
  IS(0, unlink("f"));
}

CASE(Nodes, KindsAndModes) {
  umask(022);
  IS(0, mknod("fifo", S_IFIFO | 0666, 0));
  IS("fifo 0644", What("fifo"));
  IS(0, mknod("socket", S_IFSOCK | 0777, 0));
  IS("socket 0755", What("socket"));
  IS(0, mknod("file", S_IFREG | 0600, 0));
  IS("file 0600", What("file"));
  IS(0, mknod("zero", 0640, 0));
  IS("file 0640", What("zero"));
  IS(0, mkfifo("bits", 07777));
  IS("fifo 7755", What("bits"));
}

CASE(Nodes, WrongKinds) {
  IS("EPERM", mknod("d", S_IFDIR | 0755, 0));
  IS("EPERM", mknod("missing/d", S_IFDIR | 0755, 0));
  IS("EINVAL", mknod("l", S_IFLNK | 0755, 0));
  IS("EINVAL", mknod("x", 0170000 | 0755, 0));
  IS("", Names("."));
}

CASE(Nodes, DevicesNeedACapability) {
  Touch("f");
  Dir("ro", 0555);
  for (const mode_t type : {S_IFCHR, S_IFBLK}) {
    IS("EPERM", mknod("n", type | 0600, makedev(1, 3)));
    IS("EEXIST", mknod("f", type | 0600, makedev(1, 3)));
    IS("ENOENT", mknod("missing/n", type | 0600, makedev(1, 3)));
    IS("ENOENT", mknod("n/", type | 0600, makedev(1, 3)));
    IS("ENOENT", mknod("", type | 0600, makedev(1, 3)));
    IS("ENOTDIR", mknod("f/n", type | 0600, makedev(1, 3)));
    IS("EACCES", mknod("ro/n", type | 0600, makedev(1, 3)));
    IS("EEXIST", mknod(".", type | 0600, makedev(1, 3)));
  }
  // A whiteout: the kernel makes it for everybody, a session makes no device of any kind.
  IS(BareOrInside(0, "EPERM"), mknod("whiteout", S_IFCHR, makedev(0, 0)));
}

CASE(Nodes, ExistingAndBadNames) {
  Touch("f");
  Symlink("nowhere", "dangling");
  for (const char* name : {"f", "dangling", ".", "..", "f/"}) {
    IS("EEXIST", mkfifo(name, 0600));
    IS("EEXIST", mknod(name, S_IFREG | 0600, 0));
  }
  IS("ENOENT", mkfifo("", 0600));
  IS("ENOENT", mkfifo("new/", 0600));
  IS("ENOENT", mkfifo("missing/x", 0600));
  IS("ENOTDIR", mkfifo("f/x", 0600));
  IS("EFAULT", syscall(SYS_mknod, nullptr, S_IFIFO, 0));
  Dir("ro", 0555);
  IS("EACCES", mkfifo("ro/x", 0600));
}

CASE(WorkingDirectory, RelativePathsStartThere) {
  Dir("a");
  Dir("a/b");
  IS(0, chdir("a/b"));
  Touch("here");
  Touch("../up");
  Touch("../../top");
  IS("b up", Names(".."));
  IS(0, rename("../up", "down"));
  IS(0, rename("down", "../../moved"));
  IS("a moved top", Names("../.."));
  IS(0, mkdir("../c", 0755));
  IS(0, rmdir("../c"));
  IS(0, symlink("x", "../l"));
  IS(0, unlink("../l"));
  IS(0, link("here", "../../linked"));
  IS("ok", Open("../../a/b/../b/./here", O_RDWR));
  IS("ENOTEMPTY", rmdir(".."));
  IS("EEXIST", mkdir("..", 0755));
  IS("EISDIR", Open("..", O_RDWR | O_CREAT, 0600));
  IS("EBUSY", rename("..", "x"));
}

CASE(WorkingDirectory, RemovedOneAnswersEnoent) {
  Dir("d");
  IS(0, chdir("d"));
  IS(0, rmdir("../d"));
  char cwd[4096];
  IS("ENOENT", syscall(SYS_getcwd, cwd, sizeof(cwd)));
  IS("ENOENT", Open("f", O_RDWR | O_CREAT, 0600));
  IS("ENOENT", Open("f", O_RDWR));
  IS("ENOENT", mkdir("e", 0755));
  IS("ENOENT", symlink("x", "l"));
  IS("ENOENT", mkfifo("p", 0600));
  IS("ENOENT", unlink("f"));
  IS("ENOENT", rmdir("f"));
  IS("ENOENT", rename("f", "g"));
  IS("ok", Open(".", O_RDONLY | O_DIRECTORY));
  IS("ENOENT", Open("f/g", O_RDWR | O_CREAT, 0600));
  IS("EINVAL", rmdir("."));
  IS(0, chmod(".", 0700));
}

CASE(WorkingDirectory, RemovedOneStillHasItsParent) {
  Dir("d");
  Dir("d/e");
  IS(0, chdir("d/e"));
  IS(0, rmdir("../e"));
  IS(0, mkdir("../made", 0755));
  IS("ok", Open("../f", O_RDWR | O_CREAT, 0600));
  IS("ok", Open("./../f", O_RDWR));
  IS("ok", Open("..", O_RDONLY));
  IS(0, rename("../f", "../../g"));
  IS("f", Answer(access("../g", F_OK) == 0 ? "g" : "f"));
  IS(0, access("../../g", F_OK));
  IS("ENOENT", link("../../g", "here"));
  IS("made", Names(".."));
  IS(0, rmdir("../made"));
  IS(0, rmdir("../../d"));
  IS("ok", Open("../../h", O_RDWR | O_CREAT, 0600));
  IS("ENOENT", Open("../h", O_RDWR | O_CREAT, 0600));
}

CASE(WorkingDirectory, RenamedOneIsFollowed) {
  Dir("a");
  Dir("b");
  IS(0, chdir("a"));
  IS(0, rename("../a", "../b/c"));
  Touch("f");
  Touch("../g");
  Touch("../../h");
  IS("c g", Names("../../b"));
  IS("f", Names("../../b/c"));
  char cwd[4096];
  IS(true, getcwd(cwd, sizeof(cwd)) != nullptr);
  IS(true, std::string(cwd).ends_with("/b/c"));
}

CASE(WorkingDirectory, UnsearchableAncestorIsNoHindrance) {
  Dir("closed");
  Dir("closed/a");
  Dir("closed/a/b");
  IS(0, chdir("closed/a/b"));
  const int top = Fd("../../..", O_PATH | O_DIRECTORY);
  IS(0, fchmodat(top, "closed", 0, 0));
  IS("ok", Open("f", O_RDWR | O_CREAT, 0600));
  IS("ok", Open("../g", O_RDWR | O_CREAT, 0600));
  IS(0, rename("../g", "../h"));
  IS(0, mkdir("../d", 0755));
  IS("EACCES", Open("../../i", O_RDWR | O_CREAT, 0600));
  IS(0, unlink("../h"));
  IS(0, rmdir("../d"));
  IS(0, fchmodat(top, "closed", 0755, 0));
  IS("f", Names("."));
  IS("b", Names(".."));
}

CASE(WorkingDirectory, DescriptorsOfRemovedDirectories) {
  Dir("d");
  const int d = Fd("d", O_RDONLY | O_DIRECTORY);
  const int path = Fd("d", O_PATH);
  IS(0, rmdir("d"));
  for (const int fd : {d, path}) {
    IS("ENOENT", OpenAt(fd, "f", O_RDWR | O_CREAT, 0600));
    IS("ENOENT", mkdirat(fd, "e", 0755));
    IS("ENOENT", unlinkat(fd, "e", 0));
    IS("ENOENT", symlinkat("x", fd, "l"));
    IS("ENOENT", renameat(fd, "x", AT_FDCWD, "y"));
    IS("ok", OpenAt(fd, "../f", O_RDWR | O_CREAT, 0600));
    IS(0, fchdir(fd));
    IS("ENOENT", Open("f", O_RDWR | O_CREAT, 0600));
    IS(0, chdir(".."));
  }
}

CASE(WorkingDirectory, FchdirAndRealpath) {
  Dir("a");
  Symlink("a", "l");
  char before[PATH_MAX];
  char path[PATH_MAX];
  IS(true, getcwd(before, sizeof(before)) != nullptr);
  IS(0, fchdir(Fd("a", O_PATH)));
  Touch("f");
  IS(true, realpath("../l/f", path) != nullptr);
  IS(std::string(before) + "/a/f", path);
  IS("ENOTDIR", fchdir(Fd("f", O_RDWR)));
  IS(0, chdir("../l"));
  IS(true, getcwd(path, sizeof(path)) != nullptr);
  IS(std::string(before) + "/a", path);
}

}  // namespace conformance
