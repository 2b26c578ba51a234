#include "policy/network_rules.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <vector>

#include "policy/network_check.h"
#include "policy/network_plan.h"
#include "sandbox/socket_address.h"

namespace sessionctl {
namespace {

IpAddress Ip(const std::string& text) {
  std::optional<IpAddress> ip = IpAddress::Parse(text);
  EXPECT_TRUE(ip.has_value()) << text;
  return ip.value_or(IpAddress());
}

std::string Inet(const std::string& ip, uint16_t port, sa_family_t family = AF_INET) {
  sockaddr_in address = {};
  address.sin_family = family;
  address.sin_port = htons(port);
  inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  return {reinterpret_cast<const char*>(&address), sizeof(address)};
}

std::string Inet6(const std::string& ip, uint16_t port) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  inet_pton(AF_INET6, ip.c_str(), &address.sin6_addr);
  return {reinterpret_cast<const char*>(&address), sizeof(address)};
}

// A made-up resolver: two names.
absl::StatusOr<std::vector<IpAddress>> Hosts(const std::string& name) {
  if (name == "both.test") return std::vector<IpAddress>{Ip("192.0.2.1"), Ip("2001:db8::1")};
  if (name == "localhost") return std::vector<IpAddress>{Ip("::1"), Ip("127.0.0.1")};
  return absl::NotFoundError("no such host");
}

NetworkPlan Plan(const std::vector<std::string>& allow,
                 const std::vector<std::string>& listen = {}) {
  NetworkPolicy policy;
  policy.mode = NetworkMode::kAllow;
  policy.allow = allow;
  policy.listen = listen;
  absl::StatusOr<NetworkPlan> plan = PlanNetwork(policy, 7, {.resolve_host = Hosts});
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *plan : NetworkPlan();
}

bool Allows(const std::string& rule, const std::string& ip, uint16_t port,
            Transport transport = Transport::kTcp) {
  return CheckDestination(Plan({rule}), Ip(ip), port, transport).allowed();
}

bool Listens(const std::string& rule, const std::string& ip, uint16_t port) {
  return CheckLocalAddress(Plan({}, {rule}), Ip(ip), port, Transport::kTcp).allowed();
}

TEST(SocketAddressTest, MappedAddressIsTheIpv4Address) {
  EXPECT_EQ(ReadSocketAddress(Inet6("::ffff:10.1.2.3", 80)).ip, Ip("10.1.2.3"));
  EXPECT_EQ(Ip("::ffff:10.1.2.3"), Ip("10.1.2.3"));
  EXPECT_FALSE(Ip("::10.1.2.3") == Ip("10.1.2.3"));         // IPv4-compatible: another address
  EXPECT_FALSE(Ip("64:ff9b::10.1.2.3") == Ip("10.1.2.3"));  // NAT64
}

TEST(SocketAddressTest, ShortAndLongAddressesAreMalformed) {
  using Kind = SocketAddress::Kind;
  const std::string inet = Inet("10.0.0.1", 80);
  const std::string inet6 = Inet6("::1", 80);
  EXPECT_EQ(ReadSocketAddress("").kind, Kind::kMalformed);
  EXPECT_EQ(ReadSocketAddress(inet.substr(0, 1)).kind, Kind::kMalformed);
  EXPECT_EQ(ReadSocketAddress(inet.substr(0, 15)).kind, Kind::kMalformed);
  EXPECT_EQ(ReadSocketAddress(inet6.substr(0, 23)).kind, Kind::kMalformed);
  EXPECT_EQ(ReadSocketAddress(inet6.substr(0, 24)).kind, Kind::kInet);  // without a scope
  EXPECT_EQ(ReadSocketAddress(inet + std::string(100, 'x')).kind, Kind::kInet);
  EXPECT_EQ(ReadSocketAddress(inet + std::string(200, 'x')).kind, Kind::kMalformed);
}

TEST(SocketAddressTest, UnspecifiedFamilyKeepsTheAddressThatUdpWouldTake) {
  const SocketAddress address = ReadSocketAddress(Inet("10.0.0.1", 80, AF_UNSPEC));
  EXPECT_EQ(address.kind, SocketAddress::Kind::kUnspecified);
  EXPECT_EQ(address.ip, Ip("10.0.0.1"));
  EXPECT_EQ(address.port, 80);
}

TEST(SocketAddressTest, UnixNamesEndWhereTheKernelEndsThem) {
  using Kind = SocketAddress::Kind;
  const std::string family = UnixAddress("").substr(0, sizeof(sa_family_t));
  EXPECT_EQ(ReadSocketAddress(family).kind, Kind::kUnixUnnamed);
  EXPECT_EQ(ReadSocketAddress(family + std::string("\0name", 5)).kind, Kind::kUnixAbstract);
  EXPECT_EQ(ReadSocketAddress(family + std::string("a\0b", 3)).path, "a");
  EXPECT_EQ(ReadSocketAddress(family + std::string(108, 'x')).path, std::string(108, 'x'));
  EXPECT_EQ(ReadSocketAddress(family + std::string(109, 'x')).kind, Kind::kMalformed);
  EXPECT_EQ(ReadSocketAddress(UnixAddress(std::string(200, 'x'))).path, std::string(108, 'x'));
}

TEST(SocketAddressTest, EveryAddressAsADestinationIsWrittenOutAsLoopback) {
  const auto written = [](std::string bytes) {
    WriteOutLoopback(&bytes);
    return bytes;
  };
  EXPECT_EQ(written(Inet("0.0.0.0", 80)), Inet("127.0.0.1", 80));
  EXPECT_EQ(written(Inet6("::", 80)), Inet6("::1", 80));
  EXPECT_EQ(written(Inet6("::ffff:0.0.0.0", 80)), Inet6("::ffff:127.0.0.1", 80));
  EXPECT_EQ(written(Inet("10.0.0.1", 80)), Inet("10.0.0.1", 80));
  EXPECT_EQ(written(UnixAddress("x")), UnixAddress("x"));
}

TEST(NetworkRule, MatchesTheNetworkAndNothingBeside) {
  EXPECT_TRUE(Allows("10.0.0.0/8:5432", "10.255.255.255", 5432));
  EXPECT_FALSE(Allows("10.0.0.0/8:5432", "11.0.0.0", 5432));
  EXPECT_FALSE(Allows("10.0.0.0/8:5432", "9.255.255.255", 5432));
  EXPECT_FALSE(Allows("10.0.0.0/8:5432", "10.0.0.1", 5433));
  EXPECT_TRUE(Allows("192.0.2.128/25:1", "192.0.2.128", 1));
  EXPECT_FALSE(Allows("192.0.2.128/25:1", "192.0.2.127", 1));
  EXPECT_TRUE(Allows("192.0.2.254/31:1", "192.0.2.255", 1));
  EXPECT_FALSE(Allows("192.0.2.254/31:1", "192.0.2.253", 1));
  EXPECT_FALSE(Allows("192.0.2.1/32", "192.0.2.0", 1));
  EXPECT_TRUE(Allows("0.0.0.0/0", "203.0.113.9", 65535));
  EXPECT_FALSE(Allows("0.0.0.0/0", "2001:db8::1", 80));
  EXPECT_TRUE(Allows("*:443", "2001:db8::1", 443));
  EXPECT_TRUE(Allows("[2001:db8::]/32:443", "2001:db8:ffff::1", 443));
  EXPECT_TRUE(Allows("[2001:db8::/32]:443", "2001:db8::1", 443));
  EXPECT_FALSE(Allows("[2001:db8::]/32:443", "2001:db9::1", 443));
  EXPECT_TRUE(Allows("2001:db8::1", "2001:db8::1", 7));
}

TEST(NetworkRule, MappedAddressesAreIpv4InRulesAndDestinations) {
  EXPECT_TRUE(Allows("127.0.0.1:80", "::ffff:127.0.0.1", 80));
  EXPECT_FALSE(Allows("[::1]:80", "::ffff:127.0.0.1", 80));
  EXPECT_FALSE(Allows("[::]/0:80", "::ffff:127.0.0.1", 80));  // every IPv6 address, no IPv4
  EXPECT_TRUE(Allows("[::ffff:10.0.0.0]/104:80", "10.9.9.9", 80));
  EXPECT_FALSE(Allows("[::ffff:10.0.0.0]/104:80", "11.9.9.9", 80));
}

TEST(NetworkRule, UnspecifiedDestinationMeansLoopback) {
  EXPECT_TRUE(Allows("127.0.0.1:80", "0.0.0.0", 80));
  EXPECT_TRUE(Allows("[::1]:80", "::", 80));
  EXPECT_FALSE(Allows("10.0.0.0/8:80", "0.0.0.0", 80));
  EXPECT_FALSE(Allows("127.0.0.1:80", "::", 80));
}

TEST(NetworkRule, TransportsAreApart) {
  EXPECT_TRUE(Allows("127.0.0.1:53/udp", "127.0.0.1", 53, Transport::kUdp));
  EXPECT_FALSE(Allows("127.0.0.1:53/udp", "127.0.0.1", 53));
  EXPECT_FALSE(Allows("127.0.0.1:53", "127.0.0.1", 53, Transport::kUdp));
  EXPECT_TRUE(Allows("127.0.0.1:53/tcp", "127.0.0.1", 53));
  EXPECT_FALSE(Allows("*", "127.0.0.1", 53, Transport::kOther));
}

TEST(NetworkRule, PortsAreARangeWithBothEnds) {
  for (const uint16_t port : {8000, 8080})
    EXPECT_TRUE(Allows("127.0.0.1:8000-8080", "127.0.0.1", port));
  for (const uint16_t port : {7999, 8081})
    EXPECT_FALSE(Allows("127.0.0.1:8000-8080", "127.0.0.1", port));
  EXPECT_TRUE(Allows("127.0.0.1:*", "127.0.0.1", 1));
}

TEST(NetworkRule, NameIsEveryAddressOfTheHostAndNothingElse) {
  EXPECT_TRUE(Allows("both.test:443", "192.0.2.1", 443));
  EXPECT_TRUE(Allows("both.test:443", "2001:db8::1", 443));
  EXPECT_FALSE(Allows("both.test:443", "192.0.2.2", 443));
}

TEST(NetworkRule, UnknownNameIsAnErrorThatNamesTheRule) {
  NetworkPolicy policy;
  policy.mode = NetworkMode::kAllow;
  policy.allow = {"nowhere.test:443"};
  const absl::Status status = PlanNetwork(policy, 7, {.resolve_host = Hosts}).status();
  EXPECT_NE(status.ToString().find("network.allow: \"nowhere.test:443\": no such host"),
            std::string::npos)
      << status;
}

TEST(NetworkRule, HostileTextsAreRefused) {
  for (const char* text : {"",
                           ":80",
                           "127.0.0.1:",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:80-",
                           "127.0.0.1:9-8",
                           "127.0.0.1:0-9",
                           "127.0.0.1:8 0",
                           "127.0.0.1:+80",
                           "127.1:80",
                           "0x7f000001:80",
                           "2130706433:80",
                           "0177.0.0.1:80",
                           "127.0.0.1.:80",
                           "10.0.0.300",
                           "10.0.0.0/33",
                           "10.0.0.1/8",
                           "10.0.0.0/",
                           "10.0.0.0/8/8",
                           "10.0.0.0/-8",
                           "host/8:80",
                           "[::1:80",
                           "[127.0.0.1]:80",
                           "[::1]80",
                           "[]:80",
                           "::1/129",
                           "[::ffff:10.0.0.0]/8",
                           "-host:80",
                           ".host:80",
                           "ho st:80",
                           "h\n:80",
                           "*/8",
                           "0.0.0.0:80",
                           "[::]:80",
                           "127.0.0.1:80/sctp",
                           "127.0.0.1:80/UDP",
                           "fe80::1%lo:80",
                           "a:b:c"}) {
    EXPECT_FALSE(ParseDestinationRule(text).ok()) << text;
  }
  EXPECT_FALSE(ParseDestinationRule(std::string(254, 'a') + ":80").ok());
  EXPECT_FALSE(ParseListenRule("127.0.0.1").ok());
  EXPECT_FALSE(ParseListenRule("").ok());
}

TEST(NetworkRule, ListeningOnEveryAddressIsNotListeningOnOne) {
  EXPECT_TRUE(Listens(":8080", "0.0.0.0", 8080));
  EXPECT_TRUE(Listens(":8080", "::", 8080));
  EXPECT_TRUE(Listens(":8080", "127.0.0.1", 8080));
  EXPECT_TRUE(Listens("0.0.0.0:8080", "0.0.0.0", 8080));
  EXPECT_FALSE(Listens("0.0.0.0:8080", "::", 8080));
  EXPECT_TRUE(Listens("[::]:8080", "0.0.0.0", 8080));
  EXPECT_FALSE(Listens("127.0.0.1:8080", "0.0.0.0", 8080));
  EXPECT_FALSE(Listens("127.0.0.0/8:8080", "0.0.0.0", 8080));
  EXPECT_FALSE(Listens("127.0.0.1:8080", "127.0.0.1", 0));
  EXPECT_TRUE(Listens("127.0.0.1:0", "127.0.0.1", 0));
  EXPECT_FALSE(Listens(":8080", "0.0.0.0", 8081));
}

TEST(NetworkRule, PortOfTheKernelsChoiceListensWhereItWasBound) {
  const NetworkPlan plan = Plan({}, {"127.0.0.1:0"});
  EXPECT_TRUE(CheckListening(plan, Ip("127.0.0.1"), 43211).allowed());
  EXPECT_FALSE(CheckListening(plan, Ip("0.0.0.0"), 43211).allowed());
}

TEST(NetworkCheck, ModesDecideAlone) {
  NetworkPlan plan;
  EXPECT_EQ(CheckDestination(plan, Ip("127.0.0.1"), 80, Transport::kTcp).error, EACCES);
  EXPECT_EQ(CheckLocalAddress(plan, Ip("0.0.0.0"), 0, Transport::kUdp).error, EACCES);
  EXPECT_EQ(CheckFamily(plan, AF_NETLINK).error, EAFNOSUPPORT);
  plan.mode = NetworkMode::kHost;
  EXPECT_TRUE(CheckDestination(plan, Ip("203.0.113.1"), 80, Transport::kOther).allowed());
  EXPECT_TRUE(CheckLocalAddress(plan, Ip("0.0.0.0"), 1, Transport::kTcp).allowed());
  EXPECT_TRUE(CheckFamily(plan, AF_NETLINK).allowed());
  EXPECT_EQ(CheckFamily(plan, AF_PACKET).error, EAFNOSUPPORT);
}

TEST(NetworkCheck, UdpClientMayBindWhereItsFirstDatagramWould) {
  const NetworkPlan plan = Plan({"127.0.0.1:53/udp"});
  EXPECT_TRUE(CheckLocalAddress(plan, Ip("0.0.0.0"), 0, Transport::kUdp).allowed());
  EXPECT_FALSE(CheckLocalAddress(plan, Ip("0.0.0.0"), 53, Transport::kUdp).allowed());
  EXPECT_FALSE(CheckLocalAddress(plan, Ip("0.0.0.0"), 0, Transport::kTcp).allowed());
}

}  // namespace
}  // namespace sessionctl
