// An init that its session has taken over: says what nobody asked for, in every form that a socket
// allows, to its monitor. HOSTILE_INIT in its session's working directory says how; it is read anew
// for each thing it says.
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sandbox/base/fd_channel.h"
#include "supervisor/session_init.h"

namespace sessionctl {
namespace {

void Say(int channel, uint32_t kind, uint32_t id, int value) {
  const InitAnswer answer = {.kind = static_cast<InitAnswer::Kind>(kind),
                             .id = id,
                             .value = value,
                             .stage = static_cast<LaunchFailure::Stage>(0xffffffff)};
  if (write(channel, &answer, sizeof(answer)) < 0) _exit(1);
}

// Without end, as fast as it goes.
[[noreturn]] void Flood(int channel) {
  for (uint32_t id = 1;; ++id) Say(channel, id % 4, id, static_cast<int>(id));
}

[[noreturn]] void SendTooMuch(int channel) {
  static char large[100000];
  for (;;) {
    if (write(channel, large, sizeof(large)) < 0) _exit(1);
  }
}

// Descriptors that nobody wants, until the kernel takes no more.
[[noreturn]] void SendDescriptors(int channel) {
  const std::array<int, 3> given = {0, 1, 2};
  InitAnswer answer = {};
  answer.id = 1;
  for (;;) {
    if (!SendWithDescriptors(channel, &answer, sizeof(answer), given.data(), given.size()).ok()) {
      _exit(1);
    }
  }
}

uint32_t NextRequest(int channel) {
  static char request[kMaxInitRequest];
  SysResult<ReceivedMessage> message = ReceiveWithDescriptors(channel, request, sizeof(request));
  if (!message.ok() || message->size == 0) _exit(0);
  InitRequestHeader header;
  memcpy(&header, request, sizeof(header));
  return header.id;
}

char Wish() {
  char wish = 0;
  const int fd = open("HOSTILE_INIT", O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && read(fd, &wish, 1) < 0) wish = 0;
  if (fd >= 0) close(fd);
  return wish;
}

}  // namespace

void RunSessionInit(const LaunchPlan& plan) {
  const int channel = plan.init_channel;
  if (Wish() == 'F') Flood(channel);  // before anybody has asked for anything
  for (;;) {
    const uint32_t id = NextRequest(channel);
    switch (Wish()) {
      case 'f': Flood(channel);
      case 'l': SendTooMuch(channel);
      case 'd': SendDescriptors(channel);
      case 's': raise(SIGSTOP); break;
      case 'e': Say(channel, 2, id, -1); break;  // ended, in a way that nothing ends
      case 't':                                  // ended twice
        Say(channel, 2, id, 0);
        Say(channel, 2, id, 0);
        break;
      case 'x': _exit(3);
      default: Say(channel, 0, id, 0); break;  // started, and never heard of again
    }
  }
}

}  // namespace sessionctl
