// chmod(2), chown(2): the set-id bits, who may do what, and which descriptors and flags are taken.
#include "tests/conformance/conformance.h"
#include "tests/conformance/newer_calls.h"

namespace conformance {
namespace {

long Fchmodat2(int dirfd, const char* path, mode_t mode, int flags) {
  return syscall(kFchmodat2, dirfd, path, mode, flags);
}

}  // namespace

CASE(Mode, AllBitsAreSet) {
  Touch("f");
  for (const mode_t mode : {0000, 0644, 0777, 01777, 04755, 02755, 06755, 07777}) {
    IS(0, chmod("f", mode));
    char want[16];
    snprintf(want, sizeof(want), "file %04o", mode);
    IS(std::string(want), What("f"));
  }
  IS(0, chmod("f", 0170644));  // the type is not looked at
  IS("file 0644", What("f"));
  Dir("d");
  IS(0, chmod("d", 07755));
  IS("dir 7755", What("d"));
  IS(0, chmod("d/", 0700));
  IS(0, chmod("d/.", 0711));
  IS(0, chmod(".", 0755));
}

CASE(Mode, LinksAreFollowedAndHaveNone) {
  Touch("f");
  Symlink("f", "l");
  Symlink("nowhere", "dangling");
  IS(0, chmod("l", 0600));
  IS("file 0600", What("f"));
  IS("ENOENT", chmod("dangling", 0600));
  IS("EOPNOTSUPP", Fchmodat2(AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW));
  IS("EOPNOTSUPP", Fchmodat2(AT_FDCWD, "dangling", 0600, AT_SYMLINK_NOFOLLOW));
  IS(0, Fchmodat2(AT_FDCWD, "f", 0640, AT_SYMLINK_NOFOLLOW));
  IS("file 0640", What("f"));
}

CASE(Mode, FlagsAndDescriptors) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  IS("EINVAL", Fchmodat2(AT_FDCWD, "f", 0600, 1));
  IS("EINVAL", Fchmodat2(AT_FDCWD, "missing", 0600, AT_SYMLINK_FOLLOW));
  IS(0, Fchmodat2(fd, "", 0600, AT_EMPTY_PATH));
  IS("ENOENT", Fchmodat2(fd, "", 0600, 0));
  IS(0, Fchmodat2(Fd("f", O_PATH), "", 0640, AT_EMPTY_PATH));
  IS(0, Fchmodat2(AT_FDCWD, "", 0755, AT_EMPTY_PATH));
  IS("EBADF", Fchmodat2(77, "f", 0600, 0));
  IS("ENOTDIR", Fchmodat2(fd, "f", 0600, 0));
  IS("EBADF", fchmod(77, 0600));
  IS(0, fchmod(fd, 0604));
  IS("file 0604", What("f"));
  IS("EFAULT", syscall(SYS_chmod, nullptr, 0644));
}

CASE(Mode, DescriptorNeedsNoRightOnTheFile) {
  Touch("f");
  const int fd = Fd("f", O_RDONLY);
  IS(0, fchmod(fd, 0));
  IS(0, fchmod(fd, 0200));
  IS(0, chmod("f", 0444));
  IS("file 0444", What("f"));
}

CASE_WITH(Mode, OthersFileIsEperm) {
  Touch("f", 0666);
  Dir("d", 0777);
  Symlink("f", "l");
  Give("f", kOther, kOther);
  Give("d", kOther, kOther);
}
THEN(Mode, OthersFileIsEperm) {
  IS("EPERM", chmod("f", 0600));
  IS("EPERM", chmod("f", 0666));
  IS("EPERM", chmod("d", 0700));
  IS("EPERM", chmod("l", 0600));
  IS("EPERM", fchmod(Fd("f", O_RDWR), 0600));
}

CASE_WITH(Mode, SetGidIsDroppedOutsideTheGroup) {
  Dir("theirs");
  Give("theirs", kOther, kOther);
  IS(0, chmod("theirs", 02777));
  Dir("ours");
  Give("ours", kOther, kSecondGroup);
  IS(0, chmod("ours", 02777));
}
THEN(Mode, SetGidIsDroppedOutsideTheGroup) {
  Touch("theirs/f");  // of the directory's group, which its maker is not in
  IS(0, chmod("theirs/f", 02755));
  IS("file 0755", What("theirs/f"));
  IS(0, fchmod(Fd("theirs/f", O_RDWR), 06755));
  IS("file 4755", What("theirs/f"));
  Dir("theirs/d");
  IS(0, chmod("theirs/d", 02755));
  IS("dir 0755", What("theirs/d"));
  Touch("ours/f");
  IS(0, chmod("ours/f", 02755));
  IS("file 2755", What("ours/f"));
}

CASE(Mode, WritingClearsSetIdBits) {
  Touch("f", 0, "x");
  IS(0, chmod("f", 06777));
  const int fd = Fd("f", O_WRONLY);
  IS(1, write(fd, "y", 1));
  IS("file 0777", What("f"));
  IS(0, chmod("f", 02767));  // set-gid without group execution was a lock once, and stays
  IS(1, write(fd, "y", 1));
  IS("file 2767", What("f"));
  IS(0, chmod("f", 06777));
  IS(1, pwrite(fd, "y", 1, 0));
  IS("file 0777", What("f"));
}

CASE(Mode, TruncatingClearsSetIdBits) {
  Touch("f", 0, "xxx");
  IS(0, chmod("f", 06777));
  IS(0, truncate("f", 1));
  IS("file 0777", What("f"));
  IS(0, chmod("f", 06777));
  IS("ok", Open("f", O_WRONLY | O_TRUNC));
  IS("file 0777", What("f"));
  IS(0, chmod("f", 04755));
  IS(0, ftruncate(Fd("f", O_WRONLY), 5));
  IS("file 0755", What("f"));
  IS(0, chmod("f", 04755));
  IS("ok", Open("f", O_WRONLY));
  IS("file 4755", What("f"));
}

CASE(Ownership, OwnIdsAndMinusOneAreAllowed) {
  Touch("f");
  IS(0, chown("f", geteuid(), getegid()));
  IS(0, chown("f", kSameUid, kSameGid));
  IS(0, chown("f", geteuid(), kSameGid));
  IS(0, chown("f", kSameUid, getegid()));
  IS(0, lchown("f", kSameUid, kSameGid));
  IS(0, fchown(Fd("f", O_RDONLY), kSameUid, kSameGid));
  IS("ENOENT", chown("missing", kSameUid, kSameGid));
}

CASE(Ownership, GivingAwayIsEperm) {
  Touch("f");
  Dir("d");
  Symlink("f", "l");
  for (const char* name : {"f", "d", "l"}) {
    IS("EPERM", chown(name, kOther, kSameGid));
    IS("EPERM", chown(name, kSameUid, kOther));
    IS("EPERM", chown(name, kOther, kOther));
    IS("EPERM", lchown(name, kOther, kSameGid));
  }
  IS("EPERM", fchown(Fd("f", O_RDWR), kOther, kSameGid));
  IS("EPERM", fchown(Fd("d", O_RDONLY), kSameUid, kOther));
  if (!IsRoot()) IS("EPERM", chown("f", 0, 0));
}

CASE(Ownership, OwnSecondGroupIsAllowed) {
  Touch("f");
  Dir("d");
  Symlink("f", "l");
  const std::string uid = std::to_string(geteuid());
  IS(0, chown("f", kSameUid, kSecondGroup));
  IS(uid + ":2000", Owner("f"));
  IS(0, chown("d", geteuid(), kSecondGroup));
  IS(uid + ":2000", Owner("d"));
  IS(0, lchown("l", kSameUid, kSecondGroup));
  IS(uid + ":2000", Owner("l"));
  IS(0, fchown(Fd("f", O_RDONLY), kSameUid, getegid()));
  IS(uid + ":" + std::to_string(getegid()), Owner("f"));
}

CASE_WITH(Ownership, OthersFileIsEperm) {
  Touch("f", 0666);
  Touch("g", 0666);
  Give("f", kOther, kOther);
  Give("g", kOther, kSecondGroup);
}
THEN(Ownership, OthersFileIsEperm) {
  IS("EPERM", chown("f", geteuid(), kSameGid));
  IS("EPERM", chown("f", kSameUid, getegid()));
  IS("EPERM", chown("g", kSameUid, kSecondGroup));
  IS("EPERM", chown("f", kOther, kOther));
  IS(0, chown("f", kSameUid, kSameGid));  // nothing is asked for
  IS("3000:3000", Owner("f"));
}

CASE(Ownership, ChangeClearsSetIdBits) {
  Touch("f");
  for (const gid_t group : {kSecondGroup, getegid(), kSameGid}) {
    IS(0, chmod("f", 06777));
    IS(0, chown("f", kSameUid, group));
    IS("file 0777", What("f"));
  }
  IS(0, chmod("f", 04700));
  IS(0, chown("f", geteuid(), kSameGid));
  IS("file 0700", What("f"));
  Dir("d");
  IS(0, chmod("d", 06755));
  IS(0, chown("d", kSameUid, kSecondGroup));
  IS("dir 6755", What("d"));
}

CASE(Ownership, FlagsAndDescriptors) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  Symlink("nowhere", "l");
  IS("EINVAL", fchownat(AT_FDCWD, "f", kSameUid, kSameGid, 1));
  IS("EINVAL", fchownat(AT_FDCWD, "missing", kSameUid, kSameGid, AT_SYMLINK_FOLLOW));
  IS(0, fchownat(fd, "", kSameUid, kSameGid, AT_EMPTY_PATH));
  IS("ENOENT", fchownat(fd, "", kSameUid, kSameGid, 0));
  IS("ENOENT", chown("l", kSameUid, kSameGid));
  IS(0, fchownat(AT_FDCWD, "l", kSameUid, kSecondGroup, AT_SYMLINK_NOFOLLOW));
  IS(0, fchownat(AT_FDCWD, "", kSameUid, kSameGid, AT_EMPTY_PATH));
  IS("EBADF", fchown(77, kSameUid, kSameGid));
  IS("EBADF", fchownat(77, "f", kSameUid, kSameGid, 0));
  IS("EFAULT", syscall(SYS_chown, nullptr, -1, -1));
  IS(0, syscall(SYS_chown, "f", 0xffffffffffL, 0x7ffffffffL));  // ids are 32 bits wide
}

}  // namespace conformance
