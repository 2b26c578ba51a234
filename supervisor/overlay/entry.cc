#include "supervisor/overlay/entry.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr uint64_t kResolve =
    kResolveBeneath | kResolveNoSymlinks | kResolveNoMagiclinks | kResolveNoXdev;
constexpr size_t kMaxAttributes = size_t{64} * 1024;  // XATTR_SIZE_MAX
constexpr size_t kMaxNames = 1'000'000;
constexpr size_t kComparedAtOnce = size_t{256} * 1024;

// struct ovl_fb (fs/overlayfs/overlayfs.h): version, magic, length, flags, type, uuid, handle.
constexpr size_t kOriginType = 4, kOriginHandle = 21;
constexpr unsigned char kOriginMagic = 0xfb;

bool IsCarried(std::string_view name) {
  if (name.starts_with("user.")) return !name.starts_with(kOverlayAttributes);
  return name == "system.posix_acl_access" || name == "system.posix_acl_default" ||
         name == "security.capability";
}

SysResult<std::string> Attribute(const FdPath& path, const std::string& name) {
  std::string value(kMaxAttributes, '\0');
  const ssize_t size = getxattr(path.c_str(), name.c_str(), value.data(), value.size());
  if (size < 0) return LastErrno();
  value.resize(static_cast<size_t>(size));
  return value;
}

// One attribute of the kernel's own, or one that a copy takes along.
SysStatus TakeAttribute(const FdPath& path, const std::string& name, LayerEntry* entry) {
  const bool overlay = name.starts_with(kOverlayAttributes);
  if (!overlay && !IsCarried(name)) return Done{};
  SysResult<std::string> value = Attribute(path, name);
  if (value.error() == ENODATA) return Done{};  // it has gone since
  if (!value.ok()) return Errno(value.error());
  if (!overlay) {
    entry->attributes.emplace(name, std::move(*value));
    return Done{};
  }
  const std::string_view mark = std::string_view(name).substr(strlen(kOverlayAttributes));
  if (mark == "opaque") entry->opaque = *value == "y";
  if (mark == "whiteout") entry->whiteout |= entry->IsRegular() && entry->size == 0;
  if (mark == "metacopy" || mark == "redirect") entry->foreign = true;
  if (mark == "origin") {
    entry->copied = true;
    entry->origin = std::move(*value);
  }
  return Done{};
}

SysStatus ReadAttributes(int pinned, LayerEntry* entry) {
  const FdPath path(pinned);
  std::string names(kMaxAttributes, '\0');
  const ssize_t size = listxattr(path.c_str(), names.data(), names.size());
  if (size < 0) {
    if (errno == ENOTSUP) return Done{};
    return Errno(errno == ERANGE ? E2BIG : errno);
  }
  names.resize(static_cast<size_t>(size));
  size_t taken = 0;
  for (size_t start = 0; start < names.size();) {
    const std::string name(names.c_str() + start);
    start += name.size() + 1;
    if (SysStatus read = TakeAttribute(path, name, entry); !read.ok()) return read;
    if (const auto found = entry->attributes.find(name); found != entry->attributes.end()) {
      taken += name.size() + found->second.size();
    }
    if (taken > kMaxAttributes) return Errno(E2BIG);
  }
  return Done{};
}

// Where data begins at or after `offset`; `size` when there is none.
SysResult<off_t> NextData(int file, off_t offset, off_t size) {
  const off_t found = lseek(file, offset, SEEK_DATA);
  if (found >= 0) return std::min(found, size);
  if (errno == ENXIO) return size;
  if (errno == EINVAL) return offset;  // the file system knows no holes
  return LastErrno();
}

// Where data ends that begins at `offset`; `offset` itself when there is a hole.
off_t EndOfData(int file, off_t offset, off_t size) {
  const off_t found = lseek(file, offset, SEEK_HOLE);
  return found < 0 ? size : found;
}

// Reads up to `size` bytes; less only at the end of the file.
SysResult<size_t> ReadAt(int file, off_t offset, char* buffer, size_t size) {
  size_t used = 0;
  while (used < size) {
    const ssize_t got = pread(file, buffer + used, size - used, offset + static_cast<off_t>(used));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return LastErrno();
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  return used;
}

}  // namespace

const char* EntryTypeName(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "symlink";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    default: return "device";
  }
}

SysResult<OwnedFd> PinEntry(int dirfd, const std::string& path) {
  if (path.empty()) return Reopen(dirfd, O_PATH | O_DIRECTORY);
  const OpenHow how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .mode = 0, .resolve = kResolve};
  return OpenAt2(dirfd, path.c_str(), how);
}

SysResult<LayerEntry> ReadEntry(int pinned) {
  SysResult<struct stat> st = Fstat(pinned);
  if (!st.ok()) return Errno(st.error());
  LayerEntry entry = {.device = st->st_dev,
                      .inode = st->st_ino,
                      .mode = st->st_mode,
                      .uid = st->st_uid,
                      .gid = st->st_gid,
                      .size = static_cast<uint64_t>(st->st_size),
                      .links = st->st_nlink,
                      .represents = st->st_rdev,
                      .accessed = st->st_atim,
                      .modified = st->st_mtim,
                      .changed = st->st_ctim};
  entry.whiteout = S_ISCHR(entry.mode) && entry.represents == 0;
  if (entry.whiteout) return entry;
  if (SysStatus read = ReadAttributes(pinned, &entry); !read.ok()) return Errno(read.error());
  if (!entry.IsLink()) return entry;
  SysResult<std::string> target = ReadLinkAt(pinned, "");
  if (!target.ok()) return Errno(target.error());
  entry.target = std::move(*target);
  return entry;
}

SysResult<std::vector<std::string>> ReadNames(int pinned) {
  SysResult<std::vector<std::string>> names = ReadSomeNames(pinned, kMaxNames + 1);
  if (names.ok() && names->size() > kMaxNames) return Errno(E2BIG);
  return names;
}

SysResult<std::vector<std::string>> ReadSomeNames(int pinned, size_t limit) {
  SysResult<OwnedFd> opened = Reopen(pinned, O_RDONLY | O_DIRECTORY);
  if (!opened.ok()) return Errno(opened.error());
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(opened->get()), closedir);
  if (directory == nullptr) return LastErrno();
  opened->Release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() == limit) break;
    names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return LastErrno();
  std::sort(names.begin(), names.end());
  return names;
}

std::string HandleOf(int pinned) {
  struct {
    file_handle header;
    std::array<unsigned char, MAX_HANDLE_SZ> bytes;
  } handle = {.header = {.handle_bytes = MAX_HANDLE_SZ}};
  int mount_id;
  if (name_to_handle_at(pinned, "", &handle.header, &mount_id, AT_EMPTY_PATH) != 0) return "";
  // The kernel's own copy holds the type in one byte.
  std::string text(1, static_cast<char>(handle.header.handle_type));
  return text.append(reinterpret_cast<const char*>(handle.header.f_handle),
                     handle.header.handle_bytes);
}

std::string HandleInOrigin(const std::string& origin) {
  if (origin.size() < kOriginHandle || static_cast<unsigned char>(origin[1]) != kOriginMagic ||
      static_cast<unsigned char>(origin[2]) != origin.size()) {
    return "";
  }
  return origin.substr(kOriginType, 1) + origin.substr(kOriginHandle);
}

SysResult<OwnedFd> OpenContent(int pinned) {
  SysResult<struct stat> st = Fstat(pinned);
  if (!st.ok()) return Errno(st.error());
  if (!S_ISREG(st->st_mode)) return Errno(ESTALE);
  return Reopen(pinned, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

SysResult<bool> SameContent(int pinned, int other) {
  SysResult<OwnedFd> one = OpenContent(pinned), two = OpenContent(other);
  if (!one.ok() || !two.ok()) return Errno(one.ok() ? two.error() : one.error());
  SysResult<struct stat> st = Fstat(one->get()), st_two = Fstat(two->get());
  if (!st.ok() || !st_two.ok()) return Errno(EIO);
  if (st->st_size != st_two->st_size) return false;
  const auto left = std::make_unique<char[]>(kComparedAtOnce),
             right = std::make_unique<char[]>(kComparedAtOnce);
  for (off_t offset = 0; offset < st->st_size;) {
    SysResult<off_t> data = NextData(one->get(), offset, st->st_size);
    SysResult<off_t> data_two = NextData(two->get(), offset, st->st_size);
    if (!data.ok() || !data_two.ok()) return Errno(data.ok() ? data_two.error() : data.error());
    offset = std::min(*data, *data_two);
    if (offset >= st->st_size) break;
    const off_t end = std::max(EndOfData(one->get(), offset, st->st_size),
                               EndOfData(two->get(), offset, st->st_size));
    const size_t size =
        std::min(kComparedAtOnce, static_cast<size_t>(std::max(end - offset, off_t{1})));
    SysResult<size_t> got = ReadAt(one->get(), offset, left.get(), size);
    SysResult<size_t> got_two = ReadAt(two->get(), offset, right.get(), size);
    if (!got.ok() || !got_two.ok()) return Errno(got.ok() ? got_two.error() : got.error());
    if (*got != *got_two || memcmp(left.get(), right.get(), *got) != 0) return false;
    if (*got == 0) break;
    offset += static_cast<off_t>(*got);
  }
  return true;
}

}  // namespace sessionctl
