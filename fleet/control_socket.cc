#include "fleet/control_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "fleet/serve.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr int kBacklog = 4096;
constexpr mode_t kOwnersOnly = 0600;  // as bind(2) makes it here

OwnedFd NewSocket() { return OwnedFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof(address.sun_path), "%s", path.c_str());
  return address;
}

}  // namespace

absl::StatusOr<OwnedFd> BindSocketFile(int directory, const std::string& name, mode_t mode,
                                       std::optional<gid_t> group) {
  OwnedFd listener = NewSocket();
  if (!listener.valid()) return absl::ErrnoToStatus(errno, "socket");
  const std::string temporary = "." + name + ".new";
  unlinkat(directory, temporary.c_str(), 0);  // of one that was killed here
  const sockaddr_un address = AddressOf(std::string(FdPath(directory).c_str()) + "/" + temporary);
  const mode_t before = umask(0777 & ~kOwnersOnly);
  const int bound =
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  umask(before);
  if (bound != 0) return absl::ErrnoToStatus(error, name);
  if ((group.has_value() && fchownat(directory, temporary.c_str(), static_cast<uid_t>(-1), *group,
                                     AT_SYMLINK_NOFOLLOW) != 0) ||
      (mode != kOwnersOnly && fchmodat(directory, temporary.c_str(), mode, 0) != 0) ||
      listen(listener.get(), kBacklog) != 0 ||
      renameat(directory, temporary.c_str(), directory, name.c_str()) != 0) {
    const int failed = errno;
    unlinkat(directory, temporary.c_str(), 0);
    return absl::ErrnoToStatus(failed, name);
  }
  return listener;
}

absl::StatusOr<OwnedFd> BindControlSocket(int directory) {
  return BindSocketFile(directory, kControlSocketFile, kOwnersOnly, std::nullopt);
}

absl::StatusOr<OwnedFd> ConnectSocketFile(int directory, const std::string& path,
                                          const SocketPeer& from) {
  SysResult<OwnedFd> file = OpenAt(directory, path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (!file.ok()) return absl::UnavailableError("no supervisor runs");
  SysResult<struct stat> st = Fstat(file->get());
  if (!st.ok() || !S_ISSOCK(st->st_mode)) {
    return absl::PermissionDeniedError(path + from.where + " is no socket");
  }
  OwnedFd connection = NewSocket();
  if (!connection.valid()) return absl::ErrnoToStatus(errno, "socket");
  const sockaddr_un address = AddressOf(FdPath(file->get()).c_str());
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
      0) {
    if (errno == EACCES) return absl::PermissionDeniedError(path + ": " + strerror(errno));
    return absl::UnavailableError("no supervisor runs");
  }
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      (peer.uid != geteuid() && peer.uid != 0 && !(from.anybody && geteuid() == 0))) {
    return absl::PermissionDeniedError("the supervisor that answers is another user's");
  }
  return connection;
}

absl::StatusOr<OwnedFd> ConnectControlSocket(int directory) {
  return ConnectSocketFile(directory, kControlSocketFile, {.where = " in the state directory"});
}

}  // namespace sessionctl
