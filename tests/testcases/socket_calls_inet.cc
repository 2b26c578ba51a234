// TCP and UDP over loopback.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "tests/testcases/check.h"
#include "tests/testcases/socket_calls.h"

namespace socket_calls {
namespace {

sockaddr_in Inet(const char* ip, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, ip, &address.sin_addr);
  return address;
}

int PortOf(int fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

int SocketError(int fd) {
  pollfd ready = {fd, POLLOUT, 0};
  poll(&ready, 1, 5000);
  int error = -1;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

}  // namespace

void TcpCases() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(Bind(listener, Inet("127.0.0.1", 0)) == 0 && listen(listener, 5) == 0);
  const int port = PortOf(listener);
  const int closed = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(Bind(closed, Inet("127.0.0.1", 0)) == 0);
  const int nobody = PortOf(closed);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  Say("refused", Answer(Connect(fd, Inet("127.0.0.1", nobody))));
  Say("connect", Answer(Connect(fd, Inet("127.0.0.1", port))));
  Say("twice", Answer(Connect(fd, Inet("127.0.0.1", port))));
  Say("short", Answer(connect(fd, nullptr, 0)));
  fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  Say("in progress", Answer(Connect(fd, Inet("127.0.0.1", port))));
  SayBoth("then", std::to_string(SocketError(fd)),
          [&] { return Answer(Connect(fd, Inet("127.0.0.1", port))); });
  fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  Say("in progress", Answer(Connect(fd, Inet("127.0.0.1", nobody))));
  Say("then", strerrorname_np(SocketError(fd)));
  const int six = socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 mapped = {};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
  Say("mapped", Answer(Connect(six, mapped)));
  Say("any", Answer(Connect(socket(AF_INET, SOCK_STREAM, 0), Inet("0.0.0.0", port))));
  const int taken = socket(AF_INET, SOCK_STREAM, 0);
  Say("in use", Answer(Bind(taken, Inet("127.0.0.1", port))));
  Say("listen", Answer(listen(taken, 5)));
  Say("not ours", Answer(Bind(taken, Inet("192.0.2.1", 0))));
  const int undo = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(Connect(undo, Inet("127.0.0.1", port)) == 0);
  sockaddr none = {};
  Say("undone", Answer(connect(undo, &none, sizeof(none))));
  Say("and made again", Answer(Connect(undo, Inet("127.0.0.1", port))));
  CHECK(send(undo, "x", 1, 0) == 1);
  Say("send with a name", Answer([&] {
        const sockaddr_in name = Inet("127.0.0.1", port);
        return sendto(undo, "y", 1, 0, reinterpret_cast<const sockaddr*>(&name), sizeof(name));
      }()));
}

// A listener whose queue is full answers no more: whoever connects waits.
void TcpWaitCases() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(Bind(listener, Inet("127.0.0.1", 0)) == 0 && listen(listener, 0) == 0);
  const sockaddr_in to = Inet("127.0.0.1", PortOf(listener));
  for (int i = 0; i < 3; ++i) {
    Connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), to);
    usleep(20000);
  }
  const int timed = socket(AF_INET, SOCK_STREAM, 0);
  const timeval timeout = {0, 300000};
  setsockopt(timed, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  Say("timed out", Answer(Connect(timed, to)));
  Say("still", Answer(Connect(timed, to)));
  const auto connect = [&] { return Answer(Connect(socket(AF_INET, SOCK_STREAM, 0), to)); };
  Say("interrupted", Interrupted(false, connect, [] {}));
  Say("restarted", Interrupted(true, connect, [&] {
        for (int i = 0; i < 2; ++i) CHECK(accept(listener, nullptr, nullptr) >= 0);
        fcntl(listener, F_SETFL, O_NONBLOCK);
        std::thread([listener] {
          for (int i = 0; i < 400; ++i) {
            accept(listener, nullptr, nullptr);
            usleep(10000);
          }
        }).detach();
      }));
}

void UdpCases() {
  const int server = socket(AF_INET, SOCK_DGRAM, 0);
  const int client = socket(AF_INET, SOCK_DGRAM, 0);
  CHECK(Bind(server, Inet("127.0.0.1", 0)) == 0);
  sockaddr_in to = Inet("127.0.0.1", PortOf(server));
  const auto send_to = [&](const sockaddr_in& address, size_t size) {
    const std::string data(size, 'u');
    return Answer(sendto(client, data.data(), size, 0, reinterpret_cast<const sockaddr*>(&address),
                         sizeof(address)));
  };
  SayBoth("send", send_to(to, 10), [&] { return Drain(server); });
  Say("too long", send_to(to, 70000));
  Say("empty", send_to(to, 0));
  Say("no bytes of an address",
      Answer(sendto(client, "x", 1, 0, reinterpret_cast<sockaddr*>(&to), 0)));
  to.sin_family = AF_UNSPEC;
  Say("unspecified", send_to(to, 7));
  to.sin_family = AF_INET;
  mmsghdr messages[3] = {};
  iovec pieces[3];
  for (int i = 0; i < 3; ++i) {
    pieces[i] = {const_cast<char*>("0123456789"), static_cast<size_t>(i + 1)};
    messages[i].msg_hdr.msg_name = &to;
    messages[i].msg_hdr.msg_namelen = sizeof(to);
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  Say("many", Answer(sendmmsg(client, messages, 3, 0)));
  Say("lengths", std::to_string(messages[0].msg_len) + std::to_string(messages[1].msg_len) +
                     std::to_string(messages[2].msg_len));
  messages[1].msg_hdr.msg_iov = reinterpret_cast<iovec*>(16);
  Say("up to a bad one", Answer(sendmmsg(client, messages, 3, 0)));
  Say("a bad one", Answer(sendmmsg(client, messages + 1, 2, 0)));
  SayBoth("connect", Answer(Connect(client, to)), [&] { return Answer(send(client, "c", 1, 0)); });
  Say("message", Answer(SendMessage(client, 4, 5, 0)));
}

}  // namespace socket_calls
