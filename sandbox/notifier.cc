#include "sandbox/notifier.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace sessionctl {
namespace {

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

constexpr uint32_t kSendAtOnce = 1U << 1;  // SECCOMP_ADDFD_FLAG_SEND

// The kernel's structures may be longer than ours (trap 6).
seccomp_notif_sizes KernelSizes() {
  seccomp_notif_sizes sizes = {};
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) {
    sizes.seccomp_notif = sizeof(seccomp_notif);
    sizes.seccomp_notif_resp = sizeof(seccomp_notif_resp);
  }
  return sizes;
}

const seccomp_notif_sizes& Sizes() {
  static const seccomp_notif_sizes sizes = KernelSizes();
  return sizes;
}

// Room for any plausible growth of the kernel's structures without an allocation a call.
constexpr size_t kMaxStructure = 512;

SysStatus SendResponse(int listener, uint64_t id, int error, int64_t value) {
  alignas(seccomp_notif_resp) char buffer[kMaxStructure] = {};
  auto* response = reinterpret_cast<seccomp_notif_resp*>(buffer);
  response->id = id;
  response->error = -error;
  response->val = value;
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response) != 0) return LastErrno();
  return Done{};
}

SysResult<int> AddDescriptor(int listener, uint64_t id, int fd, bool close_on_exec,
                             uint32_t flags) {
  seccomp_notif_addfd addfd = {};
  addfd.id = id;
  addfd.flags = flags;
  addfd.srcfd = static_cast<uint32_t>(fd);
  addfd.newfd_flags = close_on_exec ? O_CLOEXEC : 0;
  int number;
  do {
    number = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
  } while (number < 0 && errno == EINTR);  // then nothing was installed
  if (number < 0) return LastErrno();
  return number;
}

}  // namespace

Notifier::Notifier(OwnedFd listener) : listener_(std::move(listener)) {
  Sizes();  // asked for now: later the broker's own filter allows that no more
  // The argument is the flags themselves. An older kernel refuses and wakes as it likes.
  ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

SysResult<Notification> Notifier::Receive() {
  alignas(seccomp_notif) char buffer[kMaxStructure];
  memset(buffer, 0,
         std::min<size_t>(kMaxStructure,
                          std::max<size_t>(Sizes().seccomp_notif, sizeof(seccomp_notif))));
  auto* received = reinterpret_cast<seccomp_notif*>(buffer);
  if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, received) != 0) return LastErrno();
  Notification notification;
  notification.id = received->id;
  notification.tid = static_cast<pid_t>(received->pid);
  notification.nr = received->data.nr;
  std::copy(std::begin(received->data.args), std::end(received->data.args),
            notification.args.begin());
  return notification;
}

bool Notifier::HasEnded() const {
  pollfd ended = {.fd = listener_.get(), .events = 0, .revents = 0};
  return poll(&ended, 1, 0) > 0 && (ended.revents & POLLHUP) != 0;
}

bool Notifier::HasCall() const {
  pollfd calls = {.fd = listener_.get(), .events = POLLIN, .revents = 0};
  return poll(&calls, 1, 0) > 0 && (calls.revents & POLLIN) != 0;
}

bool Notifier::StillWaiting(uint64_t id) const {
  return ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

SysStatus Notifier::SendError(uint64_t id, int error) {
  return SendResponse(listener_.get(), id, error, 0);
}

SysStatus Notifier::SendValue(uint64_t id, int64_t value) {
  return SendResponse(listener_.get(), id, 0, value);
}

SysResult<int> Notifier::InstallDescriptor(uint64_t id, int fd, bool close_on_exec) {
  return AddDescriptor(listener_.get(), id, fd, close_on_exec, 0);
}

SysStatus Notifier::SendDescriptor(uint64_t id, int fd, bool close_on_exec) {
  SysResult<int> number = AddDescriptor(listener_.get(), id, fd, close_on_exec, kSendAtOnce);
  if (!number.ok()) return Errno(number.error());
  return Done{};
}

}  // namespace sessionctl
