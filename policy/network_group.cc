// What the filter refuses for the network's sake: which sockets there are not, and which options of
// those there are would lead past a rule.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "policy/network_plan.h"
#include "policy/syscall_groups.h"

namespace sessionctl {
namespace {

using Conditions = std::vector<FilterCondition>;

// socket(2) takes its arguments as int; above the type in the same one stand SOCK_CLOEXEC and
// SOCK_NONBLOCK.
constexpr uint64_t kWholeInt = 0xffffffff;
constexpr uint64_t kTypeMask = 0xf;

FilterCondition Family(int family) { return {0, kWholeInt, static_cast<uint64_t>(family)}; }
FilterCondition Type(int type) { return {1, kTypeMask, static_cast<uint64_t>(type)}; }
FilterCondition Protocol(int protocol) { return {2, kWholeInt, static_cast<uint64_t>(protocol)}; }

// AF_INET (2) and AF_INET6 (10) differ in one bit.
static_assert((AF_INET ^ AF_INET6) == 8);
FilterCondition Inet() { return {0, kWholeInt & ~uint64_t{8}, AF_INET}; }

// Gathers the cases of one call, in the order in which they decide.
class Cases {
 public:
  explicit Cases(std::vector<DeniedCall>* calls, const char* name) : calls_(calls), name_(name) {}
  void Allow(Conditions conditions) { calls_->push_back({name_, 0, std::move(conditions)}); }
  void Deny(int error, Conditions conditions, const char* use) {
    calls_->push_back({name_, error, std::move(conditions), use});
  }

 private:
  std::vector<DeniedCall>* calls_;
  const char* name_;
};

constexpr char kUnixDatagrams[] = "AF_UNIX datagrams (network.unix_datagrams)";

void DenyUnixDatagrams(const NetworkPlan& plan, Cases* cases) {
  if (plan.unix_datagrams) return;
  for (const int type : {SOCK_DGRAM, SOCK_RAW}) {  // unix_create() makes the same of both
    cases->Deny(EACCES, {Family(AF_UNIX), Type(type)}, kUnixDatagrams);
  }
}

// Only TCP and UDP proper: Landlock's rights and our rules know no MPTCP, SCTP or UDP-Lite.
void AddInet(const NetworkPlan& plan, Cases* cases) {
  if (plan.streams) {
    for (const int protocol : {0, int{IPPROTO_TCP}}) {
      cases->Allow({Inet(), Type(SOCK_STREAM), Protocol(protocol)});
    }
  }
  if (plan.datagrams) {
    for (const int protocol : {0, int{IPPROTO_UDP}}) {
      cases->Allow({Inet(), Type(SOCK_DGRAM), Protocol(protocol)});
    }
  }
  if (plan.mode == NetworkMode::kHost) {  // echo requests, as far as ping_group_range(7) goes
    cases->Allow({Inet(), Type(SOCK_DGRAM), Protocol(IPPROTO_ICMP)});
    cases->Allow({Inet(), Type(SOCK_DGRAM), Protocol(IPPROTO_ICMPV6)});
  }
  cases->Deny(EPERM, {Inet(), Type(SOCK_RAW)}, "SOCK_RAW");
  const bool some = plan.streams || plan.datagrams;
  if (some) cases->Deny(EPROTONOSUPPORT, {Inet()}, "a type or protocol that no rule allows");
}

void AddSocket(const NetworkPlan& plan, std::vector<DeniedCall>* calls) {
  Cases cases(calls, "socket");
  DenyUnixDatagrams(plan, &cases);
  cases.Allow({Family(AF_UNIX)});
  if (plan.streams || plan.datagrams) AddInet(plan, &cases);
  for (const int family : plan.families) cases.Allow({Family(family)});
  if (plan.mode != NetworkMode::kNone) {
    cases.Allow({Family(AF_NETLINK), Protocol(0)});  // NETLINK_ROUTE: getaddrinfo(3) asks it
    cases.Deny(EPROTONOSUPPORT, {Family(AF_NETLINK)}, "AF_NETLINK but NETLINK_ROUTE");
  }
  cases.Deny(EAFNOSUPPORT, {}, "any other family");
}

void AddSocketpair(const NetworkPlan& plan, std::vector<DeniedCall>* calls) {
  Cases cases(calls, "socketpair");
  DenyUnixDatagrams(plan, &cases);
  cases.Allow({Family(AF_UNIX)});
  cases.Deny(EOPNOTSUPP, {}, "any other family");
}

struct Option {
  int level;
  int name;
  const char* use;
};

// linux/in.h, linux/in6.h. A source route leads to another address than the one that was decided
// on; joining a group sends to it.
constexpr Option kOptions[] = {
    {IPPROTO_IP, 4, "IP_OPTIONS"},
    {IPPROTO_IPV6, 57, "IPV6_RTHDR"},
    {IPPROTO_IPV6, 5, "IPV6_2292RTHDR"},
    {IPPROTO_IPV6, 6, "IPV6_2292PKTOPTIONS"},
    {IPPROTO_IPV6, 32, "IPV6_FLOWLABEL_MGR"},  // a label carries options along
    {IPPROTO_IP, 35, "IP_ADD_MEMBERSHIP"},
    {IPPROTO_IP, 39, "IP_ADD_SOURCE_MEMBERSHIP"},
    {IPPROTO_IP, 41, "IP_MSFILTER"},
    {IPPROTO_IP, 42, "MCAST_JOIN_GROUP"},
    {IPPROTO_IP, 46, "MCAST_JOIN_SOURCE_GROUP"},
    {IPPROTO_IP, 48, "MCAST_MSFILTER"},
    {IPPROTO_IPV6, 20, "IPV6_JOIN_GROUP"},
    {IPPROTO_IPV6, 27, "IPV6_JOIN_ANYCAST"},
    {IPPROTO_IPV6, 42, "MCAST_JOIN_GROUP"},
    {IPPROTO_IPV6, 46, "MCAST_JOIN_SOURCE_GROUP"},
    {IPPROTO_IPV6, 48, "MCAST_MSFILTER"},
};

void AddOptions(std::vector<DeniedCall>* calls) {
  Cases cases(calls, "setsockopt");
  for (const Option& option : kOptions) {
    cases.Deny(EPERM,
               {{1, kWholeInt, static_cast<uint64_t>(option.level)},
                {2, kWholeInt, static_cast<uint64_t>(option.name)}},
               option.use);
  }
}

// MSG_FASTOPEN connects, past Landlock's hook for connect. The answer is that of a kernel where it
// is switched off (net.ipv4.tcp_fastopen).
void AddFastOpen(std::vector<DeniedCall>* calls) {
  const std::pair<const char*, unsigned> sends[] = {{"sendto", 3}, {"sendmsg", 2}, {"sendmmsg", 3}};
  for (const auto& [name, flags] : sends) {
    calls->push_back({name, EOPNOTSUPP, {{flags, MSG_FASTOPEN, MSG_FASTOPEN}}, "MSG_FASTOPEN"});
  }
}

}  // namespace

SyscallGroup NetworkGroup(const NetworkPlan& plan) {
  SyscallGroup group = {"network", "sockets that [network] does not allow", "mediation", "", {}};
  AddSocket(plan, &group.calls);
  AddSocketpair(plan, &group.calls);
  if (plan.mode != NetworkMode::kHost) AddFastOpen(&group.calls);
  if (plan.mode == NetworkMode::kAllow) AddOptions(&group.calls);
  return group;
}

}  // namespace sessionctl
