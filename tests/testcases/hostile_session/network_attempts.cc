// Against addresses and socket files that no policy names: what "outside" listens on (bystander.h),
// the host's kernel by other families, and being reached from elsewhere.
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>

#include "tests/testcases/hostile_session/tables.h"

namespace hostile {
namespace {

sockaddr_in Loopback(long port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// The same as IPv6 writes it.
sockaddr_in6 Mapped(long port) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr);
  return address;
}

template <typename Address>
Answer ConnectTo(int family, const Address& address) {
  const int fd = socket(family, SOCK_STREAM, 0);
  if (fd < 0) return HeldBy(errno);
  return Of(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

template <typename Address>
Answer SendTo(int family, int type, const Address& address, int flags) {
  const int fd = socket(family, type, 0);
  if (fd < 0) return HeldBy(errno);
  return Of(
      sendto(fd, "x", 1, flags, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

bool Missing(const Scene& scene, const char* what) { return scene.Number(what) <= 0; }
constexpr char kTcp[] = "outside.tcp";
constexpr char kUdp[] = "outside.udp";
constexpr char kNoServer[] = "the bystander has none";

Answer TcpConnected(const Scene& scene, const Target&) {
  return Missing(scene, kTcp) ? Absent(kNoServer)
                              : ConnectTo(AF_INET, Loopback(scene.Number(kTcp)));
}
Answer TcpConnectedAsIpv6(const Scene& scene, const Target&) {
  return Missing(scene, kTcp) ? Absent(kNoServer) : ConnectTo(AF_INET6, Mapped(scene.Number(kTcp)));
}
Answer TcpFastOpened(const Scene& scene, const Target&) {
  if (Missing(scene, kTcp)) return Absent(kNoServer);
  return SendTo(AF_INET, SOCK_STREAM, Loopback(scene.Number(kTcp)), MSG_FASTOPEN);
}
Answer UdpSent(const Scene& scene, const Target&) {
  if (Missing(scene, kUdp)) return Absent(kNoServer);
  return SendTo(AF_INET, SOCK_DGRAM, Loopback(scene.Number(kUdp)), 0);
}
Answer UdpSentAsIpv6(const Scene& scene, const Target&) {
  if (Missing(scene, kUdp)) return Absent(kNoServer);
  return SendTo(AF_INET6, SOCK_DGRAM, Mapped(scene.Number(kUdp)), 0);
}
Answer UdpConnected(const Scene& scene, const Target&) {
  if (Missing(scene, kUdp)) return Absent(kNoServer);
  const sockaddr_in address = Loopback(scene.Number(kUdp));
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) return HeldBy(errno);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return HeldBy(errno);
  }
  return Of(send(fd, "x", 1, 0));
}
Answer UdpSentAmongMany(const Scene& scene, const Target&) {
  if (Missing(scene, kUdp)) return Absent(kNoServer);
  sockaddr_in address = Loopback(scene.Number(kUdp));
  char byte = 'x';
  iovec piece = {&byte, 1};
  mmsghdr message = {};
  message.msg_hdr.msg_name = &address;
  message.msg_hdr.msg_namelen = sizeof(address);
  message.msg_hdr.msg_iov = &piece;
  message.msg_hdr.msg_iovlen = 1;
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  return fd < 0 ? HeldBy(errno) : Of(sendmmsg(fd, &message, 1, 0));
}

// The accomplice in the sibling's own mount (the one of "outside" lies in the session's).
Answer SocketFile(const Scene& scene, const Target&) {
  const std::string path = scene.Get("sibling.accomplice");
  if (path.empty()) return Absent(kNoServer);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof(address.sun_path), "%s", path.c_str());
  return ConnectTo(AF_UNIX, address);
}

Answer ListenedEverywhere(const Scene&, const Target&) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return HeldBy(errno);
  sockaddr_in any = Loopback(0);
  any.sin_addr.s_addr = htonl(INADDR_ANY);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) != 0) return HeldBy(errno);
  return Of(listen(fd, 1));
}
Answer ListenedUnbound(const Scene&, const Target&) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return fd < 0 ? HeldBy(errno) : Of(listen(fd, 1));
}

template <int kFamily, int kType, int kProtocol>
Answer Made(const Scene&, const Target&) {
  return Of(socket(kFamily, kType, kProtocol));
}

}  // namespace

std::vector<Attempt> NetworkAttempts() {
  constexpr auto kFamily = "network";
  constexpr auto kNone = Against::kNone;
  return {
      {kFamily, "TCP connect", Bare::kAlways, kNone, TcpConnected},
      {kFamily, "TCP connect, IPv4-mapped", Bare::kAlways, kNone, TcpConnectedAsIpv6},
      {kFamily, "TCP with MSG_FASTOPEN", Bare::kDepends, kNone, TcpFastOpened},
      {kFamily, "UDP sendto", Bare::kAlways, kNone, UdpSent},
      {kFamily, "UDP sendto, IPv4-mapped", Bare::kAlways, kNone, UdpSentAsIpv6},
      {kFamily, "UDP connect and send", Bare::kAlways, kNone, UdpConnected},
      {kFamily, "UDP sendmmsg", Bare::kAlways, kNone, UdpSentAmongMany},
      {kFamily, "a socket file in another mount", Bare::kAlways, kNone, SocketFile},
      {kFamily, "listening on every address", Bare::kAlways, kNone, ListenedEverywhere},
      {kFamily, "listening without bind", Bare::kAlways, kNone, ListenedUnbound},
      {kFamily, "AF_NETLINK, the host's sockets", Bare::kAlways, kNone,
       Made<AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG>},
      {kFamily, "AF_NETLINK, uevents", Bare::kAlways, kNone,
       Made<AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT>},
      {kFamily, "AF_NETLINK, generic", Bare::kAlways, kNone,
       Made<AF_NETLINK, SOCK_RAW, NETLINK_GENERIC>},
      {kFamily, "AF_INET, SOCK_RAW", Bare::kRoot, kNone, Made<AF_INET, SOCK_RAW, IPPROTO_ICMP>},
      {kFamily, "AF_INET, SOCK_PACKET", Bare::kDepends, kNone, Made<AF_INET, SOCK_PACKET, 0>},
      {kFamily, "AF_PACKET", Bare::kDepends, kNone, Made<AF_PACKET, SOCK_RAW, 0>},
      {kFamily, "AF_VSOCK", Bare::kDepends, kNone, Made<AF_VSOCK, SOCK_STREAM, 0>},
      {kFamily, "AF_ALG", Bare::kDepends, kNone, Made<AF_ALG, SOCK_SEQPACKET, 0>},
      {kFamily, "AF_BLUETOOTH", Bare::kDepends, kNone, Made<AF_BLUETOOTH, SOCK_RAW, 1>},
  };
}

}  // namespace hostile
