#include "fleet/message_socket.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr size_t kControlSize = CMSG_SPACE(kMaxMessageDescriptors * sizeof(int));

void TakeDescriptors(msghdr& header, std::vector<OwnedFd>& descriptors) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(each) + i * sizeof(int), sizeof(fd));
      descriptors.emplace_back(fd);
    }
  }
}

}  // namespace

SysStatus SendSocketMessage(int socket, std::string_view bytes,
                            const std::vector<int>& descriptors) {
  if (descriptors.size() > kMaxMessageDescriptors) return Errno(EINVAL);
  alignas(cmsghdr) std::array<char, kControlSize> control = {};
  iovec data = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size() * sizeof(int));
  }
  ssize_t sent;
  while ((sent = sendmsg(socket, &header, MSG_NOSIGNAL)) < 0) {
    if (errno != EINTR) return LastErrno();
  }
  return Done{};
}

SysResult<SocketMessage> ReceiveSocketMessage(int socket, size_t limit) {
  SocketMessage message;
  message.bytes.resize(limit);
  alignas(cmsghdr) std::array<char, kControlSize> control = {};
  iovec data = {.iov_base = message.bytes.data(), .iov_len = limit};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t size;
  while ((size = recvmsg(socket, &header, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno != EINTR) return LastErrno();
  }
  TakeDescriptors(header, message.descriptors);
  if ((header.msg_flags & MSG_TRUNC) != 0) return Errno(EMSGSIZE);
  if (size == 0) return Errno(EPIPE);
  message.bytes.resize(static_cast<size_t>(size));
  return message;
}

SysResult<std::pair<OwnedFd, OwnedFd>> MakeMessageSockets() {
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return LastErrno();
  return std::pair(OwnedFd(ends[0]), OwnedFd(ends[1]));
}

SysResult<OwnedFd> MakeMemoryFile(std::string_view contents) {
  OwnedFd file(memfd_create("sessionctl", MFD_CLOEXEC | kMfdNoexecSeal));
  if (!file.valid() && errno == EINVAL) file.Reset(memfd_create("sessionctl", MFD_CLOEXEC));
  if (!file.valid()) return LastErrno();
  SysStatus written = WriteAll(file.get(), contents.data(), contents.size());
  if (!written.ok()) return Errno(written.error());
  return file;
}

SysResult<std::string> ReadMemoryFile(int fd, size_t limit) {
  SysResult<struct stat> st = Fstat(fd);
  if (!st.ok()) return Errno(st.error());
  if (st->st_size < 0 || static_cast<size_t>(st->st_size) > limit) return Errno(EFBIG);
  std::string contents(static_cast<size_t>(st->st_size), '\0');
  for (size_t done = 0; done < contents.size();) {
    const ssize_t count =
        pread(fd, contents.data() + done, contents.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return LastErrno();
    if (count == 0) return Errno(EIO);
    done += static_cast<size_t>(count);
  }
  return contents;
}

}  // namespace sessionctl
