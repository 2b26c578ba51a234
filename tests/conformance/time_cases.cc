// utimensat(2) and its elders; which calls change which times; truncate(2), large files and limits.
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <utime.h>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

long Utimens(const char* path, timespec access, timespec modification, int flags = 0) {
  const timespec times[2] = {access, modification};
  return syscall(SYS_utimensat, AT_FDCWD, path, times, flags);
}

std::string AccessAndModification(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return Answer(-1);
  return std::to_string(info.st_atim.tv_sec) + "." + std::to_string(info.st_atim.tv_nsec) + " " +
         std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec);
}

constexpr timespec kOmit = {0, UTIME_OMIT};
constexpr timespec kNow = {0, UTIME_NOW};

}  // namespace

CASE(Timestamps, ExactTimesAreKept) {
  Touch("f");
  IS(0, Utimens("f", {1, 2}, {3, 4}));
  IS("1.2 3.4", AccessAndModification("f"));
  IS(0, Utimens("f", {-5, 999999999}, {4294967296, 0}));
  IS("-5.999999999 4294967296.0", AccessAndModification("f"));
  IS(0, Utimens("f", kOmit, {7, 8}));
  IS("-5.999999999 7.8", AccessAndModification("f"));
  IS(0, Utimens("f", {9, 10}, kOmit));
  IS("9.10 7.8", AccessAndModification("f"));
}

CASE(Timestamps, NowOfEitherKind) {
  Touch("f");
  IS("amc", Changes("f", [] { IS(0, Utimens("f", kNow, kNow)); }));
  IS("amc", Changes("f", [] { IS(0, utimensat(AT_FDCWD, "f", nullptr, 0)); }));
  IS("ac", Changes("f", [] { IS(0, Utimens("f", kNow, kOmit)); }));
  IS("mc", Changes("f", [] { IS(0, Utimens("f", kOmit, kNow)); }));
  IS("", Changes("f", [] { IS(0, Utimens("f", kOmit, kOmit)); }));
  IS("amc", Changes("f", [] { IS(0, utimes("f", nullptr)); }));
  IS("amc", Changes("f", [] { IS(0, utime("f", nullptr)); }));
}

CASE(Timestamps, InvalidNanosecondsAreEinval) {
  Touch("f");
  IS("EINVAL", Utimens("f", {0, 1000000000}, {0, 0}));
  IS("EINVAL", Utimens("f", {0, 0}, {0, -1}));
  IS("EINVAL", Utimens("f", {0, 0}, {0, 1000000000}));
  IS("EINVAL", Utimens("f", kOmit, {0, 1000000000}));
  IS("ENOENT", Utimens("missing", {0, 1000000000}, {0, 0}));
  const timeval early[2] = {{0, 1000000}, {0, 0}};
  const timeval negative[2] = {{0, 0}, {0, -1}};
  IS("EINVAL", syscall(SYS_utimes, "f", early));
  IS("EINVAL", syscall(SYS_utimes, "f", negative));
  IS("EINVAL", syscall(SYS_utimes, "missing", early));
}

CASE(Timestamps, TwoOmitsLookAtNothing) {
  IS(0, Utimens("missing", kOmit, kOmit));
  IS(0, Utimens("", kOmit, kOmit));
  IS(0, Utimens("missing", kOmit, kOmit, 0x40));
  const timespec omits[2] = {kOmit, kOmit};
  IS(0, syscall(SYS_utimensat, 77, "x", omits, 0));
}

CASE(Timestamps, FlagsAndDescriptors) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  Symlink("nowhere", "l");
  IS("EINVAL", Utimens("f", {1, 2}, {3, 4}, 1));
  IS("EINVAL", Utimens("missing", {1, 2}, {3, 4}, AT_SYMLINK_FOLLOW));
  IS("ENOENT", Utimens("l", {1, 2}, {3, 4}));
  IS(0, Utimens("l", {1, 2}, {3, 4}, AT_SYMLINK_NOFOLLOW));
  IS("1.2 3.4", AccessAndModification("l"));
  const timespec times[2] = {{5, 6}, {7, 8}};
  IS(0, futimens(fd, times));
  IS("5.6 7.8", AccessAndModification("f"));
  IS("EINVAL", syscall(SYS_utimensat, fd, nullptr, times, AT_SYMLINK_NOFOLLOW));
  IS("EINVAL", syscall(SYS_utimensat, fd, nullptr, times, AT_EMPTY_PATH));
  IS("EBADF", syscall(SYS_utimensat, 77, nullptr, times, 0));
  IS("EFAULT", syscall(SYS_utimensat, AT_FDCWD, nullptr, times, 0));
  IS("EFAULT", syscall(SYS_utimensat, AT_FDCWD, "f", 1, 0));
  IS(0, utimensat(fd, "", nullptr, AT_EMPTY_PATH));
  IS("ENOENT", utimensat(fd, "", nullptr, 0));
  IS(0, utimensat(AT_FDCWD, "", nullptr, AT_EMPTY_PATH));
  IS("EBADF", futimens(Fd("f", O_PATH), times));
  IS(0, futimens(Fd("f", O_RDONLY), times));
}

CASE(Timestamps, OldSpellings) {
  Touch("f");
  const utimbuf seconds = {11, 22};
  IS(0, utime("f", &seconds));
  IS("11.0 22.0", AccessAndModification("f"));
  const timeval micro[2] = {{1, 2}, {3, 4}};
  IS(0, syscall(SYS_utimes, "f", micro));
  IS("1.2000 3.4000", AccessAndModification("f"));
  IS(0, syscall(SYS_futimesat, AT_FDCWD, "f", nullptr));
  IS(0, syscall(SYS_futimesat, Fd("f", O_RDONLY), nullptr, micro));
  IS("EFAULT", syscall(SYS_futimesat, AT_FDCWD, nullptr, micro));
  IS("EFAULT", syscall(SYS_utimes, nullptr, micro));
  IS("ENOENT", syscall(SYS_futimesat, AT_FDCWD, "missing", micro));
}

CASE_WITH(Timestamps, OthersFileNeedsWritingForNowAndIsEpermForMore) {
  Touch("rw", 0666);
  Touch("ro", 0444);
  Give("rw", kOther, kOther);
  Give("ro", kOther, kOther);
}
THEN(Timestamps, OthersFileNeedsWritingForNowAndIsEpermForMore) {
  IS(0, utimensat(AT_FDCWD, "rw", nullptr, 0));
  IS(0, Utimens("rw", kNow, kNow));
  IS("EPERM", Utimens("rw", {1, 2}, {3, 4}));
  IS("EPERM", Utimens("rw", kNow, kOmit));
  IS("EPERM", Utimens("rw", kOmit, kNow));
  IS("EPERM", Utimens("rw", kOmit, {1, 2}));
  IS(0, Utimens("rw", kOmit, kOmit));
  IS("EACCES", utimensat(AT_FDCWD, "ro", nullptr, 0));
  IS("EACCES", Utimens("ro", kNow, kNow));
  IS("EPERM", Utimens("ro", {1, 2}, {3, 4}));
  IS("EPERM", Utimens("ro", kNow, kOmit));
  IS(0, Utimens("ro", kOmit, kOmit));
  IS("EACCES", futimens(Fd("ro", O_RDONLY), nullptr));
  IS(0, futimens(Fd("rw", O_WRONLY), nullptr));
}

CASE(Timestamps, OwnerNeedsNoRightOnTheFile) {
  Touch("f", 0);
  IS(0, utimensat(AT_FDCWD, "f", nullptr, 0));
  IS(0, Utimens("f", {1, 2}, {3, 4}));
  IS(0, Utimens("f", kNow, kOmit));
}

CASE(ParentTimes, CallsThatChangeADirectory) {
  Dir("d");
  Touch("f");
  const auto parent = [](const std::function<void()>& action) { return Changes("d", action); };
  IS("mc", parent([] { IS("ok", Open("d/f", O_WRONLY | O_CREAT, 0644)); }));
  IS("", parent([] { IS("ok", Open("d/f", O_WRONLY | O_CREAT, 0644)); }));
  IS("", parent([] { IS("ok", Open("d/f", O_WRONLY | O_TRUNC)); }));
  IS("", parent([] { IS("EEXIST", Open("d/f", O_WRONLY | O_CREAT | O_EXCL, 0644)); }));
  IS("mc", parent([] { IS(0, mkdir("d/e", 0755)); }));
  IS("", parent([] { IS("EEXIST", mkdir("d/e", 0755)); }));
  IS("mc", parent([] { IS(0, symlink("x", "d/l")); }));
  IS("mc", parent([] { IS(0, mkfifo("d/p", 0600)); }));
  IS("mc", parent([] { IS(0, link("f", "d/h")); }));
  IS("mc", parent([] { IS(0, rename("d/h", "d/i")); }));
  IS("mc", parent([] { IS(0, rename("d/i", "out")); }));
  IS("mc", parent([] { IS(0, rename("out", "d/in")); }));
  IS("mc", parent([] { IS(0, unlink("d/in")); }));
  IS("mc", parent([] { IS(0, rmdir("d/e")); }));
  IS("", parent([] { IS("ENOENT", unlink("d/missing")); }));
  IS("", parent([] { IS(0, chmod("d/f", 0600)); }));
  IS("", parent([] { IS("ok", Open("d", O_RDWR | O_TMPFILE, 0600)); }));
}

CASE(ParentTimes, CallsThatChangeAFile) {
  Touch("f", 0644, "abc");
  const auto file = [](const std::function<void()>& action) { return Changes("f", action); };
  IS("", file([] { IS("ok", Open("f", O_RDWR)); }));
  IS("c", file([] { IS(0, chmod("f", 0600)); }));
  IS("c", file([] { IS(0, chown("f", geteuid(), getegid())); }));
  IS("c", file([] { IS(0, link("f", "g")); }));
  IS("c", file([] { IS(0, rename("g", "h")); }));
  IS("c", file([] { IS(0, unlink("h")); }));
  IS("mc", file([] { IS(0, truncate("f", 1)); }));
  IS("mc", file([] { IS("ok", Open("f", O_WRONLY | O_TRUNC)); }));
  IS("mc", file([] { IS("ok", Open("f", O_WRONLY | O_TRUNC)); }));
  IS("mc", file([] { IS(1, write(Fd("f", O_WRONLY), "x", 1)); }));
  IS("c", file([] { IS(0, Utimens("f", {1000000, 0}, {1000000, 0})); }));
  IS(0, chmod("f", 0400));
  IS("", file([] { IS("EACCES", Open("f", O_WRONLY | O_TRUNC)); }));
}

CASE(Truncate, LengthsBothWays) {
  Touch("f", 0644, "abcdef");
  IS(0, truncate("f", 3));
  IS("abc", Read("f"));
  IS(0, truncate("f", 5));
  IS(std::string("abc\0\0", 5), Read("f"));
  IS(0, truncate("f", 0));
  IS(0, Size("f"));
  IS("EINVAL", truncate("f", -1));
  IS("EINVAL", truncate("missing", -1));
}

CASE(Truncate, WhatCannotBeTruncated) {
  Dir("d");
  Touch("f");
  Touch("ro", 0444);
  Symlink("f", "l");
  Symlink("nowhere", "dangling");
  IS(0, mkfifo("p", 0600));
  IS(0, mknod("s", S_IFSOCK | 0600, 0));
  IS("EISDIR", truncate("d", 0));
  IS("EISDIR", truncate(".", 0));
  IS("EINVAL", truncate("p", 0));
  IS("EINVAL", truncate("s", 0));
  IS("EACCES", truncate("ro", 0));
  IS("ENOTDIR", truncate("f/", 0));
  IS("ENOENT", truncate("dangling", 0));
  IS("ENOENT", truncate("", 0));
  IS("EFAULT", syscall(SYS_truncate, nullptr, 0));
  IS(0, truncate("l", 4));
  IS(4, Size("f"));
  IS("EINVAL", ftruncate(Fd("f", O_RDONLY), 0));
  IS("EBADF", ftruncate(77, 0));
  IS("EBADF", ftruncate(Fd("f", O_PATH), 0));
}

CASE(Truncate, LargeFiles) {
  Touch("f");
  for (const off_t size : {0x7fffffffL, 0x80000000L, 0xffffffffL, 0x100000000L, 0x1000000001L}) {
    IS(0, truncate("f", size));
    IS(static_cast<long>(size), Size("f"));
    const int fd = Fd("f", O_RDWR);
    IS(1, pwrite(fd, "x", 1, size));
    IS(static_cast<long>(size + 1), lseek(fd, 0, SEEK_END));
    close(fd);
  }
  IS("EINVAL", pwrite(Fd("f", O_RDWR), "x", 1, 0x7fffffffffffffff));  // offset + size overflows
  IS("EINVAL", pwrite(Fd("f", O_RDWR), "x", 1, -1));
  IS("EINVAL", lseek(Fd("f", O_RDWR), -1, SEEK_SET));
}

CASE(Truncate, FileSizeLimitIsEfbigAndSigxfsz) {
  Touch("f", 0644, Times(100, "0123456789"));
  Touch("ro", 0444);
  const rlimit limit = {500, 500};
  IS(0, setrlimit(RLIMIT_FSIZE, &limit));
  const std::string killed = "signal " + std::to_string(SIGXFSZ);
  IS(killed, InChild([] { return static_cast<int>(truncate("f", 1001)); }));
  signal(SIGXFSZ, SIG_IGN);
  IS("EFBIG", truncate("f", 1001));
  IS("EFBIG", ftruncate(Fd("f", O_RDWR), 1001));
  IS("EFBIG", pwrite(Fd("f", O_RDWR), "x", 1, 500));
  IS(0, truncate("f", 900));  // shorter, if still beyond the limit
  IS(0, truncate("f", 400));
  IS(0, truncate("f", 500));
  IS("EFBIG", truncate("f", 501));
  signal(SIGXFSZ, SIG_DFL);
  IS("EACCES", truncate("ro", 1000));
  IS("ENOENT", truncate("missing", 1000));
}

CASE_WITH(Truncate, OthersFilesNeedWriting) {
  Touch("rw", 0666, "abc");
  Touch("ro", 0644, "abc");
  Give("rw", kOther, kOther);
  Give("ro", kOther, kOther);
}
THEN(Truncate, OthersFilesNeedWriting) {
  IS(0, truncate("rw", 1));
  IS("EACCES", truncate("ro", 1));
  IS("3000:3000", Owner("rw"));
}

}  // namespace conformance
