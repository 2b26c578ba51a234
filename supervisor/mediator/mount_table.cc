#include "supervisor/mediator/mount_table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr size_t kMaxText = size_t{4} << 20;

SysResult<std::string> ReadAll(int mountinfo) {
  const FdPath path(mountinfo);
  SysResult<std::string> text = ReadSmallFile(path.dirfd(), path.name(), kMaxText);
  if (text.ok() && text->size() == kMaxText) return Errno(EFBIG);
  return text;
}

SysResult<OwnedFd> Seal(const std::string& text) {
  const long fd =
      syscall(SYS_memfd_create, "mountinfo", MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdNoexecSeal);
  if (fd < 0) return errno == EINVAL ? Errno(EACCES) : LastErrno();
  OwnedFd copy(static_cast<int>(fd));
  if (SysStatus written = WriteAll(copy.get(), text.data(), text.size()); !written.ok()) {
    return Errno(written.error());
  }
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (fcntl(copy.get(), F_ADD_SEALS, kSeals) != 0) return LastErrno();
  return copy;
}

}  // namespace

std::string WithoutRoots(const std::string& mountinfo) {
  std::string told;
  for (const absl::string_view line : absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(' ', 4));
    if (parts.size() < 5) continue;
    absl::StrAppend(&told, parts[0], " ", parts[1], " ", parts[2], " / ", parts[4], "\n");
  }
  return told;
}

SysResult<OwnedFd> MountTable::Open(int mountinfo, int flags) {
  SysResult<std::string> text = ReadAll(mountinfo);
  if (!text.ok()) return Errno(text.error());
  std::string told = WithoutRoots(*text);
  const MutexLock lock(&mutex_);
  if (!copy_.valid() || told != text_) {
    SysResult<OwnedFd> made = Seal(told);
    if (!made.ok()) return made;
    copy_ = std::move(*made);
    text_ = std::move(told);
  }
  return Reopen(copy_.get(), flags);
}

}  // namespace sessionctl
