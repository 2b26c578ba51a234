#include "policy/network_plan.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/path_text.h"

namespace sessionctl {
namespace {

constexpr size_t kMaxLandlockPorts = 1024;
constexpr uint16_t kDnsPort = 53;
constexpr size_t kMaxNameServers = 3;  // resolv.conf(5), MAXNS

struct NamedFamily {
  const char* name;
  int number;
};
constexpr NamedFamily kFamilies[] = {
    {"alg", AF_ALG},       {"bluetooth", AF_BLUETOOTH},
    {"can", AF_CAN},       {"netlink", AF_NETLINK},
    {"packet", AF_PACKET}, {"tipc", AF_TIPC},
    {"vsock", AF_VSOCK},   {"xdp", AF_XDP},
};

absl::Status CheckKeys(const NetworkPolicy& policy) {
  if (policy.mode == NetworkMode::kAllow) return absl::OkStatus();
  const std::pair<bool, const char*> keys[] = {
      {!policy.allow.empty(), "allow"}, {!policy.listen.empty(), "listen"}, {policy.dns, "dns"}};
  for (const auto& [present, name] : keys) {
    if (!present) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "policy: network.", name, ": means nothing with network.mode = \"",
        policy.mode == NetworkMode::kNone ? "none" : "host", "\"; rules need mode = \"allow\""));
  }
  return absl::OkStatus();
}

using RuleParser = absl::StatusOr<NetworkRuleText> (*)(const std::string&);

absl::Status AddRules(const char* key, const std::vector<std::string>& texts, RuleParser parse,
                      const HostResolver& resolve, std::vector<NetworkRule>* rules) {
  for (const std::string& text : texts) {
    absl::StatusOr<NetworkRuleText> rule = parse(text);
    absl::StatusOr<std::vector<NetworkRule>> resolved =
        rule.ok() ? ResolveRule(*rule, text, resolve) : rule.status();
    if (!resolved.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("policy: network.", key, ": \"", text, "\": ", resolved.status().message()));
    }
    rules->insert(rules->end(), resolved->begin(), resolved->end());
  }
  return absl::OkStatus();
}

// The machine's name servers, as resolv.conf(5) has them; its own machine where it names none.
std::vector<IpAddress> NameServers(const std::string& file) {
  std::vector<IpAddress> servers;
  std::ifstream lines(file);
  std::string word;
  for (std::string line; std::getline(lines, line) && servers.size() < kMaxNameServers;) {
    if (!line.starts_with("nameserver")) continue;
    const size_t begin = line.find_first_not_of(" \t", 10);
    if (begin == 10 || begin == std::string::npos) continue;
    const std::string text = line.substr(begin, line.find_first_of(" \t%", begin) - begin);
    if (const std::optional<IpAddress> ip = IpAddress::Parse(text)) servers.push_back(*ip);
  }
  if (servers.empty()) servers.push_back(*IpAddress::Parse("127.0.0.1"));
  return servers;
}

void AddNameServers(const std::string& file, std::vector<NetworkRule>* rules) {
  for (const IpAddress& server : NameServers(file)) {
    NetworkRule rule;
    rule.text = absl::StrCat("dns ", EndpointText(server, kDnsPort));
    rule.address = server;
    rule.prefix = server.Bits();
    rule.ports = {kDnsPort, kDnsPort};
    rules->push_back(rule);
    rule.udp = true;
    rules->push_back(rule);
  }
}

// A server makes its socket anew each time, so the directory is made canonical and the name kept.
std::string WhereASocketReallyIs(const std::string& path) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::canonical(path, error);
  if (!error) return whole.string();
  const std::filesystem::path written = NormalizeLexically(path);
  const std::filesystem::path parent = std::filesystem::canonical(written.parent_path(), error);
  return error ? written.string() : (parent / written.filename()).string();
}

bool HasTransport(const std::vector<NetworkRule>& rules, bool udp) {
  return std::any_of(rules.begin(), rules.end(),
                     [udp](const NetworkRule& rule) { return rule.udp == udp; });
}

void DecideSockets(const NetworkPolicy& policy, NetworkPlan* plan) {
  const bool host = plan->mode == NetworkMode::kHost;
  plan->streams = host || HasTransport(plan->allow, false) || HasTransport(plan->listen, false);
  plan->datagrams = host || HasTransport(plan->allow, true) || HasTransport(plan->listen, true);
  const bool udp_rules = plan->datagrams && !host;
  plan->sends_mediated = udp_rules || policy.unix_datagrams;
  // Once sends are mediated, datagrams of AF_UNIX cost nothing more.
  plan->unix_datagrams = plan->sends_mediated;
  if (udp_rules) {
    plan->sends_reason = "a UDP datagram may name any destination, and there are rules for them";
  } else if (policy.unix_datagrams) {
    plan->sends_reason = "network.unix_datagrams: a datagram may name any socket file";
  } else {
    plan->sends_reason = "every socket that can be made has the destination that connect gave it";
    if (host) plan->sends_reason += ", or may reach any address";
  }
}

void DecideListen(NetworkPlan* plan) {
  const bool rules = plan->mode == NetworkMode::kAllow && plan->streams;
  const bool anywhere =
      std::any_of(plan->listen.begin(), plan->listen.end(), [](const NetworkRule& rule) {
        return rule.any_address && rule.ports.first == 0 && !rule.udp;
      });
  plan->listen_mediated = rules && !anywhere;
  if (plan->listen_mediated) {
    plan->listen_reason = "it gives a TCP socket that has no address one that no rule names";
  } else if (rules) {
    plan->listen_reason = "what it would choose is allowed: network.listen has :0";
  } else {
    plan->listen_reason = "it names no address, and bind is mediated";
  }
}

}  // namespace

absl::StatusOr<NetworkPlan> PlanNetwork(const NetworkPolicy& policy, int landlock_abi,
                                        const NetworkSources& sources) {
  absl::Status status = CheckKeys(policy);
  NetworkPlan plan;
  plan.mode = policy.mode;
  if (status.ok()) {
    status =
        AddRules("allow", policy.allow, ParseDestinationRule, sources.resolve_host, &plan.allow);
  }
  if (status.ok()) {
    status = AddRules("listen", policy.listen, ParseListenRule, sources.resolve_host, &plan.listen);
  }
  if (!status.ok()) return status;
  if (policy.dns) AddNameServers(sources.resolver_file, &plan.allow);
  for (const std::string& path : policy.unix_sockets) {
    plan.unix_sockets.push_back(WhereASocketReallyIs(path));
  }
  for (const NamedFamily& family : kFamilies) {
    const bool named = std::find(policy.families.begin(), policy.families.end(), family.name) !=
                       policy.families.end();
    if (named) plan.families.push_back(family.number);
  }
  DecideSockets(policy, &plan);
  DecideListen(&plan);
  plan.abstract_refused = landlock_abi < 6;
  return plan;
}

const std::vector<std::string>& AddressFamilyNames() {
  static const auto* const names = [] {
    auto* all = new std::vector<std::string>();
    for (const NamedFamily& family : kFamilies) all->emplace_back(family.name);
    return all;
  }();
  return *names;
}

std::optional<std::vector<uint16_t>> TcpPorts(const std::vector<NetworkRule>& rules) {
  std::set<uint16_t> ports;
  for (const NetworkRule& rule : rules) {
    if (rule.udp) continue;
    if (size_t{rule.ports.last} - rule.ports.first >= kMaxLandlockPorts) return std::nullopt;
    for (int port = rule.ports.first; port <= rule.ports.last; ++port) {
      ports.insert(static_cast<uint16_t>(port));
    }
  }
  if (ports.size() > kMaxLandlockPorts) return std::nullopt;
  return std::vector<uint16_t>(ports.begin(), ports.end());
}

}  // namespace sessionctl
