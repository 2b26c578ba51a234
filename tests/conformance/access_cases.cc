// access(2), extended attributes, and what new files inherit: groups, default ACLs.
#include <sys/xattr.h>

#include <cstring>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

long Access2(int dirfd, const char* path, int mode, int flags) {
  return syscall(SYS_faccessat2, dirfd, path, mode, flags);
}

std::string GetXattr(const std::string& path, const std::string& name) {
  char value[256];
  const ssize_t size = lgetxattr(path.c_str(), name.c_str(), value, sizeof(value));
  return size < 0 ? Answer(-1) : std::string(value, static_cast<size_t>(size));
}

long SetXattr(const char* path, const char* name, const std::string& value, int flags = 0) {
  return setxattr(path, name, value.data(), value.size(), flags);
}

struct AclEntry {
  uint16_t tag;
  uint16_t permissions;
  uint32_t id;
};

// system.posix_acl_*: version 2, then entries in order of their tags (acl(5),
// linux/posix_acl_xattr.h).
std::string Acl(std::initializer_list<AclEntry> entries) {
  std::string text = std::string("\2\0\0\0", 4);
  for (const AclEntry& entry : entries) {
    text.append(reinterpret_cast<const char*>(&entry), sizeof(entry));
  }
  return text;
}

constexpr uint32_t kNoId = 0xffffffff;
constexpr uint16_t kUserObj = 1;
constexpr uint16_t kUser = 2;
constexpr uint16_t kGroupObj = 4;
constexpr uint16_t kMask = 16;
constexpr uint16_t kOtherTag = 32;

}  // namespace

CASE(Access, ModeBitsOfOwnFiles) {
  Touch("r", 0400);
  Touch("w", 0200);
  Touch("x", 0100);
  Touch("none", 0077);
  IS(0, access("r", R_OK));
  IS("EACCES", access("r", W_OK));
  IS("EACCES", access("r", X_OK));
  IS(0, access("w", W_OK));
  IS("EACCES", access("w", R_OK | W_OK));
  IS(0, access("x", X_OK));
  IS("EACCES", access("none", R_OK));
  IS(0, access("none", F_OK));
  IS("EINVAL", access("r", 8));
  IS("ENOENT", access("missing", F_OK));
  IS("ENOENT", access("", F_OK));
  IS("ENOTDIR", access("r/x", F_OK));
  IS("ENOTDIR", access("r/", F_OK));
  IS("EFAULT", syscall(SYS_access, nullptr, F_OK));
}

CASE(Access, FlagsOfFaccessat2) {
  Touch("f", 0600);
  Symlink("nowhere", "l");
  const int fd = Fd("f", O_RDONLY);
  IS("ENOENT", Access2(AT_FDCWD, "l", F_OK, 0));
  IS(0, Access2(AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW));
  IS(0, Access2(AT_FDCWD, "f", R_OK | W_OK, AT_EACCESS));
  IS(0, Access2(fd, "", R_OK | W_OK, AT_EMPTY_PATH));
  IS("ENOENT", Access2(fd, "", F_OK, 0));
  IS("EINVAL", Access2(AT_FDCWD, "f", F_OK, 1));
  IS("EBADF", Access2(77, "f", F_OK, 0));
  IS("ENOTDIR", Access2(fd, "f", F_OK, 0));
}

CASE(Access, WritableTellsWhatWillBeAllowed) {
  Touch("f", 0600);
  Dir("d", 0700);
  Dir("ro", 0500);
  IS(0, access("f", W_OK));
  IS("ok", Open("f", O_RDWR));
  IS(0, access("d", W_OK | X_OK));
  IS("EACCES", access("ro", W_OK));
  IS("EACCES", Open("ro/f", O_RDWR | O_CREAT, 0600));
}

CASE(Access, SystemTreeAnswersAsBareWhoMayNotWriteThere) {
  if (IsRoot()) return;  // may write there bare
  IS("EACCES", mkdir("/usr/new", 0755));
  IS("EACCES", mkdir("/usr/bin/new", 0755));
  IS("EEXIST", mkdir("/usr/bin", 0755));
  IS("EACCES", symlink("x", "/usr/new"));
  IS("EACCES", mkfifo("/usr/new", 0600));
  IS("EACCES", Open("/usr/new", O_WRONLY | O_CREAT, 0600));
  IS("EACCES", Open("/usr", O_RDWR | O_TMPFILE, 0600));
  IS("EACCES", Open("/usr/bin/env", O_WRONLY));
  IS("EACCES", Open("/usr/bin/env", O_RDONLY | O_TRUNC));
  IS("EACCES", truncate("/usr/bin/env", 0));
  IS("EACCES", unlink("/usr/bin/env"));
  IS("EACCES", rmdir("/usr/bin"));
  IS("EACCES", rename("/usr/bin/env", "/usr/bin/new"));
  IS("EPERM", chmod("/usr/bin/env", 0755));
  IS("EPERM", chown("/usr/bin/env", kOther, -1));
  IS("ENOENT", unlink("/usr/new"));
}

CASE(Xattr, UserAttributesOfFilesAndDirectories) {
  Touch("f");
  Dir("d");
  for (const char* name : {"f", "d"}) {
    IS(0, SetXattr(name, "user.a", "value"));
    IS("value", GetXattr(name, "user.a"));
    IS(0, SetXattr(name, "user.a", ""));
    IS("", GetXattr(name, "user.a"));
    IS(0, SetXattr(name, "user.a", std::string("\0x", 2), XATTR_REPLACE));
    IS("EEXIST", SetXattr(name, "user.a", "1", XATTR_CREATE));
    IS("ENODATA", SetXattr(name, "user.b", "1", XATTR_REPLACE));
    IS(0, SetXattr(name, "user.b", "1", XATTR_CREATE));
    IS(0, removexattr(name, "user.b"));
    IS("ENODATA", removexattr(name, "user.b"));
    IS("ENODATA", GetXattr(name, "user.b"));
  }
}

CASE(Xattr, ArgumentsAreChecked) {
  Touch("f");
  IS("EINVAL", SetXattr("f", "user.a", "1", 4));
  IS("EINVAL", SetXattr("missing", "user.a", "1", 4));
  IS("ERANGE", SetXattr("f", "", "1"));
  IS("ERANGE", SetXattr("f", ("user." + Times(251, "n")).c_str(), "1"));
  IS("ERANGE", SetXattr("missing", "", "1"));
  IS("EOPNOTSUPP", SetXattr("f", "nonsense.a", "1"));
  IS("EOPNOTSUPP", SetXattr("f", "nodot", "1"));
  IS("EINVAL", SetXattr("f", "user.", "1"));
  const std::string huge = Times(65537, "x");
  IS("E2BIG", SetXattr("f", "user.a", huge));
  IS("E2BIG", SetXattr("missing", "user.a", huge));
  IS("EFAULT", syscall(SYS_setxattr, "f", "user.a", nullptr, 3, 0));
  IS("EFAULT", syscall(SYS_setxattr, "f", nullptr, "x", 1, 0));
  IS("EFAULT", syscall(SYS_setxattr, nullptr, "user.a", "x", 1, 0));
  IS(0, syscall(SYS_setxattr, "f", "user.a", nullptr, 0, 0));
  IS("ENOENT", SetXattr("missing", "user.a", "1"));
  IS("ENOTDIR", SetXattr("f/x", "user.a", "1"));
  IS("ERANGE", removexattr("f", ""));
  IS("ENOENT", removexattr("missing", "user.a"));
  IS("EFAULT", syscall(SYS_removexattr, "f", nullptr));
  char value[2];
  IS(0, SetXattr("f", "user.long", "12345"));
  IS("ERANGE", getxattr("f", "user.long", value, 2));
  IS(5, getxattr("f", "user.long", value, 0));
}

CASE(Xattr, SpecialFilesAndLinksHaveNoUserAttributes) {
  Touch("f");
  Symlink("f", "l");
  Symlink("nowhere", "dangling");
  IS(0, mkfifo("p", 0600));
  IS("EPERM", lsetxattr("l", "user.a", "1", 1, 0));
  IS("EPERM", lsetxattr("dangling", "user.a", "1", 1, 0));
  IS("ENOENT", SetXattr("dangling", "user.a", "1"));
  IS("EPERM", SetXattr("p", "user.a", "1"));
  IS("EPERM", lremovexattr("l", "user.a"));
  IS(0, SetXattr("l", "user.a", "1"));
  IS("1", GetXattr("f", "user.a"));
}

CASE(Xattr, PrivilegedNamespacesAreEperm) {
  Touch("f");
  IS("EPERM", SetXattr("f", "trusted.a", "1"));
  IS("EPERM", SetXattr("f", "security.a", "1"));
  IS("ENODATA", GetXattr("f", "trusted.a"));
  IS("EPERM", removexattr("f", "trusted.a"));
  const std::string capability = std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  IS("EPERM", SetXattr("f", "security.capability", capability));
}

CASE(Xattr, ByDescriptor) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0600);
  IS(0, fsetxattr(fd, "user.a", "1", 1, 0));
  IS(0, fsetxattr(Fd("f", O_RDONLY), "user.b", "2", 1, XATTR_CREATE));
  IS("EEXIST", fsetxattr(fd, "user.b", "2", 1, XATTR_CREATE));
  IS(0, fremovexattr(fd, "user.a"));
  IS("ENODATA", fremovexattr(fd, "user.a"));
  IS("EBADF", fsetxattr(77, "user.a", "1", 1, 0));
  IS("EBADF", fsetxattr(Fd("f", O_PATH), "user.a", "1", 1, 0));
  IS("EBADF", fremovexattr(Fd("f", O_PATH), "user.a"));
  char names[64] = {};
  IS(7, flistxattr(fd, names, sizeof(names)));
  IS("user.b", std::string(names));
}

CASE(Xattr, NeedWritePermission) {
  Touch("f", 0400);
  IS("EACCES", SetXattr("f", "user.a", "1"));
  IS("EACCES", removexattr("f", "user.a"));
  IS("EACCES", fsetxattr(Fd("f", O_RDONLY), "user.a", "1", 1, 0));
  IS(0, chmod("f", 0200));
  IS(0, SetXattr("f", "user.a", "1"));
  IS("EACCES", GetXattr("f", "user.a"));
}

CASE_WITH(Xattr, OthersFiles) {
  Touch("rw", 0666);
  Touch("ro", 0644);
  Dir("sticky", 01777);
  Give("rw", kOther, kOther);
  Give("ro", kOther, kOther);
  Give("sticky", kOther, kOther);
}
THEN(Xattr, OthersFiles) {
  IS(0, SetXattr("rw", "user.a", "1"));
  IS("EACCES", SetXattr("ro", "user.a", "1"));
  IS("EPERM", SetXattr("sticky", "user.a", "1"));  // only the owner, xattr(7)
  const std::string acl = Acl({{kUserObj, 6, kNoId}, {kGroupObj, 4, kNoId}, {kOtherTag, 4, kNoId}});
  IS("EPERM", SetXattr("rw", "system.posix_acl_access", acl));
}

CASE(Xattr, AccessAclChangesModeAndRights) {
  Touch("f", 0640);
  IS(0, SetXattr("f", "system.posix_acl_access",
                 Acl({{kUserObj, 6, kNoId},
                      {kUser, 7, kOther},
                      {kGroupObj, 4, kNoId},
                      {kMask, 7, kNoId},
                      {kOtherTag, 0, kNoId}})));
  IS("file 0670", What("f"));
  IS(0, chmod("f", 0600));
  IS("file 0600", What("f"));
  IS("EINVAL", SetXattr("f", "system.posix_acl_access", Acl({{kUserObj, 6, kNoId}})));
  IS("EINVAL", SetXattr("f", "system.posix_acl_access", "bad"));
  IS("EACCES", SetXattr("f", "system.posix_acl_default",
                        Acl({{kUserObj, 6, kNoId}, {kGroupObj, 4, kNoId}, {kOtherTag, 4, kNoId}})));
  IS(0, removexattr("f", "system.posix_acl_access"));
}

CASE(Inheritance, DefaultAclStandsForTheUmask) {
  Dir("d");
  const std::string acl = Acl({{kUserObj, 7, kNoId},
                               {kUser, 6, kOther},
                               {kGroupObj, 6, kNoId},
                               {kMask, 6, kNoId},
                               {kOtherTag, 0, kNoId}});
  IS(0, SetXattr("d", "system.posix_acl_default", acl));
  umask(077);
  IS("ok", Open("d/f", O_WRONLY | O_CREAT, 0666));
  IS("file 0660", What("d/f"));
  IS("ok", Open("d/narrow", O_WRONLY | O_CREAT, 0604));
  IS("file 0600", What("d/narrow"));
  IS(0, mkdir("d/e", 0777));
  IS("dir 0760", What("d/e"));
  IS(0, mkfifo("d/p", 0666));
  IS("fifo 0660", What("d/p"));
  IS(acl, GetXattr("d/e", "system.posix_acl_default"));
  const int fd = Fd("d", O_RDWR | O_TMPFILE, 0666);
  struct stat info;
  IS(0, fstat(fd, &info));
  IS(0660, static_cast<long>(info.st_mode & 0777));
  IS("ok", Open("f", O_WRONLY | O_CREAT, 0666));
  IS("file 0600", What("f"));
}

CASE(Inheritance, SetGidDirectoryGivesItsGroup) {
  Dir("d");
  IS(0, chown("d", static_cast<uid_t>(-1), kSecondGroup));
  IS(0, chmod("d", 02755));
  const std::string want = std::to_string(geteuid()) + ":2000";
  IS("ok", Open("d/f", O_WRONLY | O_CREAT, 0755));
  IS(want, Owner("d/f"));
  IS("file 0755", What("d/f"));
  IS("ok", Open("d/sgid", O_WRONLY | O_CREAT, 02755));
  IS("file 2755", What("d/sgid"));
  IS(0, mkdir("d/e", 0755));
  IS(want, Owner("d/e"));
  IS("dir 2755", What("d/e"));
  IS(0, symlink("x", "d/l"));
  IS(want, Owner("d/l"));
  IS(0, mkfifo("d/p", 0600));
  IS(want, Owner("d/p"));
}

CASE_WITH(Inheritance, SetGidIsDroppedInAForeignGroupsDirectory) {
  Dir("d");
  Give("d", kOther, kOther);
  IS(0, chmod("d", 02777));
}
THEN(Inheritance, SetGidIsDroppedInAForeignGroupsDirectory) {
  umask(0);
  IS("ok", Open("d/f", O_WRONLY | O_CREAT, 02755));
  IS("file 0755", What("d/f"));
  IS(std::to_string(geteuid()) + ":3000", Owner("d/f"));
  IS("ok", Open("d/noexec", O_WRONLY | O_CREAT, 02644));
  IS("file 2644", What("d/noexec"));
  IS(0, mknod("d/n", S_IFREG | 02755, 0));
  IS("file 0755", What("d/n"));
  IS(0, mkdir("d/e", 0755));
  IS("dir 2755", What("d/e"));
  const int fd = Fd("d", O_RDWR | O_TMPFILE, 02755);
  struct stat info;
  IS(0, fstat(fd, &info));
  IS(0755, static_cast<long>(info.st_mode & 07777));
}

CASE_WITH(Sticky, OnlyOwnersRemove) {
  Dir("sticky", 01777);
  Touch("sticky/theirs", 0666);
  Dir("sticky/empty", 0777);
  Dir("mine", 01777);
  Touch("mine/theirs", 0600);
  Give("sticky", kOther, kOther);
  Give("sticky/theirs", kOther, kOther);
  Give("sticky/empty", kOther, kOther);
}
THEN(Sticky, OnlyOwnersRemove) {
  Touch("sticky/own");
  Dir("sticky/own-dir");
  IS("EPERM", unlink("sticky/theirs"));
  IS("EPERM", rmdir("sticky/empty"));
  IS("EPERM", rename("sticky/theirs", "x"));
  IS("EPERM", unlink("sticky/empty"));
  IS("ok", Open("sticky/theirs", O_RDWR));
  IS("ok", Open("sticky/theirs", O_RDWR | O_TRUNC));
  IS(0, rename("sticky/own", "sticky/own2"));
  IS(0, unlink("sticky/own2"));
  IS(0, rmdir("sticky/own-dir"));
}

CASE_WITH(Sticky, DirectorysOwnerRemovesAll) {
  Dir("d", 01777);
  Touch("d/theirs", 0600);
  Give("d/theirs", kOther, kOther);
  chown("d", 1000, 1000);
}
THEN(Sticky, DirectorysOwnerRemovesAll) { IS(IsRoot() ? "EPERM" : "0", unlink("d/theirs")); }

}  // namespace conformance
