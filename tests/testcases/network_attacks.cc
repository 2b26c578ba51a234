// network_attacks ATTACK ARGS…: ways to an address that a policy does not allow. Says what it
// managed, one word a line; whether it got there is for the server to say. Ports: ALLOWED is one
// that the policy allows, FORBIDDEN one that it does not, both on 127.0.0.1.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

using Words = std::vector<std::string>;

void Say(const char* what, long result) {
  printf("%s %s\n", what, result >= 0 ? "OK" : strerrorname_np(errno));
  fflush(stdout);
}

uint16_t Port(const std::string& text) { return static_cast<uint16_t>(atoi(text.c_str())); }

sockaddr_in V4(const char* ip, uint16_t port, sa_family_t family = AF_INET) {
  sockaddr_in address = {};
  address.sin_family = family;
  address.sin_port = htons(port);
  inet_pton(AF_INET, ip, &address.sin_addr);
  return address;
}

sockaddr_in6 V6(const char* ip, uint16_t port) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  inet_pton(AF_INET6, ip, &address.sin6_addr);
  return address;
}

template <typename Address>
const sockaddr* Raw(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

template <typename Address>
long Connect(int family, const Address& address) {
  const int fd = socket(family, SOCK_STREAM, 0);
  const long result = fd < 0 ? -1 : connect(fd, Raw(address), sizeof(address));
  const int error = errno;
  close(fd);
  errno = error;
  return result;
}

template <typename Address>
long SendTo(int family, const Address& address, int flags = 0, int type = SOCK_DGRAM) {
  const int fd = socket(family, type, 0);
  const long result = fd < 0 ? -1 : sendto(fd, "x", 1, flags, Raw(address), sizeof(address));
  const int error = errno;
  usleep(20000);
  close(fd);
  errno = error;
  return result;
}

template <typename Address>
msghdr Message(Address* address, iovec* piece) {
  msghdr message = {};
  *piece = {const_cast<char*>("x"), 1};
  message.msg_name = address;
  message.msg_namelen = sizeof(*address);
  message.msg_iov = piece;
  message.msg_iovlen = 1;
  return message;
}

long SendMessage(uint16_t port, int type, int flags) {
  sockaddr_in address = V4("127.0.0.1", port);
  iovec piece;
  const msghdr message = Message(&address, &piece);
  const int fd = socket(AF_INET, type, 0);
  const long result = fd < 0 ? -1 : sendmsg(fd, &message, flags);
  usleep(20000);
  return result;
}

// The last of three goes to the forbidden port.
long SendMany(uint16_t allowed, uint16_t forbidden) {
  sockaddr_in addresses[3] = {V4("127.0.0.1", allowed), V4("127.0.0.1", allowed),
                              V4("127.0.0.1", forbidden)};
  iovec pieces[3];
  mmsghdr messages[3] = {};
  for (int i = 0; i < 3; ++i) messages[i].msg_hdr = Message(&addresses[i], &pieces[i]);
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int sent = fd < 0 ? -1 : sendmmsg(fd, messages, 3, 0);
  printf("messages %d\n", sent);
  return sent;
}

void Spellings(const Words& words) {
  const uint16_t port = Port(words[2]);
  Say("connect", Connect(AF_INET, V4("127.0.0.1", port)));
  Say("other-loopback", Connect(AF_INET, V4("127.0.0.2", port)));
  Say("any", Connect(AF_INET, V4("0.0.0.0", port)));
  Say("mapped", Connect(AF_INET6, V6("::ffff:127.0.0.1", port)));
  Say("mapped-any", Connect(AF_INET6, V6("::ffff:0.0.0.0", port)));
  Say("any6", Connect(AF_INET6, V6("::", port)));
  Say("fastopen", SendTo(AF_INET, V4("127.0.0.1", port), MSG_FASTOPEN, SOCK_STREAM));
  Say("fastopen6", SendTo(AF_INET6, V6("::ffff:127.0.0.1", port), MSG_FASTOPEN, SOCK_STREAM));
  Say("fastopen-message", SendMessage(port, SOCK_STREAM, MSG_FASTOPEN));
}

void Datagrams(const Words& words) {
  const uint16_t allowed = Port(words[1]);
  const uint16_t port = Port(words[2]);
  Say("sendto", SendTo(AF_INET, V4("127.0.0.1", port)));
  Say("any", SendTo(AF_INET, V4("0.0.0.0", port)));
  Say("mapped", SendTo(AF_INET6, V6("::ffff:127.0.0.1", port)));
  Say("v4-on-v6", SendTo(AF_INET6, V4("127.0.0.1", port)));
  Say("unspecified", SendTo(AF_INET, V4("127.0.0.1", port, AF_UNSPEC)));
  Say("sendmsg", SendMessage(port, SOCK_DGRAM, 0));
  SendMany(allowed, port);
  const int connected = socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in first = V4("127.0.0.1", allowed);
  const sockaddr_in second = V4("127.0.0.1", port);
  Say("connected", connect(connected, Raw(first), sizeof(first)));
  Say("elsewhere", sendto(connected, "x", 1, 0, Raw(second), sizeof(second)));
}

void Reconnect(const Words& words) {
  const sockaddr_in allowed = V4("127.0.0.1", Port(words[1]));
  const sockaddr_in forbidden = V4("127.0.0.1", Port(words[2]));
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  Say("allowed", connect(fd, Raw(allowed), sizeof(allowed)));
  const sockaddr none = {};
  Say("undone", connect(fd, &none, sizeof(none)));
  Say("forbidden", connect(fd, Raw(forbidden), sizeof(forbidden)));
}

// A socket of an accomplice in the same session.
void Passed(const Words& words) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return;
  char buffer[CMSG_SPACE(sizeof(int))] = {};
  iovec piece = {buffer, 1};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = buffer;
  message.msg_controllen = sizeof(buffer);
  if (fork() == 0) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    *header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    char byte = 0;
    piece = {&byte, 1};
    _exit(sendmsg(pair[1], &message, 0) == 1 ? 0 : 1);
  }
  char byte;
  piece = {&byte, 1};
  Say("received", recvmsg(pair[0], &message, 0));
  int fd = -1;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
  const sockaddr_in forbidden = V4("127.0.0.1", Port(words[2]));
  Say("connect", connect(fd, Raw(forbidden), sizeof(forbidden)));
}

void Listening(const Words& words) {
  const int unbound = socket(AF_INET, SOCK_STREAM, 0);
  Say("listen-unbound", listen(unbound, 5));
  const int everywhere = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in any = V4("0.0.0.0", Port(words[2]));
  Say("bind-everywhere", bind(everywhere, Raw(any), sizeof(any)));
  const int other = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in port = V4("127.0.0.1", Port(words[2]));
  Say("bind-other-port", bind(other, Raw(port), sizeof(port)));
  // A port that connect chose, then given up.
  const int given_up = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in allowed = V4("127.0.0.1", Port(words[1]));
  Say("connect-allowed", connect(given_up, Raw(allowed), sizeof(allowed)));
  const sockaddr none = {};
  connect(given_up, &none, sizeof(none));
  Say("listen-given-up", listen(given_up, 5));
}

void Families(const Words&) {
  struct Kind {
    const char* name;
    int family, type, protocol;
  };
  constexpr Kind kKinds[] = {{"inet", AF_INET, SOCK_STREAM, 0},
                             {"inet6", AF_INET6, SOCK_DGRAM, 0},
                             {"raw", AF_INET, SOCK_RAW, IPPROTO_ICMP},
                             {"packet", AF_PACKET, SOCK_RAW, 0},
                             {"netlink", AF_NETLINK, SOCK_RAW, 0},
                             {"generic", AF_NETLINK, SOCK_RAW, NETLINK_GENERIC},
                             {"vsock", AF_VSOCK, SOCK_STREAM, 0},
                             {"alg", AF_ALG, SOCK_SEQPACKET, 0},
                             {"mptcp", AF_INET, SOCK_STREAM, 262},
                             {"udplite", AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE},
                             {"sctp", AF_INET, SOCK_STREAM, IPPROTO_SCTP}};
  for (const Kind& kind : kKinds) Say(kind.name, socket(kind.family, kind.type, kind.protocol));
}

void SourceRoute(const Words&) {
  const unsigned char route[] = {131, 7, 4, 127, 0, 0, 2, 0};  // LSRR
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  Say("source-route", setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof(route)));
  // The same option without a route in it, which everybody may set.
  const unsigned char record[] = {7, 7, 4, 0, 0, 0, 0, 0};
  Say("ip-options", setsockopt(fd, IPPROTO_IP, IP_OPTIONS, record, sizeof(record)));
  ip_mreqn group = {};
  group.imr_multiaddr.s_addr = htonl(0xe0000123);
  group.imr_address.s_addr = htonl(INADDR_LOOPBACK);
  const int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
  Say("join-group", setsockopt(datagrams, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)));
}

sockaddr_un Unix(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

void UnixSockets(const Words& words) {
  for (size_t i = 1; i < words.size(); ++i) {
    const bool abstract = words[i][0] == '@';
    sockaddr_un address = Unix(words[i]);
    if (abstract) address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + words[i].size());
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    Say("connect", connect(fd, Raw(address), size));
    const int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
    Say("sendto", datagram < 0 ? -1 : sendto(datagram, "x", 1, 0, Raw(address), size));
  }
}

// ---- Races: one thread calls, another one changes what the call points at. ----

std::atomic<bool> racing = true;

void Race(double seconds, const std::function<void()>& change, const std::function<long()>& call) {
  std::thread attacker([&] {
    while (racing) change();
  });
  timespec start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  long attempts = 0;
  long successes = 0;
  for (;;) {
    ++attempts;
    if (call() >= 0) ++successes;
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double passed = static_cast<double>(now.tv_sec - start.tv_sec) +
                          static_cast<double>(now.tv_nsec - start.tv_nsec) / 1e9;
    if (passed > seconds) break;
  }
  racing = false;
  attacker.join();
  printf("attempts %ld\nsuccesses %ld\n", attempts, successes);
}

// Lets a change be seen: neither the compiler nor the next change takes it away at once.
void Linger() {
  asm volatile("" ::: "memory");
  for (volatile int pause = 0; pause < 300;) pause = pause + 1;
}

// race KIND ALLOWED FORBIDDEN SECONDS: the port changes.
void RaceOnThePort(const Words& words) {
  static sockaddr_in address = V4("127.0.0.1", Port(words[2]));
  volatile in_port_t* const port = &address.sin_port;
  const in_port_t allowed = htons(Port(words[2]));
  const in_port_t forbidden = htons(Port(words[3]));
  const auto change = [=] {
    for (const in_port_t one : {forbidden, allowed}) {
      *port = one;
      Linger();
    }
  };
  static iovec piece;
  static msghdr message = Message(&address, &piece);
  static mmsghdr messages[2];
  messages[0].msg_hdr = messages[1].msg_hdr = message;
  const int datagram = socket(AF_INET, SOCK_DGRAM, 0);
  const std::map<std::string, std::function<long()>> calls = {
      {"connect",
       [] {
         const int fd = socket(AF_INET, SOCK_STREAM, 0);
         // No TIME_WAIT: a race makes many.
         const linger none = {1, 0};
         setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
         const long result = connect(fd, Raw(address), sizeof(address));
         close(fd);
         return result;
       }},
      {"sendto",
       [=]() -> long { return sendto(datagram, "x", 1, 0, Raw(address), sizeof(address)); }},
      {"sendmsg", [=]() -> long { return sendmsg(datagram, &message, 0); }},
      {"sendmmsg", [=]() -> long { return sendmmsg(datagram, messages, 2, 0); }}};
  Race(atof(words[4].c_str()), change, calls.at(words[1]));
}

// race-path ALLOWED OUTSIDE SECONDS: the bytes of the path change.
void RaceOnThePath(const Words& words) {
  static sockaddr_un address = Unix(words[1]);
  const sockaddr_un allowed = Unix(words[1]);
  const sockaddr_un outside = Unix(words[2]);
  const auto change = [=] {
    for (const sockaddr_un& one : {outside, allowed}) {
      memcpy(&address, &one, sizeof(address));
      Linger();
    }
  };
  Race(atof(words[3].c_str()), change, [] { return Connect(AF_UNIX, address); });
}

// race-link ALLOWED OUTSIDE SECONDS: a symbolic link changes between the two.
void RaceOnALink(const Words& words) {
  unlink("raced");
  symlink(words[1].c_str(), "raced");
  symlink(words[2].c_str(), "other");
  const auto change = [] { syscall(SYS_renameat2, AT_FDCWD, "raced", AT_FDCWD, "other", 2); };
  Race(atof(words[3].c_str()), change, [] { return Connect(AF_UNIX, Unix("raced")); });
}

// race-bind OUTSIDE SECONDS: the directory of the new socket is exchanged for a link to OUTSIDE.
// Looking is free, so it sees itself whether a socket came to be there.
void RaceOnADirectory(const Words& words) {
  mkdir("real", 0755);
  symlink(words[1].c_str(), "swap");
  static const std::string outside = words[1] + "/socket";
  static const std::string path = [] {
    char here[4096];
    return std::string(getcwd(here, sizeof(here))) + "/real/socket";
  }();
  static long escapes = 0;
  const auto change = [] { syscall(SYS_renameat2, AT_FDCWD, "real", AT_FDCWD, "swap", 2); };
  Race(atof(words[2].c_str()), change, [] {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un address = Unix(path);
    const long result = bind(fd, Raw(address), sizeof(address));
    close(fd);
    if (access(outside.c_str(), F_OK) == 0) ++escapes;
    for (const char* name : {"real/socket", "swap/socket", outside.c_str()}) unlink(name);
    return result;
  });
  printf("escapes %ld\n", escapes);
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)(const Words&)> attacks = {
      {"spellings", Spellings},      {"datagrams", Datagrams},
      {"reconnect", Reconnect},      {"passed", Passed},
      {"listening", Listening},      {"families", Families},
      {"source-route", SourceRoute}, {"unix", UnixSockets},
      {"race", RaceOnThePort},       {"race-path", RaceOnThePath},
      {"race-link", RaceOnALink},    {"race-bind", RaceOnADirectory}};
  if (argc < 2) return 2;
  const Words words(argv + 1, argv + argc);
  attacks.at(words[0])(words);
  return 0;
}
