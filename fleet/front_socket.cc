#include "fleet/front_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <optional>

#include "fleet/control_socket.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr mode_t kForGroup = 0660;
constexpr mode_t kForRoot = 0600;

absl::StatusOr<gid_t> GroupNumber(const std::string& name) {
  const group* entry = getgrnam(name.c_str());
  if (entry == nullptr) return absl::NotFoundError("no group \"" + name + "\"");
  return entry->gr_gid;
}

absl::StatusOr<OwnedFd> OpenRootsDirectory(const std::string& path) {
  SysResult<OwnedFd> directory =
      OpenAt(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (!directory.ok()) return absl::ErrnoToStatus(directory.error(), path);
  SysResult<struct stat> st = Fstat(directory->get());
  if (!st.ok() || st->st_uid != geteuid() || (st->st_mode & 022) != 0) {
    return absl::PermissionDeniedError(path + " can be changed by others than root");
  }
  return std::move(*directory);
}

}  // namespace

absl::StatusOr<FrontSocket> FrontSocket::Open(const std::string& path, const std::string& group) {
  FrontSocket result;
  if (sd_listen_fds(1) == 1) {
    fcntl(SD_LISTEN_FDS_START, F_SETFD, FD_CLOEXEC);
    result.listener_ = OwnedFd(SD_LISTEN_FDS_START);
    return result;
  }
  const size_t slash = path.rfind('/');
  if (path.empty() || path[0] != '/' || slash + 1 == path.size()) {
    return absl::InvalidArgumentError("--socket needs an absolute path: " + path);
  }
  std::optional<gid_t> gid;
  if (!group.empty()) {
    absl::StatusOr<gid_t> number = GroupNumber(group);
    if (!number.ok()) return number.status();
    gid = *number;
  }
  absl::StatusOr<OwnedFd> directory = OpenRootsDirectory(path.substr(0, slash == 0 ? 1 : slash));
  if (!directory.ok()) return directory.status();
  const std::string name = path.substr(slash + 1);
  SysResult<LockFile> lock =
      LockFile::Acquire(directory->get(), "." + name + ".lock", LockWait::kTry);
  if (!lock.ok() && lock.error() == EWOULDBLOCK) {
    return absl::AlreadyExistsError("another one serves " + path);
  }
  if (!lock.ok()) return absl::ErrnoToStatus(lock.error(), path + ": lock");
  absl::StatusOr<OwnedFd> listener =
      BindSocketFile(directory->get(), name, gid.has_value() ? kForGroup : kForRoot, gid);
  if (!listener.ok()) return listener.status();
  result.listener_ = *std::move(listener);
  result.directory_ = *std::move(directory);
  result.lock_ = std::move(*lock);
  result.name_ = name;
  return result;
}

FrontSocket::~FrontSocket() {
  if (listener_.valid() && !name_.empty()) unlinkat(directory_.get(), name_.c_str(), 0);
}

}  // namespace sessionctl
