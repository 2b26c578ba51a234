// Socket addresses as a caller wrote them, read once and without looking anything up: which family,
// which IP address and port, which name of a UNIX socket. Pure functions; any thread.
#ifndef SANDBOX_SOCKET_ADDRESS_H_
#define SANDBOX_SOCKET_ADDRESS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sessionctl {

// An IPv4 or IPv6 address. There is one value for one destination: an IPv4-mapped IPv6 address
// (::ffff:a.b.c.d) is the IPv4 address (trap 48).
struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes = {};  // of an IPv4 address the first four

  // Normalizes the mapped form.
  static IpAddress V6(const std::array<uint8_t, 16>& bytes);
  static IpAddress V4(const std::array<uint8_t, 4>& bytes);
  // As inet_pton(3) reads it: no short, octal or hexadecimal IPv4 forms.
  static std::optional<IpAddress> Parse(const std::string& text);

  bool IsUnspecified() const;  // 0.0.0.0 or ::
  size_t Bits() const { return v6 ? 128 : 32; }
  std::string Text() const;
  bool operator==(const IpAddress&) const = default;
};

// "10.0.0.1:80", "[::1]:80".
std::string EndpointText(const IpAddress& ip, uint16_t port);

struct SocketAddress {
  enum class Kind {
    kMalformed,     // too short or too long for its family; the kernel answers EINVAL
    kUnspecified,   // AF_UNSPEC: connect(2) undoes a connection by it
    kInet,          // AF_INET, AF_INET6
    kUnixPath,      // a socket file
    kUnixAbstract,  // a name that begins with NUL
    kUnixUnnamed,   // AF_UNIX and nothing else: bind(2) chooses an abstract name
    kOther,         // another family
  };
  Kind kind = Kind::kMalformed;
  int family = 0;
  IpAddress ip;  // of kInet, and of AF_UNSPEC in the shape of AF_INET (udp_sendmsg takes it so)
  uint16_t port = 0;  // likewise
  std::string path;   // of kUnixPath
};

// `bytes` is what the caller gave, at most sizeof(sockaddr_storage).
SocketAddress ReadSocketAddress(std::string_view bytes);

// For messages and the audit: "10.0.0.1:80", "/run/x.sock", "@name".
std::string SocketAddressText(std::string_view bytes);

// As a destination the kernel takes 0.0.0.0 and :: for loopback, or for the address that the socket
// is bound to. Written out, they mean loopback only. Changes nothing else.
void WriteOutLoopback(std::string* bytes);

// The address of a socket file by `path`, which may fill sun_path (108 bytes) and is cut there. The
// kernel tells one with a NUL behind it even then (`ended`).
std::string UnixAddress(std::string_view path, bool ended = false);

}  // namespace sessionctl

#endif  // SANDBOX_SOCKET_ADDRESS_H_
