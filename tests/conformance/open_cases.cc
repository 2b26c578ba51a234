// open(2), creat(2): what is opened, made and refused.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "tests/conformance/conformance.h"

namespace conformance {

CASE(Open, MissingFileIsEnoent) {
  IS("ENOENT", Open("f", O_RDONLY));
  IS("ENOENT", Open("f", O_WRONLY));
  IS("ENOENT", Open("f", O_RDWR | O_TRUNC));
  IS("ENOENT", Open("d/f", O_WRONLY | O_CREAT, 0644));
  IS("ENOENT", Open("", O_RDONLY));
  IS("ENOENT", Open("", O_WRONLY | O_CREAT, 0644));
  IS("", Names("."));
}

CASE(Open, NullAndBadPathsAreEfault) {
  IS("EFAULT", syscall(SYS_openat, AT_FDCWD, nullptr, O_RDONLY, 0));
  IS("EFAULT", syscall(SYS_openat, AT_FDCWD, nullptr, O_WRONLY | O_CREAT, 0644));
  IS("EFAULT", syscall(SYS_openat, AT_FDCWD, 1L << 40, O_RDWR, 0));
}

CASE(Open, CreatedModeIsMaskedByUmask) {
  for (const mode_t mask : {0, 022, 077, 0777, 0123}) {
    umask(mask);
    const std::string name = "f" + std::to_string(mask);
    IS("ok", Open(name, O_WRONLY | O_CREAT, 0777));
    char want[16];
    snprintf(want, sizeof(want), "file %04o", 0777U & ~mask);
    IS(std::string(want), What(name));
  }
}

CASE(Open, CreatedModeKeepsSetIdAndStickyBits) {
  umask(0);
  IS("ok", Open("suid", O_WRONLY | O_CREAT, 04755));
  IS("file 4755", What("suid"));
  IS("ok", Open("sgid", O_WRONLY | O_CREAT, 02755));
  IS("file 2755", What("sgid"));
  IS("ok", Open("sticky", O_WRONLY | O_CREAT, 01644));
  IS("file 1644", What("sticky"));
  IS("ok", Open("more", O_WRONLY | O_CREAT, 0177777));
  IS("file 7777", What("more"));
}

CASE(Open, CreatingDescriptorIgnoresItsOwnMode) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0);
  IS("file 0000", What("f"));
  IS(3, write(fd, "abc", 3));
  IS("EACCES", Open("f", O_RDONLY));
  IS("EACCES", Open("f", O_WRONLY));
  IS("EACCES", Open("f", O_RDWR | O_CREAT, 0644));
  IS(std::to_string(geteuid()) + ":" + std::to_string(getegid()), Owner("f"));
}

CASE(Open, ModeIsNotUsedWhenTheFileExists) {
  Touch("f", 0640, "abc");
  IS("ok", Open("f", O_WRONLY | O_CREAT, 0777));
  IS("file 0640", What("f"));
  IS("abc", Read("f"));
}

CASE(Open, ExclusiveOnWhatExistsIsEexist) {
  Touch("f");
  Dir("d");
  Symlink("f", "to-file");
  Symlink("nowhere", "dangling");
  Symlink("dangling2", "dangling2");
  IS(0, mkfifo("fifo", 0600));
  for (const char* name : {"f", "d", "to-file", "dangling", "dangling2", "fifo"}) {
    IS("EEXIST", Open(name, O_WRONLY | O_CREAT | O_EXCL, 0644));
    IS("EEXIST", Open(name, O_RDONLY | O_CREAT | O_EXCL, 0644));
  }
  IS("nothing", What("nowhere"));
  IS("ok", Open("new", O_RDONLY | O_CREAT | O_EXCL, 0600));
  IS("file 0600", What("new"));
}

CASE(Open, DotsWithCreateAreDirectories) {
  Dir("d");
  for (const char* name : {".", "..", "d/.", "d/.."}) {
    IS("EISDIR", Open(name, O_RDONLY | O_CREAT, 0644));
    IS("EISDIR", Open(name, O_WRONLY | O_CREAT, 0644));
    IS("EEXIST", Open(name, O_RDONLY | O_CREAT | O_EXCL, 0644));
  }
  IS("EEXIST", Open("d/./", O_RDONLY | O_CREAT | O_EXCL, 0644));
}

CASE(Open, TrailingSlashWithCreateIsEisdir) {
  Touch("f");
  Dir("d");
  Symlink("d", "to-dir");
  for (const char* name : {"f/", "d/", "new/", "to-dir/"}) {
    IS("EISDIR", Open(name, O_WRONLY | O_CREAT, 0644));
    IS("EISDIR", Open(name, O_RDONLY | O_CREAT, 0644));
    IS("EISDIR", Open(name, O_WRONLY | O_CREAT | O_EXCL, 0644));
  }
  IS("d f to-dir", Names("."));
}

CASE(Open, TrailingSlashWithoutCreate) {
  Touch("f");
  Dir("d");
  Symlink("f", "to-file");
  Symlink("d", "to-dir");
  IS("ENOTDIR", Open("f/", O_RDONLY));
  IS("ENOTDIR", Open("f/", O_WRONLY));
  IS("ENOTDIR", Open("to-file/", O_WRONLY));
  IS("EISDIR", Open("d/", O_WRONLY));
  IS("EISDIR", Open("to-dir/", O_RDWR));
  IS("ok", Open("d/", O_RDONLY));
  IS("ok", Open("to-dir/", O_RDONLY | O_NOFOLLOW));
  IS("ENOENT", Open("new/", O_RDWR));
  IS("ENOTDIR", Open("f/.", O_RDWR));
  IS("ENOTDIR", Open("f/..", O_RDWR));
  IS("ENOTDIR", Open("f/x", O_WRONLY | O_CREAT, 0644));
}

CASE(Open, DirectoryForWritingIsEisdir) {
  Dir("d");
  IS("EISDIR", Open("d", O_WRONLY));
  IS("EISDIR", Open("d", O_RDWR));
  IS("EISDIR", Open("d", O_RDONLY | O_TRUNC));
  IS("EISDIR", Open("d", O_RDONLY | O_CREAT, 0644));
  IS("EISDIR", Open("d", O_WRONLY | O_DIRECTORY));
  IS("ok", Open("d", O_RDONLY));
  IS("ok", Open("d", O_RDONLY | O_DIRECTORY));
  IS("EISDIR", Open("d", 3));
  Dir("closed", 0);
  IS("EISDIR", Open("closed", O_WRONLY));
  IS("EACCES", Open("closed", O_RDONLY));
}

CASE(Open, ODirectoryOnAnythingElseIsEnotdir) {
  Touch("f");
  Symlink("f", "to-file");
  Dir("d");
  Symlink("d", "to-dir");
  IS(0, mkfifo("fifo", 0600));
  IS("ENOTDIR", Open("f", O_RDONLY | O_DIRECTORY));
  IS("ENOTDIR", Open("f", O_RDWR | O_DIRECTORY));
  IS("ENOTDIR", Open("f", O_RDWR | O_DIRECTORY | O_TRUNC));
  IS("ENOTDIR", Open("fifo", O_WRONLY | O_DIRECTORY));
  IS("ENOTDIR", Open("to-file", O_WRONLY | O_DIRECTORY));
  IS("ok", Open("to-dir", O_RDONLY | O_DIRECTORY));
  IS("ENOTDIR", Open("to-dir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  IS("ENOTDIR", Open("to-dir", O_RDWR | O_DIRECTORY | O_NOFOLLOW));
}

CASE(Open, NoFollowOnALinkIsEloop) {
  Touch("f", 0644, "x");
  Dir("d");
  Touch("d/g");
  Symlink("f", "link");
  Symlink("nowhere", "dangling");
  Symlink("d", "to-dir");
  IS("ELOOP", Open("link", O_RDONLY | O_NOFOLLOW));
  IS("ELOOP", Open("link", O_WRONLY | O_NOFOLLOW));
  IS("ELOOP", Open("link", O_WRONLY | O_NOFOLLOW | O_TRUNC));
  IS("ELOOP", Open("link", O_WRONLY | O_NOFOLLOW | O_CREAT, 0644));
  IS("ELOOP", Open("dangling", O_WRONLY | O_NOFOLLOW));
  IS("ELOOP", Open("dangling", O_WRONLY | O_NOFOLLOW | O_CREAT, 0644));
  IS("ok", Open("to-dir/g", O_WRONLY | O_NOFOLLOW));
  IS("ok", Open("to-dir/new", O_WRONLY | O_NOFOLLOW | O_CREAT, 0644));
  IS("x", Read("f"));
}

CASE(Open, CreateThroughALinkMakesItsTarget) {
  Dir("d");
  Symlink("target", "dangling");
  Symlink("d/inner", "deep");
  Symlink("../chain3", "d/chain2");
  Symlink("d/chain2", "chain1");
  Symlink("gone/x", "no-dir");
  Symlink("d/", "slashed");
  Symlink("made/", "made-slashed");
  IS("ok", Open("dangling", O_WRONLY | O_CREAT, 0640));
  IS("file 0640", What("target"));
  IS("ok", Open("deep", O_WRONLY | O_CREAT, 0600));
  IS("file 0600", What("d/inner"));
  IS("ok", Open("chain1", O_RDWR | O_CREAT, 0604));
  IS("file 0604", What("chain3"));
  IS("ENOENT", Open("no-dir", O_WRONLY | O_CREAT, 0600));
  IS("EISDIR", Open("slashed", O_WRONLY | O_CREAT, 0600));
  IS("EISDIR", Open("made-slashed", O_WRONLY | O_CREAT, 0600));
  IS("link", What("dangling"));
}

CASE(Open, CreateThroughAbsoluteAndDottedLinks) {
  char cwd[4096];
  IS(true, getcwd(cwd, sizeof(cwd)) != nullptr);
  Dir("d");
  Symlink(std::string(cwd) + "/abs", "d/to-abs");
  Symlink("../up", "d/to-up");
  Symlink("./d/../d/./dotted", "to-dotted");
  IS("ok", Open("d/to-abs", O_WRONLY | O_CREAT, 0600));
  IS("ok", Open("d/to-up", O_WRONLY | O_CREAT, 0600));
  IS("ok", Open("to-dotted", O_WRONLY | O_CREAT, 0600));
  IS("abs d to-dotted up", Names("."));
  IS("dotted to-abs to-up", Names("d"));
  IS("ok", Open(std::string(cwd) + "//d/.././abs2", O_WRONLY | O_CREAT, 0600));
  IS("file 0600", What("abs2"));
}

CASE(Open, TruncateClearsContentAndOnlyWhenAllowed) {
  Touch("f", 0644, "content");
  IS("ok", Open("f", O_WRONLY | O_TRUNC));
  IS(0, Size("f"));
  Touch("g", 0644, "content");
  IS("ok", Open("g", O_RDONLY | O_TRUNC));
  IS(0, Size("g"));
  Touch("ro", 0444, "content");
  IS("EACCES", Open("ro", O_RDONLY | O_TRUNC));
  IS("EACCES", Open("ro", O_WRONLY | O_CREAT | O_TRUNC, 0644));
  IS(7, Size("ro"));
  Touch("wo", 0222, "content");
  IS("EACCES", Open("wo", O_RDONLY | O_TRUNC));
  IS("ok", Open("wo", O_WRONLY | O_TRUNC));
  IS(0, Size("wo"));
}

CASE(Open, PermissionsFollowTheModeBits) {
  Touch("none", 0);
  Touch("r", 0400, "x");
  Touch("w", 0200);
  Touch("x", 0100);
  Touch("groups", 0077);
  IS("EACCES", Open("none", O_RDONLY));
  IS("EACCES", Open("none", O_WRONLY));
  IS("ok", Open("r", O_RDONLY));
  IS("EACCES", Open("r", O_WRONLY));
  IS("EACCES", Open("r", O_RDWR));
  IS("ok", Open("w", O_WRONLY));
  IS("EACCES", Open("w", O_RDONLY));
  IS("EACCES", Open("w", O_RDWR));
  IS("EACCES", Open("x", O_RDONLY));
  IS("EACCES", Open("groups", O_RDWR));
  IS("EACCES", Open("r", 3));
  IS("EACCES", Open("w", 3));
}

CASE(Open, DirectoriesWithoutRightsRefuse) {
  for (const mode_t mode : {0000, 0400, 0200, 0600, 0100, 0300, 0500}) {
    const std::string dir = "d" + std::to_string(mode);
    Dir(dir);
    Touch(dir + "/f");
    IS(0, chmod(dir.c_str(), mode));
    const bool search = (mode & 0100) != 0;
    const bool make = search && (mode & 0200) != 0;
    IS(search ? "ok" : "EACCES", Open(dir + "/f", O_RDWR));
    IS(search ? "ok" : "EACCES", Open(dir + "/f", O_RDWR | O_CREAT, 0644));
    IS(search ? "EEXIST" : "EACCES", Open(dir + "/f", O_RDWR | O_CREAT | O_EXCL, 0644));
    IS(make ? "ok" : "EACCES", Open(dir + "/new", O_RDWR | O_CREAT, 0644));
    IS(search ? "ENOENT" : "EACCES", Open(dir + "/missing", O_RDWR));
    IS(0, chmod(dir.c_str(), 0755));
  }
}

CASE_WITH(Open, FilesOfOthersFollowGroupAndOtherBits) {
  Touch("other-rw", 0606, "x");
  Touch("group-rw", 0660);
  Touch("group-none", 0606);
  Touch("private", 0600);
  Dir("dir", 0755);
  Dir("open-dir", 0777);
  Dir("group-dir", 0775);
  for (const char* name : {"other-rw", "private", "dir", "open-dir"}) Give(name, kOther, kOther);
  for (const char* name : {"group-rw", "group-none", "group-dir"}) Give(name, kOther, kSecondGroup);
}
THEN(Open, FilesOfOthersFollowGroupAndOtherBits) {
  IS("ok", Open("other-rw", O_RDWR));
  IS("ok", Open("group-rw", O_RDWR));
  IS("EACCES", Open("group-none", O_RDONLY));
  IS("EACCES", Open("group-none", O_RDWR));
  IS("EACCES", Open("private", O_RDONLY));
  IS("EACCES", Open("private", O_WRONLY));
  IS("EACCES", Open("dir/new", O_WRONLY | O_CREAT, 0644));
  IS("ok", Open("open-dir/new", O_WRONLY | O_CREAT, 0644));
  IS("ok", Open("group-dir/new", O_WRONLY | O_CREAT, 0644));
  IS(std::to_string(getuid()) + ":" + std::to_string(getgid()), Owner("group-dir/new"));
}

CASE_WITH(Open, NoAtimeNeedsTheOwner) {
  Touch("theirs", 0666);
  Give("theirs", kOther, kOther);
}
THEN(Open, NoAtimeNeedsTheOwner) {
  Touch("mine");
  IS("EPERM", Open("theirs", O_RDONLY | O_NOATIME));
  IS("EPERM", Open("theirs", O_RDWR | O_NOATIME));
  IS("ok", Open("mine", O_RDONLY | O_NOATIME));
  IS("ok", Open("mine", O_RDWR | O_NOATIME));
  IS("ok", Open("new", O_RDWR | O_NOATIME | O_CREAT, 0600));
  IS("ok", Open("theirs", O_RDWR));
}

CASE(Open, SocketFileIsEnxio) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, "s");
  IS(0, bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
  IS("ENXIO", Open("s", O_RDONLY));
  IS("ENXIO", Open("s", O_RDWR));
  IS("ENXIO", Open("s", O_WRONLY | O_CREAT, 0600));
}

CASE(Open, FifoAnswersWithoutBlocking) {
  IS(0, mkfifo("fifo", 0600));
  IS("ENXIO", Open("fifo", O_WRONLY | O_NONBLOCK));
  IS("ok", Open("fifo", O_RDONLY | O_NONBLOCK));
  const int reader = Fd("fifo", O_RDONLY | O_NONBLOCK);
  IS("ok", Open("fifo", O_WRONLY | O_NONBLOCK));
  IS("ok", Open("fifo", O_WRONLY));
  IS("ok", Open("fifo", O_RDWR));
  IS("ok", Open("fifo", O_WRONLY | O_CREAT | O_TRUNC, 0600));
  IS("EINVAL", Open("fifo", 3));
  close(reader);
  IS("ENXIO", Open("fifo", O_WRONLY | O_NONBLOCK));
}

CASE(Open, CreatIsOpenForWritingTruncated) {
  Touch("f", 0600, "content");
  const int fd = creat("f", 0777);
  IS(0, Size("f"));
  IS("EBADF", read(fd, nullptr, 0));
  IS(1, write(fd, "x", 1));
  IS("file 0600", What("f"));
  Dir("d");
  IS("EISDIR", creat("d", 0644));
  IS("ENOENT", creat("", 0644));
  IS("ENOTDIR", creat("f/x", 0644));
}

}  // namespace conformance
