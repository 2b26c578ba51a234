// Socket files: made, connected to, waited for.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/testcases/check.h"
#include "tests/testcases/socket_calls.h"

namespace socket_calls {
namespace {

std::string UnixName(int fd) {
  sockaddr_un address = {};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return std::string(address.sun_path) + " " + std::to_string(size);
}

// Without the directory, which is another one each time.
std::string Shown(std::string text) {
  char here[4096];
  const std::string directory = getcwd(here, sizeof(here)) != nullptr ? here : "";
  const size_t at = text.find(directory);
  if (!directory.empty() && at != std::string::npos) {
    text.replace(at, directory.size(), "HERE");
    text.resize(text.rfind(' '));  // its length differs, too
  }
  return text;
}

std::string Here(const std::string& name) {
  char here[4096];
  return std::string(getcwd(here, sizeof(here))) + "/" + name;
}

int Listener(const std::string& path, int backlog) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(Bind(fd, Unix(path)) == 0);
  CHECK(listen(fd, backlog) == 0);
  return fd;
}

void BindUnix() {
  umask(027);
  mkdir("sub", 0755);
  symlink("sub", "link");
  for (const std::string& path :
       {std::string("plain"), std::string("./dotted"), std::string("sub/below"),
        std::string("link/behind"), Here("absolute"), Here("sub/../detour")}) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    SayBoth("bind", Answer(Bind(fd, Unix(path))), [&] { return Shown(UnixName(fd)); });
    struct stat info = {};
    stat(path.c_str(), &info);
    Say("mode", std::to_string(info.st_mode));
    Say("again", Answer(Bind(fd, Unix(path))));
    close(fd);
    const int second = socket(AF_UNIX, SOCK_STREAM, 0);
    Say("in use", Answer(Bind(second, Unix(path))));
    close(second);
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  for (const char* path : {"no/such", "plain/below", "sub", "sub/", "new/", ".", "..", "link"}) {
    Say(path, Answer(Bind(fd, Unix(path))));
  }
  const sockaddr_un address = Unix("short");
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  for (const socklen_t size : {0U, 1U, 111U, 129U, 0x80000000U}) {
    Say("length", std::to_string(size) + " " + Answer(bind(fd, raw, size)));
  }
  SayBoth("cut", Answer(bind(fd, raw, 5)), [&] { return UnixName(fd); });
  Say("null", Answer(bind(socket(AF_UNIX, SOCK_STREAM, 0), nullptr, 16)));
  Say("no socket", Answer(bind(open(".", O_RDONLY), raw, sizeof(address))));
  Say("no descriptor", Answer(bind(999, raw, sizeof(address))));
  const int long_one = socket(AF_UNIX, SOCK_STREAM, 0);
  Say("108 bytes", Answer(Bind(long_one, Unix(std::string(108, 'l')))));
}

void NameUnix() {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(Bind(fd, Unix("sub/named")) == 0);
  sockaddr_un address = {};
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  for (const int room : {0, 1, 5, 12, 110, 1000, -1}) {
    memset(&address, 'x', sizeof(address));
    auto length = static_cast<socklen_t>(room);
    SayBoth("room", std::to_string(room) + " " + Answer(getsockname(fd, raw, &length)), [&] {
      return std::to_string(static_cast<int>(length)) + " " +
             std::string(address.sun_path, sizeof("sub/named"));
    });
  }
  socklen_t length = sizeof(address);
  Say("no length", Answer(getsockname(fd, raw, nullptr)));
  Say("no room", Answer(getsockname(fd, nullptr, &length)));
  Say("no socket", Answer(getsockname(open(".", O_RDONLY), raw, &length)));
  Say("no descriptor", Answer(getsockname(999, raw, &length)));
  length = sizeof(address);
  SayBoth("no name", Answer(getsockname(socket(AF_UNIX, SOCK_STREAM, 0), raw, &length)),
          [&] { return std::to_string(length); });
}

void ConnectUnix() {
  const int listener = Listener("server", 5);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  Say("missing", Answer(Connect(fd, Unix("nobody"))));
  Say("file", Answer(Connect(fd, Unix("socket_calls"))));
  Say("connect", Answer(Connect(fd, Unix("server"))));
  Say("twice", Answer(Connect(fd, Unix("server"))));
  const int accepted = accept(listener, nullptr, nullptr);
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
  CHECK(credentials.uid == getuid() && credentials.gid == getgid());
  size = sizeof(credentials);
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
  CHECK(credentials.uid == getuid() && credentials.pid == getpid());
  CHECK(write(fd, "x", 1) == 1);
  char byte;
  CHECK(read(accepted, &byte, 1) == 1 && byte == 'x');
  Say("type", Answer(Connect(socket(AF_UNIX, SOCK_SEQPACKET, 0), Unix("server"))));
  close(listener);
  Say("nobody listens", Answer(Connect(socket(AF_UNIX, SOCK_STREAM, 0), Unix("server"))));
  sockaddr_in inet = {};
  inet.sin_family = AF_INET;
  Say("family", Answer(Connect(socket(AF_UNIX, SOCK_STREAM, 0), inet)));
  sockaddr_un abstract = {};
  abstract.sun_family = AF_UNIX;
  snprintf(abstract.sun_path + 1, 40, "socket_calls.%d", getpid());
  const int name = socket(AF_UNIX, SOCK_STREAM, 0);
  SayBoth("abstract", Answer(Bind(name, abstract)), [&] { return Answer(listen(name, 1)); });
  Say("to abstract", Answer(Connect(socket(AF_UNIX, SOCK_STREAM, 0), abstract)));
  const int unnamed = socket(AF_UNIX, SOCK_STREAM, 0);
  Say("autobind", Answer(bind(unnamed, reinterpret_cast<sockaddr*>(&abstract), 2)));
}

// A listener that never accepts, with a full backlog.
struct FullListener {
  int fd;
  FullListener() : fd(Listener("full", 0)) {
    CHECK(Connect(socket(AF_UNIX, SOCK_STREAM, 0), Unix("full")) == 0);
  }
};

double Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

void UnixCases() {
  BindUnix();
  NameUnix();
  ConnectUnix();
}

void UnixWaitCases() {
  const FullListener full;
  Say("would block",
      Answer(Connect(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), Unix("full"))));
  const int timed = socket(AF_UNIX, SOCK_STREAM, 0);
  const timeval timeout = {0, 300000};
  setsockopt(timed, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  const double started = Now();
  Say("timed out", Answer(Connect(timed, Unix("full"))));
  CHECK(Now() - started >= 0.3);
  // Many that wait at once, and calls that are served meanwhile.
  std::vector<std::thread> waiting;
  std::atomic<int> connected = 0;
  for (int i = 0; i < 200; ++i) {
    waiting.emplace_back([&] {
      if (Connect(socket(AF_UNIX, SOCK_STREAM, 0), Unix("full")) == 0) ++connected;
    });
  }
  usleep(200000);
  CHECK(connected == 0);
  for (int i = 0; i < 200; ++i) CHECK(mkdir("served", 0755) == 0 && rmdir("served") == 0);
  for (int i = 0; i < 201; ++i) CHECK(accept(full.fd, nullptr, nullptr) >= 0);
  for (std::thread& thread : waiting) thread.join();
  Say("all connected", std::to_string(connected));
}

void UnixSignalCases() {
  const FullListener full;
  const auto connect = [](bool timed) {
    return [timed] {
      const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
      const timeval timeout = {60, 0};
      if (timed) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
      return Answer(Connect(fd, Unix("full")));
    };
  };
  const auto release = [&] { CHECK(accept(full.fd, nullptr, nullptr) >= 0); };
  const auto nothing = [] {};
  Say("interrupted", Interrupted(false, connect(false), nothing));
  Say("restarted", Interrupted(true, connect(false), release));
  Say("timed, interrupted", Interrupted(false, connect(true), nothing));
  // A child that waits is killed.
  const pid_t child = fork();
  if (child == 0) _exit(Connect(socket(AF_UNIX, SOCK_STREAM, 0), Unix("full")) == 0 ? 0 : 1);
  usleep(100000);
  kill(child, SIGKILL);
  CHECK(KilledBy(AwaitChild(child), SIGKILL));
  Say("killed", "yes");
}

void DatagramCases() {
  const int server = socket(AF_UNIX, SOCK_DGRAM, 0);
  const int client = socket(AF_UNIX, SOCK_DGRAM, 0);
  CHECK(Bind(server, Unix(Here("datagrams"))) == 0);
  CHECK(Bind(client, Unix(Here("client"))) == 0);
  const sockaddr_un to = Unix("datagrams");
  const auto send_to = [&](int fd, const sockaddr_un& address, size_t size, int flags = 0) {
    const std::string data(size, 'd');
    return Answer(sendto(fd, data.data(), data.size(), flags,
                         reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
  };
  Say("send", send_to(client, to, 5));
  char data[100];
  sockaddr_un from = {};
  socklen_t size = sizeof(from);
  Say("received",
      Answer(recvfrom(server, data, sizeof(data), 0, reinterpret_cast<sockaddr*>(&from), &size)));
  Say("from", Shown(std::string(from.sun_path) + " "));
  Say("answer", send_to(server, from, 3));
  Say("missing", send_to(client, Unix("nobody"), 1));
  Say("no socket", send_to(client, Unix("socket_calls"), 1));
  Say("empty", send_to(client, to, 0));
  Say("too long", send_to(client, to, 2 << 20));
  while (recv(server, data, sizeof(data), MSG_DONTWAIT) >= 0) {
  }
  std::string answer;
  for (int i = 0; i < 1000 && answer != "EAGAIN"; ++i)
    answer = send_to(client, to, 1, MSG_DONTWAIT);
  Say("full", answer);
  Say("interrupted", Interrupted(
                         false, [&] { return send_to(client, to, 1); }, [] {}));
  Say("goes on", Interrupted(
                     true, [&] { return send_to(client, to, 1); },
                     [&] {
                       while (recv(server, data, sizeof(data), MSG_DONTWAIT) >= 0) {
                       }
                     }));
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  Say("pair", Answer(send(pair[0], "x", 1, 0)));
  SayBoth("connect", Answer(Connect(client, to)), [&] { return Answer(send(client, "y", 1, 0)); });
  sockaddr none = {};
  SayBoth("disconnect", Answer(connect(client, &none, sizeof(none))),
          [&] { return Answer(send(client, "y", 1, 0)); });
}

}  // namespace socket_calls
