// Messages: pieces, descriptors, credentials, what a stream takes, broken pipes.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/testcases/check.h"
#include "tests/testcases/socket_calls.h"

namespace socket_calls {
namespace {

std::string Control(int type, const void* data, size_t size) {
  std::string bytes(CMSG_SPACE(size), '\0');
  cmsghdr header = {};
  header.cmsg_len = CMSG_LEN(size);
  header.cmsg_level = SOL_SOCKET;
  header.cmsg_type = type;
  memcpy(bytes.data(), &header, sizeof(header));
  memcpy(bytes.data() + CMSG_LEN(0), data, size);
  return bytes;
}

}  // namespace

long SendMessage(int fd, size_t first, size_t second, int flags, std::string control) {
  static const std::string kData(1 << 22, 'm');
  iovec pieces[] = {{const_cast<char*>(kData.data()), first},
                    {const_cast<char*>(kData.data()), second}};
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  message.msg_control = control.empty() ? nullptr : control.data();
  message.msg_controllen = control.size();
  return sendmsg(fd, &message, flags);
}

void MessageCases() {
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  SayBoth("two pieces", Answer(SendMessage(pair[0], 3, 4, 0)), [&] { return Drain(pair[1]); });
  const int file = open("passed", O_CREAT | O_RDWR, 0644);
  const int both[] = {file, pair[0]};
  Say("rights", Answer(SendMessage(pair[0], 1, 0, 0, Control(SCM_RIGHTS, both, sizeof(both)))));
  char data[16];
  char buffer[256];
  iovec piece = {data, sizeof(data)};
  msghdr received = {};
  received.msg_iov = &piece;
  received.msg_iovlen = 1;
  received.msg_control = buffer;
  received.msg_controllen = sizeof(buffer);
  CHECK(recvmsg(pair[1], &received, 0) == 1);
  int passed[2] = {-1, -1};
  if (CHECK(CMSG_FIRSTHDR(&received) != nullptr)) {
    memcpy(passed, CMSG_DATA(CMSG_FIRSTHDR(&received)), sizeof(passed));
  }
  CHECK(write(passed[0], "through", 7) == 7 && lseek(file, 0, SEEK_CUR) == 7);
  const int closed = 999;
  Say("bad rights", Answer(SendMessage(pair[0], 1, 0, 0, Control(SCM_RIGHTS, &closed, 4))));
  const ucred own = {getpid(), getuid(), getgid()};
  const ucred parent = {getppid(), getuid(), getgid()};
  Say("credentials",
      Answer(SendMessage(pair[0], 1, 0, 0, Control(SCM_CREDENTIALS, &own, sizeof(own)))));
  if (getuid() != 0) {
    Say("others' credentials",
        Answer(SendMessage(pair[0], 1, 0, 0, Control(SCM_CREDENTIALS, &parent, sizeof(parent)))));
  }
  std::string broken = Control(SCM_RIGHTS, &file, 4);
  broken[0] = 3;
  Say("broken control", Answer(SendMessage(pair[0], 1, 0, 0, broken)));
  Drain(pair[1]);
  msghdr bad = {};
  bad.msg_iovlen = 2000;
  Say("pieces", Answer(sendmsg(pair[0], &bad, 0)));
  bad.msg_iovlen = 1;
  Say("bad pieces", Answer(sendmsg(pair[0], &bad, 0)));
  Say("bad message", Answer(sendmsg(pair[0], reinterpret_cast<msghdr*>(16), 0)));
  Say("name of a stream", Answer([&] {
        sockaddr_un name = Unix("nobody");
        msghdr message = {};
        message.msg_name = &name;
        message.msg_namelen = sizeof(name);
        return sendmsg(pair[0], &message, 0);
      }()));
  // A stream that nobody reads takes a part, and then nothing.
  fcntl(pair[0], F_SETFL, O_NONBLOCK);
  long total = 0;
  for (long sent; (sent = SendMessage(pair[0], 100000, 1 << 20, 0)) > 0;) total += sent;
  Say("full", Answer(-1) + (total > 50000 ? " after a part" : ""));
  CHECK(Drain(pair[1]) == std::to_string(total));
  fcntl(pair[0], F_SETFL, 0);
  // A blocking send of more than fits ends when all is read.
  std::thread reader([&] {
    std::vector<char> taken(1 << 16);
    for (long left = 3 << 20; left > 0;) left -= read(pair[1], taken.data(), taken.size());
  });
  Say("all of it", Answer(SendMessage(pair[0], 1 << 20, 2 << 20, 0)));
  reader.join();
  const std::string partial = Interrupted(
      false,
      [&] {
        return std::string(SendMessage(pair[0], 1 << 20, 3 << 20, 0) > 50000 ? "a part"
                                                                             : "nothing");
      },
      [] {});
  Say("interrupted after", partial);
  Say("interrupted before",
      Interrupted(
          false, [&] { return Answer(SendMessage(pair[0], 1, 0, 0)); }, [] {}));
  close(pair[1]);
  signal(SIGPIPE, [](int) { ++signals; });
  const int before = signals;
  const auto got = [&] { return std::to_string(signals - before); };
  SayBoth("broken pipe", Answer(SendMessage(pair[0], 1, 0, 0)), got);
  SayBoth("without a signal", Answer(SendMessage(pair[0], 1, 0, MSG_NOSIGNAL)), got);
}

}  // namespace socket_calls
