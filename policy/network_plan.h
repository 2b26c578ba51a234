// What [network] comes to on this kernel: rules with addresses, which kinds of sockets there are,
// which calls have to be mediated for the rules to hold, and why.
#ifndef POLICY_NETWORK_PLAN_H_
#define POLICY_NETWORK_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/network_rules.h"
#include "policy/policy.h"

namespace sessionctl {

struct SyscallGroup;

struct NetworkPlan {
  NetworkMode mode = NetworkMode::kNone;
  std::vector<NetworkRule> allow;
  std::vector<NetworkRule> listen;
  std::vector<std::string> unix_sockets;  // where they really are
  std::vector<int> families;              // further address families, by number
  // Which sockets a session may make besides streams of AF_UNIX.
  bool streams = false;         // TCP
  bool datagrams = false;       // UDP
  bool unix_datagrams = false;  // AF_UNIX, SOCK_DGRAM
  // A datagram may name its destination in memory, so sends have to be mediated where sockets can
  // be made whose destination has to be decided on.
  bool sends_mediated = false;
  std::string sends_reason;
  // listen(2) gives a socket without an address one of the kernel's choice.
  bool listen_mediated = false;
  std::string listen_reason;
  // Without Landlock's scope nothing else tells whose an abstract socket is.
  bool abstract_refused = false;
};

// Where the compiler looks things up; another one for tests.
struct NetworkSources {
  HostResolver resolve_host = ResolveHost;
  std::string resolver_file = "/etc/resolv.conf";  // of `dns`
};

// Errors: kInvalidArgument (keys that contradict the mode), those of a host name's resolution.
absl::StatusOr<NetworkPlan> PlanNetwork(const NetworkPolicy& policy, int landlock_abi,
                                        const NetworkSources& sources);

// The names that network.families knows.
const std::vector<std::string>& AddressFamilyNames();

// What the filter refuses for the plan's sake, as a group like the others.
SyscallGroup NetworkGroup(const NetworkPlan& plan);

// The TCP ports of `rules`; nullopt where they are too many for one Landlock rule each.
std::optional<std::vector<uint16_t>> TcpPorts(const std::vector<NetworkRule>& rules);

}  // namespace sessionctl

#endif  // POLICY_NETWORK_PLAN_H_
