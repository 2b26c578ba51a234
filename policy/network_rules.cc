#include "policy/network_rules.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/strings/numbers.h"

namespace sessionctl {
namespace {

constexpr size_t kMaxHostName = 253;  // RFC 1035

absl::Status Wrong(const std::string& what) { return absl::InvalidArgumentError(what); }

bool ReadNumber(std::string_view text, int maximum, int* number) {
  const bool digits = !text.empty() && text.size() <= 5 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return isdigit(c) != 0; });
  return digits && absl::SimpleAtoi(std::string(text), number) && *number <= maximum;
}

absl::Status ParsePorts(std::string_view text, PortRange* ports) {
  if (text == "*") return absl::OkStatus();
  const size_t dash = text.find('-');
  int first;
  int last;
  if (!ReadNumber(text.substr(0, dash), 65535, &first)) return Wrong("is not a port");
  if (dash == std::string_view::npos) {
    last = first;
  } else if (!ReadNumber(text.substr(dash + 1), 65535, &last) || last < first || first == 0) {
    return Wrong("is not a range of ports");
  }
  *ports = {static_cast<uint16_t>(first), static_cast<uint16_t>(last)};
  return absl::OkStatus();
}

// A name that getaddrinfo(3) would read as an address in some older form ("127.1", "0x7f000001").
bool LooksLikeAnAddress(const std::string& host) {
  const size_t dot = host.rfind('.');
  const std::string last = dot == std::string::npos ? host : host.substr(dot + 1);
  if (last.starts_with("0x") || last.starts_with("0X")) return true;
  return std::all_of(last.begin(), last.end(), [](char c) { return isdigit(c) != 0; });
}

absl::Status CheckHostName(const std::string& host) {
  if (host.size() > kMaxHostName) return Wrong("is longer than a host name");
  const bool plain = std::all_of(host.begin(), host.end(), [](char c) {
    return isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (!plain || host.front() == '-' || host.front() == '.') return Wrong("is not a host name");
  if (LooksLikeAnAddress(host)) return Wrong("is not an address");
  return absl::OkStatus();
}

bool HasBitsBeyond(const IpAddress& ip, size_t prefix) {
  for (size_t bit = prefix; bit < ip.Bits(); ++bit) {
    if ((ip.bytes.at(bit / 8) >> (7 - bit % 8) & 1) != 0) return true;
  }
  return false;
}

// Is `host` (with its prefix) what it says? An IPv4-mapped network is the IPv4 one.
absl::Status CheckHost(NetworkRuleText* rule) {
  if (rule->host.empty()) return absl::OkStatus();
  std::optional<IpAddress> ip = IpAddress::Parse(rule->host);
  if (!ip.has_value()) {
    if (rule->prefix >= 0) return Wrong("a host name has no prefix length");
    return CheckHostName(rule->host);
  }
  const bool mapped = !ip->v6 && rule->host.find(':') != std::string::npos;
  if (rule->prefix < 0) return absl::OkStatus();
  if (mapped) rule->prefix -= 96;
  if (rule->prefix < 0 || static_cast<size_t>(rule->prefix) > ip->Bits()) {
    return Wrong("has a prefix length out of range");
  }
  if (HasBitsBeyond(*ip, static_cast<size_t>(rule->prefix))) {
    return Wrong("has bits beyond its prefix length");
  }
  return absl::OkStatus();
}

absl::Status SplitPrefix(std::string_view text, NetworkRuleText* rule) {
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos && !ReadNumber(text.substr(slash + 1), 128, &rule->prefix)) {
    return Wrong("has no prefix length behind its slash");
  }
  rule->host = text.substr(0, slash);
  return absl::OkStatus();
}

// The host and its prefix go to `rule`, what stands behind the colon to `ports`.
absl::Status SplitHost(std::string_view text, NetworkRuleText* rule,
                       std::optional<std::string_view>* ports) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return Wrong("has no ]");
    std::string_view rest = text.substr(end + 1);
    std::string host(text.substr(1, end - 1));
    const size_t colon = rest.find(':');
    if (colon != 0 && !rest.empty() && rest.front() != '/') return Wrong("goes on behind its ]");
    host += rest.substr(0, colon);  // [2001:db8::]/32
    if (colon != std::string_view::npos) *ports = rest.substr(colon + 1);
    if (host.find(':') == std::string::npos) return Wrong("has no IPv6 address in its brackets");
    return SplitPrefix(host, rule);
  }
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find(':') == colon) {
    *ports = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  return SplitPrefix(text, rule);
}

absl::StatusOr<NetworkRuleText> ParseRule(const std::string& text, bool listen) {
  NetworkRuleText rule;
  std::string_view rest = text;
  rule.udp = rest.ends_with("/udp");
  if (rule.udp || rest.ends_with("/tcp")) rest.remove_suffix(4);
  std::optional<std::string_view> ports;
  if (absl::Status split = SplitHost(rest, &rule, &ports); !split.ok()) return split;
  const bool nothing = rule.host.empty();
  if (rule.host == "*") rule.host.clear();
  if (nothing && !listen) return Wrong("has no host; * is every address");
  if (!ports.has_value() && listen) return Wrong("has no port; :0 is one that the kernel chooses");
  if (rule.host.empty() && rule.prefix >= 0) return Wrong("has a prefix length but no address");
  if (ports.has_value()) {
    if (absl::Status read = ParsePorts(*ports, &rule.ports); !read.ok()) return read;
  }
  if (absl::Status host = CheckHost(&rule); !host.ok()) return host;
  return rule;
}

}  // namespace

bool NetworkRule::Matches(const IpAddress& ip, uint16_t port, Transport transport) const {
  if (transport != (udp ? Transport::kUdp : Transport::kTcp)) return false;
  if (port < ports.first || port > ports.last) return false;
  if (any_address) return true;
  if (ip.v6 != address.v6) return false;
  const size_t whole = prefix / 8;
  if (memcmp(ip.bytes.data(), address.bytes.data(), whole) != 0) return false;
  const size_t rest = prefix % 8;
  return rest == 0 || ((ip.bytes.at(whole) ^ address.bytes.at(whole)) >> (8 - rest)) == 0;
}

absl::StatusOr<NetworkRuleText> ParseDestinationRule(const std::string& text) {
  absl::StatusOr<NetworkRuleText> rule = ParseRule(text, false);
  if (!rule.ok()) return rule;
  const std::optional<IpAddress> ip = IpAddress::Parse(rule->host);
  if (ip.has_value() && ip->IsUnspecified() && rule->prefix < 0) {
    return Wrong("means loopback as a destination: write 127.0.0.1, [::1], or * for every address");
  }
  return rule;
}

absl::StatusOr<NetworkRuleText> ParseListenRule(const std::string& text) {
  absl::StatusOr<NetworkRuleText> rule = ParseRule(text, true);
  if (!rule.ok()) return rule;
  const std::optional<IpAddress> ip = IpAddress::Parse(rule->host);
  if (ip.has_value() && ip->IsUnspecified() && rule->prefix < 0) {
    // Whoever listens on :: hears IPv4 too (ipv6(7), IPV6_V6ONLY).
    if (ip->v6) rule->host.clear();
    if (!ip->v6) rule->prefix = 0;
  }
  return rule;
}

absl::StatusOr<std::vector<IpAddress>> ResolveHost(const std::string& name) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(name.c_str(), nullptr, &hints, &found); error != 0) {
    return absl::NotFoundError(gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    const SocketAddress address = ReadSocketAddress(
        {reinterpret_cast<const char*>(entry->ai_addr), size_t{entry->ai_addrlen}});
    if (address.kind != SocketAddress::Kind::kInet) continue;
    if (std::find(addresses.begin(), addresses.end(), address.ip) == addresses.end()) {
      addresses.push_back(address.ip);
    }
  }
  if (addresses.empty()) return absl::NotFoundError("has no address");
  return addresses;
}

absl::StatusOr<std::vector<NetworkRule>> ResolveRule(const NetworkRuleText& rule,
                                                     const std::string& text,
                                                     const HostResolver& resolve) {
  NetworkRule resolved;
  resolved.text = text;
  resolved.ports = rule.ports;
  resolved.udp = rule.udp;
  resolved.any_address = rule.host.empty();
  if (resolved.any_address) return std::vector<NetworkRule>{resolved};
  std::vector<IpAddress> addresses;
  if (const std::optional<IpAddress> ip = IpAddress::Parse(rule.host); ip.has_value()) {
    addresses.push_back(*ip);
  } else {
    absl::StatusOr<std::vector<IpAddress>> found = resolve(rule.host);
    if (!found.ok()) return found.status();
    addresses = *std::move(found);
  }
  std::vector<NetworkRule> rules;
  for (const IpAddress& ip : addresses) {
    resolved.address = ip;
    resolved.prefix = rule.prefix >= 0 ? static_cast<size_t>(rule.prefix) : ip.Bits();
    rules.push_back(resolved);
  }
  return rules;
}

}  // namespace sessionctl
