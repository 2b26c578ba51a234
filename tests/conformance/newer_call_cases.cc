// The newest calls, by number: setxattrat and its family, file_getattr and file_setattr, statx;
// their structures, sizes and flags.
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include <cstring>

#include "tests/conformance/conformance.h"
#include "tests/conformance/newer_calls.h"

namespace conformance {
namespace {

struct LongerArgs {  // of a kernel to come
  XattrArgs args;
  uint64_t future[510];
};

struct FileAttributes {
  uint64_t xflags;
  uint32_t extsize;
  uint32_t nextents;
  uint32_t project;
  uint32_t cowextsize;
  uint64_t future[512];
};

long SetAt(int dirfd, const char* path, int flags, const char* name, const char* value,
           uint32_t set_flags = 0, size_t size = 16) {
  const LongerArgs args = {
      {reinterpret_cast<uint64_t>(value), static_cast<uint32_t>(strlen(value)), set_flags}, {}};
  return syscall(kSetxattrat, dirfd, path, flags, name, &args, size);
}

std::string GetAt(int dirfd, const char* path, int flags, const char* name, uint32_t get_flags = 0,
                  size_t size = 16) {
  char value[64];
  const LongerArgs args = {{reinterpret_cast<uint64_t>(value), sizeof(value), get_flags}, {}};
  const long read = syscall(kGetxattrat, dirfd, path, flags, name, &args, size);
  return read < 0 ? Answer(read) : std::string(value, static_cast<size_t>(read));
}

long Attributes(const char* path, FileAttributes* attributes, size_t size, int flags = 0) {
  return syscall(kFileSetattr, AT_FDCWD, path, attributes, size, flags);
}

}  // namespace

CASE(NewerCalls, ExtendedAttributesByDirfd) {
  Dir("d");
  Touch("d/f");
  Symlink("f", "d/l");
  const int d = Fd("d", O_PATH);
  const int f = Fd("d/f", O_RDONLY);
  IS(0, SetAt(d, "f", 0, "user.a", "1"));
  IS("1", GetAt(d, "f", 0, "user.a"));
  IS("EEXIST", SetAt(d, "l", 0, "user.a", "2", XATTR_CREATE));
  IS(0, SetAt(d, "l", 0, "user.a", "2", XATTR_REPLACE));
  IS("EPERM", SetAt(d, "l", AT_SYMLINK_NOFOLLOW, "user.a", "2"));
  IS(0, SetAt(f, "", AT_EMPTY_PATH, "user.b", "3"));
  IS("ENOENT", SetAt(f, "", 0, "user.b", "3"));
  IS(0, SetAt(AT_FDCWD, "", AT_EMPTY_PATH, "user.c", "4"));
  IS("4", GetAt(AT_FDCWD, ".", 0, "user.c"));
  IS("EBADF", SetAt(d, "", AT_EMPTY_PATH, "user.b", "3"));  // O_PATH
  IS("ENOTDIR", SetAt(f, "x", 0, "user.b", "3"));
  IS("EINVAL", SetAt(d, "f", AT_SYMLINK_FOLLOW, "user.b", "3"));
  IS("EINVAL", SetAt(d, "f", 0, "user.b", "3", 8));
  IS(14, syscall(kListxattrat, d, "f", 0, nullptr, 0));
  IS(0, syscall(kRemovexattrat, d, "l", 0, "user.a"));
  IS(0, syscall(kRemovexattrat, f, "", AT_EMPTY_PATH, "user.b"));
  IS("ENODATA", syscall(kRemovexattrat, d, "f", 0, "user.a"));
  IS("EINVAL", syscall(kRemovexattrat, d, "f", AT_REMOVEDIR, "user.a"));
  IS(0, syscall(kListxattrat, d, "f", 0, nullptr, 0));
}

CASE(NewerCalls, StructureOfAttributesIsChecked) {
  Touch("f");
  IS("EINVAL", SetAt(AT_FDCWD, "f", 0, "user.a", "1", 0, 15));
  IS("EINVAL", SetAt(AT_FDCWD, "f", 0, "user.a", "1", 0, 0));
  IS("E2BIG", SetAt(AT_FDCWD, "f", 0, "user.a", "1", 0, 4097));
  IS(0, SetAt(AT_FDCWD, "f", 0, "user.a", "1", 0, 24));
  IS("EFAULT", syscall(kSetxattrat, AT_FDCWD, "f", 0, "user.a", nullptr, 16));
  LongerArgs future = {};
  future.future[0] = 1;
  IS("E2BIG", syscall(kSetxattrat, AT_FDCWD, "f", 0, "user.a", &future, 32));
  IS("EINVAL", GetAt(AT_FDCWD, "f", 0, "user.a", 1));
  IS("1", GetAt(AT_FDCWD, "f", 0, "user.a", 0, 24));
}

CASE(NewerCalls, FileAttributesAreSetAndRead) {
  Touch("f");
  FileAttributes attributes = {};
  IS(0, syscall(kFileGetattr, AT_FDCWD, "f", &attributes, 24, 0));
  IS(0, static_cast<long>(attributes.xflags));
  attributes.xflags = FS_XFLAG_NODUMP;
  IS(0, Attributes("f", &attributes, 24));
  FileAttributes read = {};
  IS(0, syscall(kFileGetattr, AT_FDCWD, "f", &read, 24, 0));
  SAME(static_cast<long>(read.xflags));
  attributes.xflags = FS_XFLAG_IMMUTABLE;
  IS("EPERM", Attributes("f", &attributes, 24));
  attributes.xflags = FS_XFLAG_APPEND;
  IS("EPERM", Attributes("f", &attributes, 24));
  attributes.xflags = 0;
  IS("EINVAL", Attributes("f", &attributes, 23));
  IS("E2BIG", Attributes("f", &attributes, 4097));
  IS(0, Attributes("f", &attributes, 32));
  IS("EINVAL", Attributes("f", &attributes, 24, AT_SYMLINK_FOLLOW));
  attributes.future[0] = 1;
  IS("E2BIG", Attributes("f", &attributes, 32));
  attributes.xflags = 1ULL << 62;
  SAME(Attributes("f", &attributes, 24));
  IS("ENOENT", syscall(kFileGetattr, AT_FDCWD, "missing", &attributes, 24, 0));
}

CASE_WITH(NewerCalls, FileAttributesOfAnotherAreEperm) {
  Touch("f", 0666);
  Give("f", kOther, kOther);
}
THEN(NewerCalls, FileAttributesOfAnotherAreEperm) {
  FileAttributes attributes = {};
  attributes.xflags = FS_XFLAG_NODUMP;
  IS("EPERM", Attributes("f", &attributes, 24));
}

// A handle tells which file a name means; only opening by it is past every path check.
CASE(NewerCalls, HandlesAreTold) {
  Touch("f");
  Symlink("f", "l");
  struct {
    unsigned bytes;
    int type;
    char data[128];
  } handles[3] = {{128, 0, {}}, {128, 0, {}}, {128, 0, {}}};
  int mount;
  const int fd = Fd("f", O_PATH);
  IS(0, syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &handles[0], &mount, 0));
  IS(0, syscall(SYS_name_to_handle_at, AT_FDCWD, "l", &handles[1], &mount, AT_SYMLINK_FOLLOW));
  IS(0, syscall(SYS_name_to_handle_at, fd, "", &handles[2], &mount, AT_EMPTY_PATH));
  IS(true, memcmp(handles[0].data, handles[1].data, handles[0].bytes) == 0);
  IS(true, memcmp(handles[0].data, handles[2].data, handles[0].bytes) == 0);
  IS("ENOENT", syscall(SYS_name_to_handle_at, AT_FDCWD, "missing", &handles[0], &mount, 0));
  IS("EINVAL", syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &handles[0], &mount, 1 << 30));
  handles[0].bytes = 0;
  IS("EOVERFLOW", syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &handles[0], &mount, 0));
  const auto open_by_handle = [&handles]() -> std::string {
    const long opened = syscall(SYS_open_by_handle_at, AT_FDCWD, &handles[1], O_RDONLY);
    return opened < 0 ? Answer(opened) : "ok";
  };
  IS(BareOrInside(HasCapability(CAP_DAC_READ_SEARCH) ? "ok" : "EPERM", "EPERM"), open_by_handle());
}

CASE(NewerCalls, StatxTellsWhatTheBrokerMade) {
  struct statx info = {};
  IS("ok", Open("f", O_RDWR | O_CREAT, 0640));
  IS(0, statx(AT_FDCWD, "f", AT_STATX_SYNC_AS_STAT, STATX_ALL, &info));
  IS(0100640, info.stx_mode);
  IS(1, static_cast<long>(info.stx_nlink));
  IS(static_cast<long>(geteuid()), static_cast<long>(info.stx_uid));
  IS(true, info.stx_btime.tv_sec > 0 && info.stx_btime.tv_sec <= info.stx_ctime.tv_sec);
  IS("EINVAL", syscall(SYS_statx, AT_FDCWD, "f", 0, 0x80000000U, &info));
  IS("EINVAL", syscall(SYS_statx, AT_FDCWD, "f", 1 << 30, STATX_ALL, &info));
  IS("EFAULT", syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_ALL, nullptr));
  const int fd = Fd("f", O_PATH);
  IS(0, statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &info));
}

}  // namespace conformance
