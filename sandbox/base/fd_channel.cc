#include "sandbox/base/fd_channel.h"

#include <sys/socket.h>

#include <cstring>

namespace sessionctl {
namespace {

// One byte of data carries one descriptor.
struct Envelope {
  Envelope() {
    memset(control, 0, sizeof(control));
    memset(&message, 0, sizeof(message));
    data.iov_base = &byte;
    data.iov_len = 1;
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
  }
  char byte = 'F';
  iovec data;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message;
};

}  // namespace

SysStatus SendDescriptor(int socket, int fd) {
  Envelope envelope;
  cmsghdr* header = CMSG_FIRSTHDR(&envelope.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  while (sendmsg(socket, &envelope.message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return LastErrno();
  }
  return Done{};
}

SysResult<OwnedFd> ReceiveDescriptor(int socket) {
  Envelope envelope;
  ssize_t size;
  do {
    size = recvmsg(socket, &envelope.message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return LastErrno();
  if (size == 0) return Errno(EPIPE);
  cmsghdr* header = CMSG_FIRSTHDR(&envelope.message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return Errno(EBADMSG);
  int fd = -1;
  memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  return OwnedFd(fd);
}

SysStatus SendWithDescriptors(int socket, const void* data, size_t size, const int* fds,
                              size_t count, int flags) {
  if (count > kMaxDescriptors) return Errno(EINVAL);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)] = {};
  iovec body = {const_cast<void*>(data), size};
  msghdr message = {};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  }
  while (sendmsg(socket, &message, flags | MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return LastErrno();
  }
  return Done{};
}

SysResult<ReceivedMessage> ReceiveWithDescriptors(int socket, void* data, size_t size, int flags) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)] = {};
  iovec body = {data, size};
  msghdr message = {};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  do {
    got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return LastErrno();
  ReceivedMessage received;
  received.size = static_cast<size_t>(got);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count && received.count < kMaxDescriptors; ++i) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
      received.descriptors[received.count++].Reset(fd);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return Errno(EMSGSIZE);
  return received;
}

}  // namespace sessionctl
