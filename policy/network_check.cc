#include "policy/network_check.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sessionctl {
namespace {

const char* TransportText(Transport transport) {
  switch (transport) {
    case Transport::kTcp: return "";
    case Transport::kUdp: return "/udp";
    case Transport::kOther: return " (neither TCP nor UDP)";
  }
  return "";
}

// The verdict that the mode gives alone; true when there is one.
bool DecidedByMode(const NetworkPlan& plan, Verdict* verdict) {
  if (plan.mode == NetworkMode::kAllow) return false;
  *verdict = plan.mode == NetworkMode::kHost ? Verdict{0, "network.mode = \"host\""}
                                             : Verdict{EACCES, "network.mode = \"none\""};
  return true;
}

Verdict Match(const char* key, const std::vector<NetworkRule>& rules, const IpAddress& ip,
              uint16_t port, Transport transport) {
  for (const NetworkRule& rule : rules) {
    if (rule.Matches(ip, port, transport)) {
      return {0, absl::StrCat("network.", key, " ", rule.text)};
    }
  }
  return {EACCES, absl::StrCat("no rule of network.", key, " for ", EndpointText(ip, port),
                               TransportText(transport))};
}

IpAddress Loopback(bool v6) { return *IpAddress::Parse(v6 ? "::1" : "127.0.0.1"); }

}  // namespace

Verdict CheckDestination(const NetworkPlan& plan, const IpAddress& ip, uint16_t port,
                         Transport transport) {
  Verdict verdict;
  if (DecidedByMode(plan, &verdict)) return verdict;
  return Match("allow", plan.allow, ip.IsUnspecified() ? Loopback(ip.v6) : ip, port, transport);
}

Verdict CheckLocalAddress(const NetworkPlan& plan, const IpAddress& ip, uint16_t port,
                          Transport transport) {
  Verdict verdict;
  if (DecidedByMode(plan, &verdict)) return verdict;
  // The first datagram that is sent binds its socket so, without asking.
  if (transport == Transport::kUdp && port == 0 && ip.IsUnspecified() && plan.datagrams) {
    return {0, "as the first datagram does"};
  }
  return Match("listen", plan.listen, ip, port, transport);
}

Verdict CheckListening(const NetworkPlan& plan, const IpAddress& ip, uint16_t port) {
  Verdict chosen = CheckLocalAddress(plan, ip, 0, Transport::kTcp);
  return chosen.allowed() ? chosen : CheckLocalAddress(plan, ip, port, Transport::kTcp);
}

Verdict CheckFamily(const NetworkPlan& plan, int family) {
  const bool named =
      std::find(plan.families.begin(), plan.families.end(), family) != plan.families.end();
  const bool route = family == AF_NETLINK && plan.mode != NetworkMode::kNone;
  if (named || route) return {0, "network.families"};
  return {EAFNOSUPPORT, absl::StrCat("network.families has no family ", family)};
}

}  // namespace sessionctl
