// link(2), linkat(2), symlink(2), readlink(2), and the protected_* settings of proc_sys_fs(5).
#include "tests/conformance/conformance.h"

namespace conformance {

CASE(HardLink, SecondNameIsTheSameFile) {
  Touch("a", 0640, "x");
  IS(0, link("a", "b"));
  IS(true, SameFile("a", "b"));
  IS(2, Links("a"));
  IS(0, chmod("b", 0600));
  IS("file 0600", What("a"));
  IS(0, unlink("a"));
  IS(1, Links("b"));
  IS("x", Read("b"));
}

CASE(HardLink, ExistingNewNameIsEexist) {
  Touch("a");
  Touch("f");
  Dir("d");
  Symlink("nowhere", "dangling");
  Symlink("a", "l");
  for (const char* name : {"a", "f", "d", "dangling", "l", ".", "..", "d/", "d/.", "d/.."}) {
    IS("EEXIST", link("a", name));
  }
  IS("EEXIST", link("d", "f"));  // before the kind is looked at
  IS("ENOENT", link("missing", "f"));
  IS("EEXIST", link("a", "f/"));
}

CASE(HardLink, NewNameWithASlashIsEnoent) {
  Touch("a");
  Dir("d");
  IS("ENOENT", link("a", "new/"));
  IS("ENOENT", link("d", "new/"));
  IS("ENOENT", link("a", ""));
  IS("ENOENT", link("", "b"));
  IS("ENOENT", link("a", "missing/b"));
  IS("ENOTDIR", link("a/", "b"));
  IS("ENOTDIR", link("a/x", "b"));
  IS("ENOTDIR", link("a", "a/b"));
}

CASE(HardLink, DirectoryIsEperm) {
  Dir("d");
  Dir("ro", 0555);
  Symlink("d", "l");
  IS("EPERM", link("d", "e"));
  IS("EPERM", link("d/", "e"));
  IS("EPERM", link(".", "e"));
  IS("EPERM", link("..", "e"));
  IS("EPERM", link("l/", "e"));
  IS("EPERM", linkat(AT_FDCWD, "l", AT_FDCWD, "e", AT_SYMLINK_FOLLOW));
}

CASE(HardLink, DirectoryIntoAnUnwritablePlaceIsEacces) {
  Dir("d");
  Touch("f");
  Dir("ro", 0555);
  IS("EACCES", link("f", "ro/e"));
  IS("EACCES", link("d", "ro/e"));
  Dir("closed", 0);
  IS("EACCES", link("f", "closed/e"));
  IS("EACCES", link("closed/f", "e"));
}

CASE(HardLink, SymlinkItselfIsLinkedUnlessFollowed) {
  Touch("f");
  Symlink("f", "s");
  Symlink("nowhere", "dangling");
  IS(0, link("s", "s2"));
  IS("link", What("s2"));
  IS(true, SameFile("s", "s2"));
  IS(0, linkat(AT_FDCWD, "s", AT_FDCWD, "f2", AT_SYMLINK_FOLLOW));
  IS("file 0644", What("f2"));
  IS(2, Links("f"));
  IS(0, link("dangling", "d2"));
  IS("ENOENT", linkat(AT_FDCWD, "dangling", AT_FDCWD, "d3", AT_SYMLINK_FOLLOW));
}

CASE(HardLink, FlagsAreChecked) {
  Touch("f");
  IS("EINVAL", linkat(AT_FDCWD, "f", AT_FDCWD, "g", AT_SYMLINK_NOFOLLOW));
  IS("EINVAL", linkat(AT_FDCWD, "f", AT_FDCWD, "g", 1));
  IS("EINVAL", linkat(AT_FDCWD, "missing", AT_FDCWD, "g", AT_REMOVEDIR));
  IS(0, syscall(SYS_linkat, AT_FDCWD, "f", AT_FDCWD, "g", 1UL << 40));
  IS("EFAULT", syscall(SYS_link, nullptr, "x"));
  IS("EFAULT", syscall(SYS_link, "f", nullptr));
}

CASE(HardLink, DirfdsAreUsed) {
  Dir("a");
  Dir("b");
  Touch("a/f");
  const int a = Fd("a", O_RDONLY | O_DIRECTORY);
  const int b = Fd("b", O_PATH);
  const int file = Fd("a/f", O_RDONLY);
  IS(0, linkat(a, "f", b, "g", 0));
  IS(true, SameFile("a/f", "b/g"));
  IS("EBADF", linkat(99, "f", b, "h", 0));
  IS("EBADF", linkat(a, "f", 99, "h", 0));
  IS("ENOTDIR", linkat(file, "f", b, "h", 0));
  IS("ENOTDIR", linkat(a, "f", file, "h", 0));
}

CASE(HardLink, EmptyPathLinksTheDescriptor) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  IS(0, linkat(fd, "", AT_FDCWD, "g", AT_EMPTY_PATH));
  IS(2, Links("f"));
  IS("ENOENT", linkat(fd, "", AT_FDCWD, "h", 0));
  IS(0, unlink("f"));
  IS(0, unlink("g"));
  IS("ENOENT", linkat(fd, "", AT_FDCWD, "h", AT_EMPTY_PATH));
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  IS("ENOENT", linkat(AT_FDCWD, link.c_str(), AT_FDCWD, "h", AT_SYMLINK_FOLLOW));
  IS("EPERM", linkat(AT_FDCWD, "", AT_FDCWD, "h", AT_EMPTY_PATH));
}

CASE(HardLink, NodesMayHaveTwoNames) {
  IS(0, mkfifo("fifo", 0600));
  IS(0, link("fifo", "fifo2"));
  IS(2, Links("fifo"));
  IS(0, mknod("sock", S_IFSOCK | 0600, 0));
  IS(0, link("sock", "sock2"));
  IS("socket 0600", What("sock2"));
}

CASE(Symlink, TextIsKeptAsItIs) {
  for (const char* text :
       {"x", "/", ".", "..", "a//b/", "/nowhere/at all", "\xff\xfe", "../../.."}) {
    IS(0, symlink(text, "l"));
    IS(text, LinkText("l"));
    IS(static_cast<long>(std::string(text).size()), Size("l"));
    IS(0, unlink("l"));
  }
}

CASE(Symlink, EmptyTextOrNameIsEnoent) {
  IS("ENOENT", symlink("", "l"));
  IS("ENOENT", symlink("x", ""));
  IS("ENOENT", symlink("x", "missing/l"));
  IS("ENOENT", symlink("x", "new/"));
  IS("EFAULT", syscall(SYS_symlink, nullptr, "l"));
  IS("EFAULT", syscall(SYS_symlink, "x", nullptr));
  IS("", Names("."));
}

CASE(Symlink, ExistingNameIsEexist) {
  Touch("f");
  Dir("d");
  Symlink("nowhere", "dangling");
  for (const char* name : {"f", "d", "dangling", ".", "..", "d/", "d/."}) {
    IS("EEXIST", symlink("x", name));
  }
  IS("EEXIST", symlink("x", "f/"));
  IS("ENOTDIR", symlink("x", "f/l"));
}

CASE(Symlink, LongTextIsEnametoolong) {
  IS(0, symlink(Times(4095, "x").c_str(), "longest"));
  IS(4095, Size("longest"));
  IS("ENAMETOOLONG", symlink(Times(4096, "x").c_str(), "longer"));
  IS("ENAMETOOLONG", Open("longest", O_RDONLY));
  IS("ENAMETOOLONG", Open("longest", O_WRONLY | O_CREAT, 0644));
}

CASE(Symlink, ModeIsAll777AndOwnerTheCaller) {
  umask(077);
  IS(0, symlink("x", "l"));
  struct stat info;
  IS(0, lstat("l", &info));
  IS(0777, static_cast<long>(info.st_mode & 07777));
  IS(std::to_string(geteuid()) + ":" + std::to_string(getegid()), Owner("l"));
}

CASE(Symlink, ReadlinkAnswers) {
  Touch("f");
  Symlink("abcdef", "l");
  char buffer[4] = {};
  IS(3, readlink("l", buffer, 3));
  IS("abc", std::string(buffer));
  IS("EINVAL", readlink("f", buffer, 3));
  IS("EINVAL", readlink("l", buffer, 0));
  IS("ENOENT", readlink("missing", buffer, 3));
  IS("ENOTDIR", readlink("f/x", buffer, 3));
  const int fd = Fd("l", O_PATH | O_NOFOLLOW);
  IS(3, readlinkat(fd, "", buffer, 3));
}

// The session of a mount is its broker's: whatever the link's place, the same rules
// (proc_sys_fs(5)).
CASE_WITH(LinksProtected, HardLinkToAFileOfAnotherIsEperm) {
  Touch("private", 0600);
  Touch("writable", 0666);
  Touch("suid", 04777);
  Touch("sgid-exec", 02777);
  IS(0, mkfifo("fifo", 0666));
  for (const char* name : {"private", "writable", "suid", "sgid-exec", "fifo"}) {
    Give(name, kOther, kOther);
  }
}
THEN(LinksProtected, HardLinkToAFileOfAnotherIsEperm) {
  Touch("mine", 0);
  IS("EPERM", link("private", "l1"));
  IS(0, link("writable", "l2"));
  IS("EPERM", link("suid", "l3"));
  IS("EPERM", link("sgid-exec", "l4"));
  IS("EPERM", link("fifo", "l5"));
  IS(0, link("mine", "l6"));
}

CASE_WITH(LinksUnprotected, HardLinkToAFileOfAnotherIsMade) {
  Touch("private", 0600);
  Touch("suid", 04777);
  Give("private", kOther, kOther);
  Give("suid", kOther, kOther);
}
THEN(LinksUnprotected, HardLinkToAFileOfAnotherIsMade) {
  IS(0, link("private", "l1"));
  IS(0, link("suid", "l3"));
}

#define PLANTED_LINKS()                                          \
  Dir("sticky", 01777);                                          \
  Dir("open", 0777);                                             \
  Touch("target", 0666, "x");                                    \
  for (const char* place : {"sticky", "open"}) {                 \
    const std::string link = std::string(place) + "/theirs";     \
    Symlink("../target", link);                                  \
    Give(link, kOther, kOther);                                  \
    Symlink("../made", std::string(place) + "/dangling");        \
    Give(std::string(place) + "/dangling", kOther, kOther);      \
    Touch(std::string(place) + "/file", 0666);                   \
    Give(std::string(place) + "/file", kOther, kOther);          \
    IS(0, mkfifo((std::string(place) + "/fifo").c_str(), 0600)); \
    Give(std::string(place) + "/fifo", kOther, kOther);          \
    IS(0, chmod((std::string(place) + "/fifo").c_str(), 0666));  \
  }                                                              \
  Give("sticky", 4000, 4000);                                    \
  Give("open", 4000, 4000)

CASE_WITH(LinksProtected, LinkOfAnotherInAStickyDirectoryIsNotFollowed) { PLANTED_LINKS(); }
THEN(LinksProtected, LinkOfAnotherInAStickyDirectoryIsNotFollowed) {
  Symlink("../target", "sticky/mine");
  IS("EACCES", Open("sticky/theirs", O_RDONLY));
  IS("EACCES", Open("sticky/theirs", O_RDWR));
  IS("EACCES", Open("sticky/theirs", O_RDWR | O_CREAT, 0600));
  IS("EACCES", Open("sticky/dangling", O_RDWR | O_CREAT, 0600));
  IS("EACCES", truncate("sticky/theirs", 0));
  IS("EACCES", chmod("sticky/theirs", 0600));
  IS("EACCES", linkat(AT_FDCWD, "sticky/theirs", AT_FDCWD, "l", AT_SYMLINK_FOLLOW));
  IS("ok", Open("sticky/mine", O_RDWR));
  IS("ok", Open("open/theirs", O_RDWR));
  IS("ok", Open("open/theirs", O_RDWR | O_CREAT, 0600));
  IS("nothing", What("made"));
}

CASE_WITH(LinksProtected, CreateOnAFileOfAnotherInAStickyDirectoryIsEacces) { PLANTED_LINKS(); }
THEN(LinksProtected, CreateOnAFileOfAnotherInAStickyDirectoryIsEacces) {
  Touch("sticky/mine");
  IS("EACCES", Open("sticky/file", O_RDWR | O_CREAT, 0600));
  IS("EACCES", Open("sticky/file", O_RDONLY | O_CREAT, 0600));
  IS("EEXIST", Open("sticky/file", O_RDWR | O_CREAT | O_EXCL, 0600));
  IS("ok", Open("sticky/file", O_RDWR));
  IS("ok", Open("sticky/mine", O_RDWR | O_CREAT, 0600));
  IS("ok", Open("open/file", O_RDWR | O_CREAT, 0600));
  IS("EACCES", Open("sticky/fifo", O_RDWR | O_CREAT, 0600));
  IS("ok", Open("sticky/fifo", O_RDWR));
  IS("ok", Open("open/fifo", O_RDWR | O_CREAT, 0600));
}

CASE_WITH(LinksUnprotected, LinksAndFilesOfOthersAreUsed) { PLANTED_LINKS(); }
THEN(LinksUnprotected, LinksAndFilesOfOthersAreUsed) {
  IS("ok", Open("sticky/theirs", O_RDWR));
  IS("ok", Open("sticky/theirs", O_RDWR | O_CREAT, 0600));
  IS("ok", Open("sticky/file", O_RDWR | O_CREAT, 0600));
  IS("ok", Open("sticky/fifo", O_RDWR | O_CREAT, 0600));
  IS("ok", Open("sticky/dangling", O_RDWR | O_CREAT, 0600));
  IS("file 0600", What("made"));
}

}  // namespace conformance
