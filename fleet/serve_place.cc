#include "fleet/serve_place.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "fleet/control_socket.h"
#include "fleet/serve.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr std::chrono::milliseconds kWait(20);
constexpr int kTries = 1500;    // 30 s for the one before to leave
constexpr int kAskAgain = 100;  // tries
constexpr int kAnswerMilliseconds = 1000;

// Asks the supervisor that runs to leave.
void AskToLeave(int directory) {
  absl::StatusOr<OwnedFd> connection = ConnectControlSocket(directory);
  if (!connection.ok()) return;
  const std::string request =
      "POST /v1/shutdown HTTP/1.1\r\nHost: sessiond\r\nContent-Length: 0\r\n\r\n";
  // Who does not hear keeps the lock.
  if (!WriteAll(connection->get(), request.data(), request.size()).ok()) return;
}

// One that was killed may still be found for a moment: its last threads hold lock and socket. Only
// one that lives answers.
bool Answers(int directory) {
  absl::StatusOr<OwnedFd> connection = ConnectControlSocket(directory);
  if (!connection.ok()) return false;
  const std::string request = "GET /v1/health HTTP/1.1\r\nHost: sessiond\r\n\r\n";
  if (!WriteAll(connection->get(), request.data(), request.size()).ok()) return false;
  pollfd answer = {.fd = connection->get(), .events = POLLIN};
  char byte;
  return poll(&answer, 1, kAnswerMilliseconds) > 0 && recv(connection->get(), &byte, 1, 0) == 1;
}

bool IsSame(int directory, const char* name, const struct stat& wanted) {
  struct stat st;
  return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == wanted.st_dev &&
         st.st_ino == wanted.st_ino;
}

}  // namespace

absl::StatusOr<ServePlace> ServePlace::Take(SessionStore& store, bool replace) {
  ServePlace place(store);
  for (int i = 0; i < kTries; ++i) {
    if (replace && i % kAskAgain == 0) AskToLeave(store.fd());
    SysResult<LockFile> lock = LockFile::Acquire(store.fd(), kServeLockFile, LockWait::kTry);
    if (lock.ok()) {
      place.lock_ = std::move(*lock);
      return place;
    }
    if (lock.error() != EWOULDBLOCK) {
      return absl::ErrnoToStatus(lock.error(), store.path() + "/" + kServeLockFile);
    }
    // It runs, and is not about to leave.
    if (!replace && Answers(store.fd())) break;
    std::this_thread::sleep_for(kWait);
  }
  return absl::AlreadyExistsError("another supervisor runs in " + store.path());
}

absl::StatusOr<OwnedFd> ServePlace::Listen() {
  if (!listener_.valid() && sd_listen_fds(1) == 1) {
    fcntl(SD_LISTEN_FDS_START, F_SETFD, FD_CLOEXEC);
    return OwnedFd(SD_LISTEN_FDS_START);
  }
  absl::StatusOr<OwnedFd> listener = BindControlSocket(store_->fd());
  if (!listener.ok()) return listener;
  struct stat st;
  if (fstatat(store_->fd(), kControlSocketFile, &st, AT_SYMLINK_NOFOLLOW) == 0) socket_ = st;
  listener_.Reset(fcntl(listener->get(), F_DUPFD_CLOEXEC, 3));
  return listener;
}

bool ServePlace::HasLock() const {
  SysResult<struct stat> ours = Fstat(lock_->fd());
  return ours.ok() && IsSame(store_->fd(), kServeLockFile, *ours);
}

bool ServePlace::HasSocket() const {
  return !listener_.valid() || IsSame(store_->fd(), kControlSocketFile, socket_);
}

ServePlace::Finding ServePlace::Look() {
  const bool same = store_->IsInPlace();
  if (!same && !store_->Reopen().ok()) return Finding::kNoDirectory;
  if (!HasLock()) {
    SysResult<LockFile> lock = LockFile::Acquire(store_->fd(), kServeLockFile, LockWait::kTry);
    if (!lock.ok()) return lock.error() == EWOULDBLOCK ? Finding::kLost : Finding::kNoDirectory;
    lock_ = std::move(*lock);
  }
  if (!same) return Finding::kDirectoryNew;
  return HasSocket() ? Finding::kOurs : Finding::kSocketGone;
}

void ServePlace::StopBeingFound() {
  if (!listener_.valid()) return;
  if (HasSocket()) unlinkat(store_->fd(), kControlSocketFile, 0);
  shutdown(listener_.get(), SHUT_RD);
}

}  // namespace sessionctl
