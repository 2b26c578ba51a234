// The rules of [network] as text and as what they match. Parsing is pure; resolving asks for the
// addresses of host names, once, when a session starts: from then on the rule is those addresses.
#ifndef POLICY_NETWORK_RULES_H_
#define POLICY_NETWORK_RULES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/socket_address.h"

namespace sessionctl {

enum class Transport { kTcp, kUdp, kOther };

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 65535;
};

// One rule as it was written: HOST[/PREFIX][:PORTS][/tcp|/udp].
struct NetworkRuleText {
  std::string host;  // a name, an address, or "" for every address
  int prefix = -1;   // -1: none was written
  PortRange ports;
  bool udp = false;
};

// One rule as it is matched.
struct NetworkRule {
  std::string text;          // as it was written, for messages
  bool any_address = false;  // then neither `address` nor `prefix` counts
  IpAddress address;
  size_t prefix = 0;
  PortRange ports;
  bool udp = false;

  bool Matches(const IpAddress& ip, uint16_t port, Transport transport) const;
};

// A destination: HOST, HOST:PORT, HOST:FIRST-LAST; HOST is a name, an address, a network
// (10.0.0.0/8, [2001:db8::]/32) or *; TCP unless it ends in /udp. Errors: kInvalidArgument.
absl::StatusOr<NetworkRuleText> ParseDestinationRule(const std::string& text);

// A local address to listen on: [HOST]:PORT, where port 0 is one that the kernel chooses, and no
// HOST (or *, or [::]) is every address.
absl::StatusOr<NetworkRuleText> ParseListenRule(const std::string& text);

// The addresses of a host name; at least one, or an error that says why there are none.
using HostResolver = std::function<absl::StatusOr<std::vector<IpAddress>>(const std::string& name)>;

// getaddrinfo(3). Blocks for as long as the machine's resolver does.
absl::StatusOr<std::vector<IpAddress>> ResolveHost(const std::string& name);

// One rule for each address of the host. Errors: those of `resolve`.
absl::StatusOr<std::vector<NetworkRule>> ResolveRule(const NetworkRuleText& rule,
                                                     const std::string& text,
                                                     const HostResolver& resolve);

}  // namespace sessionctl

#endif  // POLICY_NETWORK_RULES_H_
