// What a disk or an inode refuses: quotas, link counts, mount points, immutable and append-only
// files; and what a read-only or full file system says to every call.
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "tests/conformance/conformance.h"
#include "tests/conformance/newer_calls.h"

namespace conformance {
namespace {

void SetInodeFlags(const char* path, int flags) {
  const int fd = Fd(path, O_RDONLY);
  IS(0, ioctl(fd, FS_IOC_SETFLAGS, &flags));
  close(fd);
}

void MakeFlagged(int flag) {
  for (const char* name : {"f", "target"}) Touch(name, 0666, "content");
  for (const char* name : {"d", "d/sub"}) Dir(name, 0777);
  Touch("d/f", 0666);
  for (const char* name : {"f", "target", "d", "d/sub", "d/f"}) Give(name, 1000, 1000);
  if (flag == FS_IMMUTABLE_FL || flag == FS_APPEND_FL) {
    SetInodeFlags("f", flag);
    SetInodeFlags("d", flag);
  }
}

}  // namespace

// btrfs without extended references holds as many names of a file as fit into one block.
CASE(DiskLimits, MoreNamesThanFitAreEmlink) {
  Touch("f");
  Dir("d");
  const std::string tail = Times(240, "n");
  long links = 0;
  while (links < 1000 && link("f", ("d/" + std::to_string(1000 + links) + tail).c_str()) == 0) {
    ++links;
  }
  IS("EMLINK", -1L);
  IS(true, links > 10 && links < 1000);
  IS(links + 1, Links("f"));
  const std::string more = "d/more" + tail;
  IS("EMLINK", link("f", more.c_str()));
  IS("EMLINK", linkat(AT_FDCWD, "f", AT_FDCWD, more.c_str(), AT_SYMLINK_FOLLOW));
  IS("EEXIST", link("f", ("d/1000" + tail).c_str()));
  IS(0, link("f", "elsewhere"));  // the limit is one directory's
  for (long i = 0; i < links; ++i) {
    IS(0, unlink(("d/" + std::to_string(1000 + i) + tail).c_str()));
  }
}

// The subvolume's quota is used up: whatever would take more is EDQUOT, the rest is not.
CASE(DiskLimits, UsedUpQuotaIsEdquot) {
  Dir("d");
  Touch("small", 0644, "x");
  Symlink("made", "dangling");
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  const std::string block = Times(4096, "x");
  ssize_t size = 0;
  for (int i = 0; i < 1000 && (size = write(fd, block.data(), block.size())) > 0;) ++i;
  IS("EDQUOT", size);
  for (int i = 0; i < 1000 && mkdir(("d/" + std::to_string(i)).c_str(), 0755) == 0;) ++i;
  IS("EDQUOT", mkdir("new", 0755));
  IS("EDQUOT", Open("new", O_WRONLY | O_CREAT, 0600));
  IS("EDQUOT", Open("new", O_WRONLY | O_CREAT | O_EXCL, 0600));
  IS("EDQUOT", Open("dangling", O_WRONLY | O_CREAT, 0600));
  IS("EDQUOT", symlink("x", "new"));
  IS("EDQUOT", mkfifo("new", 0600));
  IS("EDQUOT", mknod("new", S_IFREG | 0600, 0));
  IS("EDQUOT", link("small", "new"));
  IS("EDQUOT", rename("small", "new"));
  IS("EDQUOT", Rename2("small", "new", RENAME_NOREPLACE));
  IS("EDQUOT", fallocate(fd, 0, 8 << 20, 4 << 20));
  SAME(setxattr("small", "user.a", block.data(), 2000, 0));
  SAME(Open(".", O_RDWR | O_TMPFILE, 0600));
  IS("ok", Open("small", O_RDWR | O_CREAT, 0600));
  IS("EEXIST", mkdir("small", 0755));
  IS("ENOENT", unlink("new"));
  IS("x", Read("small"));
}

CASE(MountPoint, NothingIsDoneToIt) {
  Touch("f");
  Dir("d");
  IS("EBUSY", rmdir("../inner"));
  // Of somebody else's directory, ".." may not be changed, and that is asked first.
  IS(IsRoot() ? "EBUSY" : "EACCES", rename("../inner", "moved"));
  IS("EBUSY", rename("d", "../inner"));
  IS("EISDIR", unlink("../inner"));
  IS("EISDIR", rename("f", "../inner"));
  IS("EEXIST", mkdir("../inner", 0755));
  IS("EEXIST", symlink("x", "../inner"));
  IS("EEXIST", link("f", "../inner"));
  IS("EEXIST", mkfifo("../inner", 0600));
  IS(IsRoot() ? "EBUSY" : "EACCES", Rename2("d", "../inner", RENAME_EXCHANGE));
  IS("EEXIST", Rename2("d", "../inner", RENAME_NOREPLACE));
  IS("EXDEV", link("f", "../inner/f"));
  IS("EXDEV", rename("f", "../inner/f"));
  // What is behind it is not the session's (cross_device, docs/errors.md).
  IS(BareOrInside("ok", "EXDEV"), Open("../inner/f", O_RDWR | O_CREAT, 0600));
  IS(BareOrInside(0, "EXDEV"), chmod("../inner/f", 0600));
}

CASE_WITH(InodeFlags, ImmutableIsEperm) { MakeFlagged(FS_IMMUTABLE_FL); }
THEN(InodeFlags, ImmutableIsEperm) {
  if (IsRoot()) return;  // the files are the ordinary user's
  IS("EPERM", Open("f", O_WRONLY));
  IS("EPERM", Open("f", O_RDWR | O_CREAT, 0600));
  IS("EPERM", Open("f", O_WRONLY | O_TRUNC));
  IS("EPERM", Open("f", O_WRONLY | O_APPEND));
  IS("ok", Open("f", O_RDONLY));
  IS("EPERM", truncate("f", 0));
  IS("EPERM", chmod("f", 0600));
  IS("EPERM", fchmod(Fd("f", O_RDONLY), 0600));
  IS("EPERM", chown("f", getuid(), getgid()));
  IS("EPERM", utimensat(AT_FDCWD, "f", nullptr, 0));
  IS("EPERM", setxattr("f", "user.a", "1", 1, 0));
  IS("EPERM", removexattr("f", "user.a"));
  IS("EPERM", unlink("f"));
  IS("EPERM", rename("f", "g"));
  IS("EPERM", rename("target", "f"));
  IS("EPERM", link("f", "g"));
  IS("EPERM", access("f", W_OK));
  IS("EPERM", Open("d/new", O_WRONLY | O_CREAT, 0600));
  IS("EPERM", mkdir("d/new", 0755));
  IS("EPERM", symlink("x", "d/new"));
  IS("EPERM", mkfifo("d/new", 0600));
  IS("EPERM", link("target", "d/new"));
  IS("EPERM", rename("target", "d/new"));
  IS("EPERM", unlink("d/f"));
  IS("EPERM", rmdir("d/sub"));
  IS("EPERM", rename("d/f", "g"));
  IS("EPERM", rename("d", "e"));
  IS("EPERM", rmdir("d"));
  IS("ok", Open("d/f", O_RDWR));
  IS(0, chmod("d/f", 0600));
  IS("content", Read("f"));
  IS("f sub", Names("d"));
}

CASE_WITH(InodeFlags, AppendOnlyGrowsOnly) { MakeFlagged(FS_APPEND_FL); }
THEN(InodeFlags, AppendOnlyGrowsOnly) {
  if (IsRoot()) return;
  IS("EPERM", Open("f", O_WRONLY));
  IS("EPERM", Open("f", O_RDWR | O_CREAT, 0600));
  IS("EPERM", Open("f", O_WRONLY | O_APPEND | O_TRUNC));
  IS("EPERM", Open("f", O_RDONLY | O_TRUNC));
  const int fd = Fd("f", O_WRONLY | O_APPEND);
  IS(1, write(fd, "!", 1));
  IS("EPERM", ftruncate(fd, 0));
  IS("EPERM", fcntl(fd, F_SETFL, 0));
  IS("content!", Read("f"));
  IS("EPERM", truncate("f", 0));
  IS("EPERM", truncate("f", 100));
  IS("EPERM", chmod("f", 0600));
  IS("EPERM", unlink("f"));
  IS("EPERM", rename("f", "g"));
  IS("EPERM", link("f", "g"));
  IS(0, utimensat(AT_FDCWD, "f", nullptr, 0));
  IS("ok", Open("d/new", O_WRONLY | O_CREAT, 0600));
  IS(0, mkdir("d/made", 0755));
  IS(0, link("target", "d/link"));
  IS("EPERM", unlink("d/f"));
  IS("EPERM", rmdir("d/sub"));
  IS("EPERM", rename("d/f", "g"));
  IS("f link made new sub", Names("d"));
}

// utimes by the time of access: the calls that read, and the links that they go through.
CASE(AccessTimes, ReadingAndFollowing) {
  Touch("f", 0644, "abc");
  Dir("d");
  Touch("d/g");
  Symlink("f", "l");
  Symlink("d", "ld");
  char byte;
  IS("a", Changes("f", [&] { IS(1, read(Fd("f", O_RDONLY), &byte, 1)); }));
  IS("a", Changes("f", [&] { IS(1, read(Fd("f", O_RDWR), &byte, 1)); }));
  IS("", Changes("f", [&] { IS(1, read(Fd("f", O_RDONLY | O_NOATIME), &byte, 1)); }));
  IS("", Changes("f", [&] { IS(1, read(Fd("f", O_RDWR | O_NOATIME), &byte, 1)); }));
  IS("", Changes("f", [] { IS("ok", Open("f", O_RDWR)); }));
  IS("a", Changes("d", [] { IS("g", Names("d")); }));
  IS("a", Changes("l", [] { IS("ok", Open("l", O_RDONLY)); }));
  IS("a", Changes("l", [] { IS("ok", Open("l", O_RDWR)); }));
  IS("a", Changes("l", [] { IS("ok", Open("l", O_RDWR | O_CREAT, 0600)); }));
  IS("a", Changes("l", [] { IS(0, chmod("l", 0600)); }));
  IS("a", Changes("l", [] { IS(0, truncate("l", 3)); }));
  IS("a", Changes("l", [] { IS(0, utimensat(AT_FDCWD, "l", nullptr, 0)); }));
  IS("a", Changes("l", [] { IS(0, setxattr("l", "user.a", "1", 1, 0)); }));
  IS("a", Changes("ld", [] { IS(0, mkdir("ld/new", 0755)); }));
  IS("a", Changes("ld", [] { IS(0, rename("ld/new", "ld/other")); }));
  IS("a", Changes("ld", [] { IS(0, rmdir("ld/other")); }));
  IS("a", Changes("ld", [] { IS("ok", Open("ld/g", O_RDWR | O_CREAT, 0600)); }));
  IS("c", Changes("l", [] { IS(0, lchown("l", -1, -1)); }));
  IS("c", Changes("l", [] {
       IS(0, rename("l", "l2"));
       IS(0, rename("l2", "l"));
     }));
  IS("", Changes("l", [] { IS("ELOOP", Open("l", O_RDWR | O_NOFOLLOW)); }));
  IS("", Changes("l", [] { IS("EEXIST", Open("l", O_RDWR | O_CREAT | O_EXCL, 0600)); }));
}

CASE_WITH(ReadOnlyMount, EveryOtherCallIsErofs) {
  Touch("f", 0666, "x");
  Dir("d", 0777);
  Symlink("f", "l");
  Give("f", getuid(), getgid());
}
THEN(ReadOnlyMount, EveryOtherCallIsErofs) {
  const int fd = Fd("f", O_RDONLY);
  const int path = Fd("f", O_PATH);
  IS("EROFS", setxattr("f", "user.a", "1", 1, 0));
  IS("EROFS", lsetxattr("l", "user.a", "1", 1, 0));
  IS("EROFS", fsetxattr(fd, "user.a", "1", 1, 0));
  IS("EROFS", removexattr("f", "user.a"));
  IS("EROFS", fremovexattr(fd, "user.a"));
  IS("EROFS", fchown(fd, -1, -1));
  IS("EROFS", lchown("l", -1, -1));
  IS("EROFS", fchownat(path, "", static_cast<uid_t>(-1), static_cast<gid_t>(-1), AT_EMPTY_PATH));
  IS("EROFS", futimens(fd, nullptr));
  IS("EROFS", utimensat(AT_FDCWD, "l", nullptr, AT_SYMLINK_NOFOLLOW));
  IS("EROFS", syscall(kFchmodat2, AT_FDCWD, "f", 0600, AT_SYMLINK_NOFOLLOW));
  IS("EROFS", Rename2("f", "d", RENAME_EXCHANGE));
  IS("EROFS", Rename2("f", "new", RENAME_NOREPLACE));
  IS("EROFS", linkat(path, "", AT_FDCWD, "new", AT_EMPTY_PATH));
  IS("EROFS", Open("/proc/self/fd/" + std::to_string(fd), O_RDWR));
  IS("EBADF", fallocate(fd, 0, 0, 1));
  IS("EINVAL", rmdir("."));
  IS("EBUSY", rename("d/.", "x"));
  IS("ENOTDIR", unlink("f/x"));
  IS("EROFS", unlink("d"));
  IS("EISDIR", Open("new/", O_WRONLY | O_CREAT, 0600));
  IS("ENOENT", Open("", O_WRONLY | O_CREAT, 0600));
  struct statvfs info;
  IS(0, statvfs(".", &info));
  IS(true, (info.f_flag & ST_RDONLY) != 0);
}

CASE(FullDisk, NamesStillFitWhereTheyNeedNoBlock) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  const std::string block = Times(4096, "x");
  while (write(fd, block.data(), block.size()) > 0) {
  }
  IS(0, mkdir("d", 0755));
  IS(0, symlink("x", "l"));
  IS("ENOSPC", symlink(Times(3000, "x").c_str(), "long"));
  IS("ok", Open("new", O_WRONLY | O_CREAT, 0600));
  IS(0, rename("new", "d/new"));
  IS("ENOSPC", write(Fd("d/new", O_WRONLY), "x", 1));
  IS("ENOSPC", posix_fallocate(Fd("d/new", O_WRONLY), 0, 4096) == 0 ? 0L : (errno = ENOSPC, -1L));
  IS("ok", Open("f", O_WRONLY | O_TRUNC));
  IS(1, write(Fd("d/new", O_WRONLY), "x", 1));
}

CASE(Truncate, LimitOfAWriteBySignal) {
  Touch("f");
  const rlimit limit = {10, 10};
  IS(0, setrlimit(RLIMIT_FSIZE, &limit));
  const int fd = Fd("f", O_WRONLY);
  IS(10, write(fd, "0123456789ab", 12));
  const std::string killed = "signal " + std::to_string(SIGXFSZ);
  IS(killed, InChild([&] { return write(fd, "x", 1) == 1 ? 0 : 1; }));
  IS(killed, InChild([&] { return ftruncate(fd, 11) == 0 ? 0 : 1; }));
  IS(killed, InChild([&] { return fallocate(fd, 0, 0, 11) == 0 ? 0 : 1; }));
  IS(10, Size("f"));
}

}  // namespace conformance
