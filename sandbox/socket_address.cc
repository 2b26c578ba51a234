#include "sandbox/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace sessionctl {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
// What the kernel asks for at least: an address without its scope (SIN6_LEN_RFC2133).
constexpr size_t kShortestInet6 = 24;

template <typename T>
T Copy(std::string_view bytes) {
  T value = {};
  memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof(value)));
  return value;
}

void ReadInet(std::string_view bytes, SocketAddress* address) {
  if (bytes.size() < sizeof(sockaddr_in)) return;
  const auto inet = Copy<sockaddr_in>(bytes);
  std::array<uint8_t, 4> ip;
  memcpy(ip.data(), &inet.sin_addr, ip.size());
  address->kind = SocketAddress::Kind::kInet;
  address->ip = IpAddress::V4(ip);
  address->port = ntohs(inet.sin_port);
}

void ReadInet6(std::string_view bytes, SocketAddress* address) {
  if (bytes.size() < kShortestInet6) return;
  const auto inet = Copy<sockaddr_in6>(bytes);
  std::array<uint8_t, 16> ip;
  memcpy(ip.data(), &inet.sin6_addr, ip.size());
  address->kind = SocketAddress::Kind::kInet;
  address->ip = IpAddress::V6(ip);
  address->port = ntohs(inet.sin6_port);
}

// unix(7): the name ends with the length that was given, that of a file at its first NUL too.
void ReadUnix(std::string_view bytes, SocketAddress* address) {
  if (bytes.size() > sizeof(sockaddr_un)) return;
  const std::string_view name = bytes.substr(offsetof(sockaddr_un, sun_path));
  if (name.empty()) {
    address->kind = SocketAddress::Kind::kUnixUnnamed;
  } else if (name.front() == '\0') {
    address->kind = SocketAddress::Kind::kUnixAbstract;
  } else {
    address->kind = SocketAddress::Kind::kUnixPath;
    address->path = name.substr(0, name.find('\0'));
  }
}

}  // namespace

IpAddress IpAddress::V4(const std::array<uint8_t, 4>& bytes) {
  IpAddress ip;
  std::copy(bytes.begin(), bytes.end(), ip.bytes.begin());
  return ip;
}

IpAddress IpAddress::V6(const std::array<uint8_t, 16>& bytes) {
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin())) {
    return V4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  IpAddress ip;
  ip.v6 = true;
  ip.bytes = bytes;
  return ip;
}

std::optional<IpAddress> IpAddress::Parse(const std::string& text) {
  std::array<uint8_t, 4> v4;
  if (inet_pton(AF_INET, text.c_str(), v4.data()) == 1) return V4(v4);
  std::array<uint8_t, 16> v6;
  if (inet_pton(AF_INET6, text.c_str(), v6.data()) == 1) return V6(v6);
  return std::nullopt;
}

bool IpAddress::IsUnspecified() const {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

std::string IpAddress::Text() const {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof(text));
  return text;
}

std::string EndpointText(const IpAddress& ip, uint16_t port) {
  return ip.v6 ? absl::StrCat("[", ip.Text(), "]:", port) : absl::StrCat(ip.Text(), ":", port);
}

SocketAddress ReadSocketAddress(std::string_view bytes) {
  SocketAddress address;
  if (bytes.size() < sizeof(sa_family_t) || bytes.size() > sizeof(sockaddr_storage)) return address;
  address.family = Copy<sa_family_t>(bytes);
  switch (address.family) {
    case AF_INET: ReadInet(bytes, &address); break;
    case AF_INET6: ReadInet6(bytes, &address); break;
    case AF_UNIX: ReadUnix(bytes, &address); break;
    case AF_UNSPEC:
      ReadInet(bytes, &address);
      address.kind = SocketAddress::Kind::kUnspecified;
      break;
    default: address.kind = SocketAddress::Kind::kOther;
  }
  return address;
}

std::string SocketAddressText(std::string_view bytes) {
  const SocketAddress address = ReadSocketAddress(bytes);
  switch (address.kind) {
    case SocketAddress::Kind::kInet: return EndpointText(address.ip, address.port);
    case SocketAddress::Kind::kUnixPath: return address.path;
    case SocketAddress::Kind::kUnixAbstract:
      return absl::StrCat(
          "@", absl::CHexEscape(std::string(bytes.substr(offsetof(sockaddr_un, sun_path) + 1))));
    case SocketAddress::Kind::kOther: return absl::StrCat("family ", address.family);
    default: return "";
  }
}

void WriteOutLoopback(std::string* bytes) {
  const SocketAddress address = ReadSocketAddress(*bytes);
  if (address.kind != SocketAddress::Kind::kInet || !address.ip.IsUnspecified()) return;
  const in_addr_t loopback = htonl(INADDR_LOOPBACK);
  if (address.family == AF_INET) {
    memcpy(bytes->data() + offsetof(sockaddr_in, sin_addr), &loopback, sizeof(loopback));
    return;
  }
  char* const ip = bytes->data() + offsetof(sockaddr_in6, sin6_addr);
  if (address.ip.v6) {
    memcpy(ip, &in6addr_loopback, sizeof(in6addr_loopback));
  } else {  // ::ffff:0.0.0.0
    memcpy(ip + kMappedPrefix.size(), &loopback, sizeof(loopback));
  }
}

std::string UnixAddress(std::string_view path, bool ended) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string bytes(reinterpret_cast<const char*>(&address), offsetof(sockaddr_un, sun_path));
  bytes.append(path.substr(0, sizeof(address.sun_path)));
  if (ended || path.size() < sizeof(address.sun_path)) bytes.push_back('\0');
  return bytes;
}

}  // namespace sessionctl
