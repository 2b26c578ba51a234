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

}  // namespace sessionctl
