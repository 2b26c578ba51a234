#include "policy/network_plan.h"

#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "policy/wall_plans.h"
#include "sandbox/landlock_uapi.h"
#include "supervisor/mediator/syscall_table.h"
#include "tests/unit/bpf_interpreter.h"

namespace sessionctl {
namespace {

constexpr uint32_t kAllowed = SECCOMP_RET_ALLOW;
constexpr uint32_t kMediated = SECCOMP_RET_USER_NOTIF;
uint32_t DeniedWith(int error) { return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error); }

NetworkPolicy Allowing(const std::vector<std::string>& rules) {
  NetworkPolicy policy;
  policy.mode = NetworkMode::kAllow;
  policy.allow = rules;
  return policy;
}

NetworkPolicy Host() {
  NetworkPolicy policy;
  policy.mode = NetworkMode::kHost;
  return policy;
}

CompiledPolicy Compile(const NetworkPolicy& policy) {
  CompiledPolicy compiled;
  compiled.policy.network = policy;
  absl::StatusOr<NetworkPlan> plan = PlanNetwork(policy, 7, {});
  EXPECT_TRUE(plan.ok()) << plan.status();
  if (plan.ok()) compiled.network = *std::move(plan);
  return compiled;
}

class Filter {
 public:
  explicit Filter(const NetworkPolicy& policy) {
    absl::StatusOr<std::vector<sock_filter>> program =
        CompileFilter(PlanFilter(Compile(policy), MediatedCalls()));
    EXPECT_TRUE(program.ok()) << program.status();
    if (program.ok()) program_ = *std::move(program);
  }
  uint32_t Ask(int nr, const std::vector<uint64_t>& arguments) const {
    return RunBpf(program_, nr, arguments);
  }
  uint32_t Socket(int family, int type, int protocol = 0) const {
    return Ask(SYS_socket, {static_cast<uint64_t>(family), static_cast<uint64_t>(type),
                            static_cast<uint64_t>(protocol)});
  }

 private:
  std::vector<sock_filter> program_;
};

TEST(NetworkFilter, NoneLeavesStreamsOfUnixOnly) {
  const Filter filter({});
  EXPECT_EQ(filter.Socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK), kAllowed);
  EXPECT_EQ(filter.Socket(AF_UNIX, SOCK_SEQPACKET), kAllowed);
  EXPECT_EQ(filter.Socket(AF_UNIX, SOCK_DGRAM), DeniedWith(EACCES));
  EXPECT_EQ(filter.Socket(AF_UNIX, SOCK_RAW | SOCK_CLOEXEC), DeniedWith(EACCES));
  for (int family = 0; family < 64; ++family) {
    if (family == AF_UNIX) continue;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_PACKET}) {
      EXPECT_EQ(filter.Socket(family, type), DeniedWith(EAFNOSUPPORT)) << family << " " << type;
    }
  }
  EXPECT_EQ(filter.Ask(SYS_socketpair, {AF_UNIX, SOCK_STREAM}), kAllowed);
  EXPECT_EQ(filter.Ask(SYS_socketpair, {AF_UNIX, SOCK_DGRAM}), DeniedWith(EACCES));
}

TEST(NetworkFilter, GarbageAboveAnIntDodgesNothing) {
  const Filter filter({});
  constexpr uint64_t kGarbage = 0x1234567800000000;
  EXPECT_EQ(filter.Ask(SYS_socket, {kGarbage | AF_INET, SOCK_STREAM}), DeniedWith(EAFNOSUPPORT));
  EXPECT_EQ(filter.Ask(SYS_socket, {kGarbage | AF_UNIX, kGarbage | SOCK_DGRAM}),
            DeniedWith(EACCES));
  EXPECT_EQ(filter.Ask(SYS_socket, {kGarbage | AF_UNIX, kGarbage | SOCK_STREAM}), kAllowed);
}

TEST(NetworkFilter, HostLeavesTcpUdpAndRoutesOfNetlink) {
  const Filter filter(Host());
  for (const int family : {AF_INET, AF_INET6}) {
    EXPECT_EQ(filter.Socket(family, SOCK_STREAM), kAllowed);
    EXPECT_EQ(filter.Socket(family, SOCK_STREAM, IPPROTO_TCP), kAllowed);
    EXPECT_EQ(filter.Socket(family, SOCK_DGRAM, IPPROTO_UDP), kAllowed);
    EXPECT_EQ(filter.Socket(family, SOCK_RAW, IPPROTO_ICMP), DeniedWith(EPERM));
    EXPECT_EQ(filter.Socket(family, SOCK_STREAM, IPPROTO_SCTP), DeniedWith(EPROTONOSUPPORT));
    EXPECT_EQ(filter.Socket(family, SOCK_STREAM, 262), DeniedWith(EPROTONOSUPPORT));  // MPTCP
    EXPECT_EQ(filter.Socket(family, SOCK_DGRAM, IPPROTO_UDPLITE), DeniedWith(EPROTONOSUPPORT));
    EXPECT_EQ(filter.Socket(family, SOCK_PACKET), DeniedWith(EPROTONOSUPPORT));
  }
  EXPECT_EQ(filter.Socket(AF_NETLINK, SOCK_RAW, 0), kAllowed);
  EXPECT_EQ(filter.Socket(AF_NETLINK, SOCK_RAW, 12), DeniedWith(EPROTONOSUPPORT));
  for (const int family : {AF_PACKET, AF_VSOCK, AF_BLUETOOTH, AF_ALG, AF_XDP, AF_CAN}) {
    EXPECT_EQ(filter.Socket(family, SOCK_RAW), DeniedWith(EAFNOSUPPORT)) << family;
  }
}

TEST(NetworkFilter, NamedFamiliesAreAdded) {
  NetworkPolicy policy;
  policy.families = {"vsock", "netlink"};
  const Filter filter(policy);
  EXPECT_EQ(filter.Socket(AF_VSOCK, SOCK_STREAM), kAllowed);
  EXPECT_EQ(filter.Socket(AF_NETLINK, SOCK_RAW, 12), kAllowed);
  EXPECT_EQ(filter.Socket(AF_INET, SOCK_STREAM), DeniedWith(EAFNOSUPPORT));
}

TEST(NetworkFilter, RulesForTcpMakeNoDatagramSockets) {
  const Filter filter(Allowing({"127.0.0.1:80"}));
  EXPECT_EQ(filter.Socket(AF_INET, SOCK_STREAM), kAllowed);
  EXPECT_EQ(filter.Socket(AF_INET, SOCK_DGRAM), DeniedWith(EPROTONOSUPPORT));
  EXPECT_EQ(filter.Ask(SYS_sendmsg, {3, 4096, 0}), kAllowed);
  EXPECT_EQ(filter.Ask(SYS_sendmsg, {3, 4096, MSG_FASTOPEN}), DeniedWith(EOPNOTSUPP));
  EXPECT_EQ(filter.Ask(SYS_sendto, {3, 4096, 1, MSG_FASTOPEN, 4096, 16}), DeniedWith(EOPNOTSUPP));
  EXPECT_EQ(filter.Ask(SYS_listen, {3, 5}), kMediated);
}

TEST(NetworkFilter, RulesForUdpMediateWhatMayNameADestination) {
  const Filter filter(Allowing({"127.0.0.1:53/udp"}));
  EXPECT_EQ(filter.Socket(AF_INET6, SOCK_DGRAM), kAllowed);
  EXPECT_EQ(filter.Socket(AF_INET, SOCK_STREAM), DeniedWith(EPROTONOSUPPORT));
  EXPECT_EQ(filter.Socket(AF_UNIX, SOCK_DGRAM), kAllowed);
  EXPECT_EQ(filter.Ask(SYS_sendto, {3, 4096, 1, 0, 0, 0}), kAllowed);
  EXPECT_EQ(filter.Ask(SYS_sendto, {3, 4096, 1, 0, 4096, 16}), kMediated);
  EXPECT_EQ(filter.Ask(SYS_sendto, {3, 4096, 1, 0, uint64_t{1} << 40, 16}), kMediated);
  EXPECT_EQ(filter.Ask(SYS_sendmsg, {3, 4096, 0}), kMediated);
  EXPECT_EQ(filter.Ask(SYS_sendmmsg, {3, 4096, 1, 0}), kMediated);
  EXPECT_EQ(filter.Ask(SYS_listen, {3, 5}), kAllowed);
}

TEST(NetworkFilter, OptionsThatLeadPastARuleAreDeniedWhereThereAreRules) {
  const std::vector<std::pair<uint64_t, uint64_t>> options = {{IPPROTO_IP, IP_OPTIONS},
                                                              {IPPROTO_IPV6, IPV6_RTHDR},
                                                              {IPPROTO_IP, IP_ADD_MEMBERSHIP},
                                                              {IPPROTO_IPV6, IPV6_JOIN_GROUP}};
  const Filter rules(Allowing({"*"}));
  const Filter host(Host());
  for (const auto& [level, name] : options) {
    EXPECT_EQ(rules.Ask(SYS_setsockopt, {3, level, name}), DeniedWith(EPERM))
        << level << " " << name;
    EXPECT_EQ(host.Ask(SYS_setsockopt, {3, level, name}), kAllowed);
  }
  EXPECT_EQ(rules.Ask(SYS_setsockopt, {3, SOL_SOCKET, SO_REUSEADDR}), kAllowed);
  EXPECT_EQ(rules.Ask(SYS_setsockopt, {3, IPPROTO_TCP, 4}), kAllowed);
}

TEST(NetworkFilter, ConnectAndBindAreMediatedInEveryMode) {
  for (const NetworkPolicy& policy : {NetworkPolicy(), Host(), Allowing({"*"})}) {
    const Filter filter(policy);
    EXPECT_EQ(filter.Ask(SYS_connect, {3, 4096, 16}), kMediated);
    EXPECT_EQ(filter.Ask(SYS_bind, {3, 4096, 16}), kMediated);
  }
}

std::string KeyError(const NetworkPolicy& policy) {
  return PlanNetwork(policy, 7, {}).status().ToString();
}

TEST(NetworkPlan, RulesWithoutTheirModeAreAnError) {
  NetworkPolicy policy = Allowing({"127.0.0.1:80"});
  policy.mode = NetworkMode::kHost;
  EXPECT_NE(KeyError(policy).find("network.allow: means nothing"), std::string::npos);
  policy = {};
  policy.dns = true;
  EXPECT_NE(KeyError(policy).find("network.dns: means nothing"), std::string::npos);
}

TEST(NetworkPlan, DnsIsThePortOfEachNameServer) {
  char file[] = "/tmp/network_plan.XXXXXX";
  close(mkstemp(file));
  std::ofstream(file) << "# nameserver 192.0.2.9\nnameserver 192.0.2.1\nnameserver\t2001:db8::1\n"
                         "nameserver fe80::1%eth0\nnameservers 192.0.2.8\nnameserver junk\n";
  NetworkPolicy policy;
  policy.mode = NetworkMode::kAllow;
  policy.dns = true;
  const absl::StatusOr<NetworkPlan> plan = PlanNetwork(policy, 7, {.resolver_file = file});
  remove(file);
  ASSERT_TRUE(plan.ok()) << plan.status();
  std::vector<std::string> texts;
  for (const NetworkRule& rule : plan->allow) {
    texts.push_back(rule.text + (rule.udp ? " udp" : " tcp"));
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"dns 192.0.2.1:53 tcp", "dns 192.0.2.1:53 udp",
                                             "dns [2001:db8::1]:53 tcp", "dns [2001:db8::1]:53 udp",
                                             "dns [fe80::1]:53 tcp", "dns [fe80::1]:53 udp"}));
}

TEST(NetworkPlan, BrokerHoldsThePortsOfTheRulesAndTheSessionNone) {
  NetworkPolicy policy = Allowing({"127.0.0.1:80", "10.0.0.0/8:5432-5433", "127.0.0.1:53/udp"});
  policy.listen = {"127.0.0.1:8080", ":0"};
  const CompiledPolicy compiled = Compile(policy);
  const LandlockPlan broker = PlanBrokerDomain(compiled, 7);
  std::vector<int> connect;
  std::vector<int> bind;
  for (const LandlockPortGrant& grant : broker.ports) {
    (grant.access == landlock::kNetBindTcp ? bind : connect).push_back(grant.port);
  }
  EXPECT_EQ(connect, (std::vector<int>{80, 5432, 5433}));
  EXPECT_EQ(bind, (std::vector<int>{0, 8080}));
  const LandlockPlan session = PlanSessionDomain(compiled, 7);
  EXPECT_EQ(session.handled_net, landlock::kNetBindTcp | landlock::kNetConnectTcp);
  EXPECT_TRUE(session.ports.empty());
}

TEST(NetworkPlan, PortsTooManyForLandlockAreLeftToMediation) {
  EXPECT_EQ(PlanBrokerDomain(Compile(Allowing({"127.0.0.1"})), 7).handled_net,
            landlock::kNetBindTcp);
  EXPECT_EQ(PlanBrokerDomain(Compile(Host()), 7).handled_net, 0U);
  EXPECT_EQ(PlanBrokerDomain(Compile({}), 7).handled_net,
            landlock::kNetBindTcp | landlock::kNetConnectTcp);
  EXPECT_EQ(PlanBrokerDomain(Compile({}), 3).handled_net, 0U);
}

}  // namespace
}  // namespace sessionctl
