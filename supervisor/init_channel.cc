// The monitor's side of its talk with a session's init (session_init.h).
#include <sys/socket.h>

#include <cerrno>

#include "sandbox/base/fd_channel.h"
#include "supervisor/session_init.h"

namespace sessionctl {
namespace {

void Append(const std::string& text, std::string* message) {
  message->append(text.c_str(), text.size() + 1);
}

}  // namespace

SysResult<InitChannel> InitChannel::Create(OwnedFd* inits_end) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return LastErrno();
  InitChannel channel;
  channel.socket_.Reset(ends[0]);
  inits_end->Reset(ends[1]);
  return channel;
}

SysStatus InitChannel::Send(const InitStart& start, const int (&stdio)[3]) {
  if (!is_open()) return Errno(EPIPE);
  const InitRequestHeader header = {.id = start.id,
                                    .terminal = start.terminal ? 1U : 0U,
                                    .paths = static_cast<uint32_t>(start.program_paths.size()),
                                    .arguments = static_cast<uint32_t>(start.argv.size()),
                                    .variables = static_cast<uint32_t>(start.environment.size())};
  std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
  Append(start.working_directory, &message);
  for (const auto* list : {&start.program_paths, &start.argv, &start.environment}) {
    for (const std::string& text : *list) Append(text, &message);
  }
  if (message.size() > kMaxInitRequest) return Errno(EMSGSIZE);
  return SendWithDescriptors(fd(), message.data(), message.size(), stdio, 3, MSG_DONTWAIT);
}

SysResult<std::optional<InitAnswer>> InitChannel::Receive() {
  InitAnswer answer;
  ssize_t size;
  do {
    // Descriptors that come along are dropped by the kernel: nobody asked for any.
    size = recv(fd(), &answer, sizeof(answer), MSG_DONTWAIT | MSG_TRUNC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return std::optional<InitAnswer>();
  if (size < 0) return LastErrno();
  if (size == 0) return Errno(EPIPE);
  if (size != static_cast<ssize_t>(sizeof(answer))) return Errno(EBADMSG);
  return std::optional<InitAnswer>(answer);
}

}  // namespace sessionctl
