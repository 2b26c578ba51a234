#include "supervisor/socket_peer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr int kPeerPidfd = 77;  // SO_PEERPIDFD, Linux 6.5
constexpr size_t kMaxStatus = size_t{64} * 1024;

// The process itself, not whoever has its number next. ENOPROTOOPT: a kernel that cannot tell.
SysResult<OwnedFd> PeerProcess(int socket) {
  int pidfd = -1;
  socklen_t size = sizeof(pidfd);
  if (getsockopt(socket, SOL_SOCKET, kPeerPidfd, &pidfd, &size) != 0) return LastErrno();
  return OwnedFd(pidfd);
}

bool HasEnded(const OwnedFd& pidfd) {
  pollfd source = {.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  return poll(&source, 1, 0) != 0;
}

// What follows `key` in /proc/PID/status, "" when there is none.
std::string Field(const std::string& status, const std::string& key) {
  const size_t at = status.find("\n" + key + ":\t");
  if (at == std::string::npos) return "";
  const size_t begin = at + key.size() + 3;
  return status.substr(begin, status.find('\n', begin) - begin);
}

// How many seccomp filters stand over a process; before Linux 5.9, whether there is any.
long FilterCount(const std::string& status) {
  const std::string count = Field(status, "Seccomp_filters");
  return strtol((count.empty() ? Field(status, "Seccomp") : count).c_str(), nullptr, 10);
}

}  // namespace

bool PeerIsUnconfined(int socket) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  const SysResult<OwnedFd> process = PeerProcess(socket);
  if (!process.ok() && process.error() != ENOPROTOOPT) return false;
  const std::string path = "/proc/" + std::to_string(peer.pid) + "/status";
  SysResult<std::string> theirs = ReadSmallFile(AT_FDCWD, path.c_str(), kMaxStatus);
  SysResult<std::string> own = ReadSmallFile(AT_FDCWD, "/proc/self/status", kMaxStatus);
  if (!theirs.ok() || !own.ok()) return false;
  // A first thread that has ended shows nothing of the others.
  if (Field(*theirs, "State").find_first_of("ZX") != std::string::npos) return false;
  if (FilterCount(*theirs) > FilterCount(*own)) return false;
  return !process.ok() || !HasEnded(*process);
}

bool PeerMayCommand(int socket) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return (peer.uid == geteuid() || peer.uid == 0) && PeerIsUnconfined(socket);
}

}  // namespace sessionctl
