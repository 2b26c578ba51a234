// Ways to an address or a socket that the policy does not allow. The servers outside say whether
// anybody got there: bare somebody must, from a session nobody may.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"

namespace escape {
namespace {

std::string Seconds() {
  const char* seconds = getenv("SESSIONCTL_RACE_SECONDS");
  return seconds != nullptr ? seconds : "0.7";
}

// A socket outside; counts whoever gets to it.
class Server {
 public:
  explicit Server(int fd, bool stream) : fd_(fd), stream_(stream) {
    if (stream) listen(fd, 128);
    thread_ = std::thread([this] { Serve(); });
  }
  ~Server() {
    stop_ = true;
    thread_.join();
    close(fd_);
  }
  Server(const Server&) = delete;

  // How many since the last time, once all is quiet.
  int TakeHits() {
    usleep(200000);
    return hits_.exchange(0);
  }
  int port() const {
    sockaddr_in address = {};
    socklen_t size = sizeof(address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

 private:
  void Serve() {
    while (!stop_) {
      pollfd ready = {fd_, POLLIN, 0};
      if (poll(&ready, 1, 20) <= 0) continue;
      char byte;
      if (!stream_) {
        if (recv(fd_, &byte, 1, MSG_DONTWAIT) >= 0) ++hits_;
        continue;
      }
      const int accepted = accept(fd_, nullptr, nullptr);
      if (accepted < 0) continue;
      ++hits_;
      close(accepted);
    }
  }

  const int fd_;
  const bool stream_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> hits_ = 0;
  std::thread thread_;
};

// On every IPv4 address of the host's own, so that 127.0.0.2 leads there too.
int InetSocket(int type) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  return fd;
}

// A leading '@' makes it abstract.
int UnixSocket(const std::string& path, int type) {
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0) << path;
  return fd;
}

struct Result {
  std::string out;
  std::string Of(const std::string& what) const {
    std::istringstream lines(out);
    std::string name;
    std::string answer;
    while (lines >> name >> answer) {
      if (name == what) return answer;
    }
    return "none";
  }
};

constexpr int kBareTurns = 20;

class NetworkAttack : public ::testing::Test {
 protected:
  NetworkAttack()
      : allowed_(InetSocket(SOCK_STREAM), true),
        forbidden_(InetSocket(SOCK_STREAM), true),
        allowed_udp_(InetSocket(SOCK_DGRAM), false),
        forbidden_udp_(InetSocket(SOCK_DGRAM), false) {
    harness::MakeDirectory(scratch_ / "mount");
    harness::MakeDirectory(scratch_ / "second");
    harness::MakeDirectory(scratch_ / "outside");
    harness::CopyProgram(harness::TestcasePath("network_attacks"), scratch_ / "mount/attack");
  }

  std::string Mount() const { return scratch_ / "mount"; }
  std::string Outside(const std::string& name) const { return scratch_ / ("outside/" + name); }

  static std::string Rule(const Server& server, const std::string& suffix = "") {
    return "127.0.0.1:" + std::to_string(server.port()) + suffix;
  }
  std::vector<std::string> Rules() const {
    return {"--allow-net", Rule(allowed_), "--allow-net", Rule(allowed_udp_, "/udp")};
  }

  Result Run(const std::vector<std::string>& words,
             const std::optional<std::vector<std::string>>& flags) {
    std::vector<std::string> argv = {"./attack"};
    argv.insert(argv.end(), words.begin(), words.end());
    std::optional<harness::SessionFlags> session;
    if (flags.has_value()) session = {.mounts = {Mount()}, .extra = *flags};
    const harness::Outcome outcome =
        harness::RunEither(session, {.argv = argv, .directory = Mount()});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
    return {outcome.out};
  }

  static std::vector<std::string> Ports(const std::string& attack, const Server& allowed,
                                        const Server& forbidden) {
    return {attack, std::to_string(allowed.port()), std::to_string(forbidden.port())};
  }

  // The attack bare reaches `server` at least `least` times, from a session never.
  void ExpectReachesBareOnly(const std::vector<std::string>& words,
                             const std::vector<std::string>& flags, Server& server, int least) {
    const Result bare = Run(words, std::nullopt);
    EXPECT_GE(server.TakeHits(), least) << "the bare control\n" << bare.out;
    ExpectNoneFromASession(words, flags, server);
  }

  void ExpectNoneFromASession(const std::vector<std::string>& words,
                              const std::vector<std::string>& flags, Server& server) {
    last_ = Run(words, flags);
    EXPECT_EQ(server.TakeHits(), 0) << "escaped from the session\n" << last_.out;
  }

  // The same for a race, in which the session still gets to what it may. Bare it goes on until it
  // is lost: on a machine that others keep busy one turn may hardly make an attempt.
  void ExpectRaceIsLostBareOnly(const std::vector<std::string>& words,
                                const std::vector<std::string>& flags, Server& server,
                                Server& permitted) {
    int turns = 0;
    do {
      Run(words, std::nullopt);
    } while (server.TakeHits() == 0 && ++turns < kBareTurns);
    EXPECT_LT(turns, kBareTurns) << "the bare control never lost";
    ExpectNoneFromASession(words, flags, server);
    EXPECT_GT(permitted.TakeHits(), 0) << last_.out;
    EXPECT_GT(atoi(last_.Of("successes").c_str()), 0) << last_.out;
    std::cout << words[0] << " " << words[1] << ": " << last_.Of("attempts")
              << " attempts in the session, 0 escapes\n";
  }

  harness::ScratchDirectory scratch_;
  Server allowed_;
  Server forbidden_;
  Server allowed_udp_;
  Server forbidden_udp_;
  Result last_;
};

TEST_F(NetworkAttack, NoSpellingOfAForbiddenAddressIsConnectedTo) {
  ExpectReachesBareOnly(Ports("spellings", allowed_, forbidden_), Rules(), forbidden_, 4);
  for (const char* spelling :
       {"connect", "other-loopback", "any", "mapped", "mapped-any", "any6"}) {
    EXPECT_EQ(last_.Of(spelling), "EACCES") << spelling;
  }
  for (const char* spelling : {"fastopen", "fastopen6", "fastopen-message"}) {
    EXPECT_EQ(last_.Of(spelling), "EOPNOTSUPP") << spelling;
  }
}

TEST_F(NetworkAttack, NoSpellingIsConnectedToWithoutDatagramRules) {
  ExpectReachesBareOnly(Ports("spellings", allowed_, forbidden_), {"--allow-net", Rule(allowed_)},
                        forbidden_, 4);
}

TEST_F(NetworkAttack, SpellingsOfAnAllowedAddressWork) {
  const Result inside = Run(Ports("spellings", allowed_, allowed_), Rules());
  for (const char* spelling : {"connect", "any", "mapped", "mapped-any"}) {
    EXPECT_EQ(inside.Of(spelling), "OK") << spelling;
  }
  EXPECT_EQ(inside.Of("other-loopback"), "EACCES");
}

TEST_F(NetworkAttack, NoDatagramGoesToAForbiddenAddress) {
  ExpectReachesBareOnly(Ports("datagrams", allowed_udp_, forbidden_udp_), Rules(), forbidden_udp_,
                        7);
  EXPECT_EQ(last_.Of("messages"), "2");  // up to the forbidden one
  EXPECT_GE(allowed_udp_.TakeHits(), 2);
}

TEST_F(NetworkAttack, ConnectionIsNotMadeAnewToAForbiddenAddress) {
  ExpectReachesBareOnly(Ports("reconnect", allowed_, forbidden_), Rules(), forbidden_, 1);
  EXPECT_EQ(last_.Of("undone"), "OK");
}

TEST_F(NetworkAttack, SocketOfAnAccompliceInTheSessionGoesNoFurther) {
  ExpectReachesBareOnly(Ports("passed", allowed_, forbidden_), Rules(), forbidden_, 1);
  EXPECT_EQ(last_.Of("received"), "OK");
}

TEST_F(NetworkAttack, NothingIsReachedWithoutANetwork) {
  ExpectReachesBareOnly(Ports("spellings", allowed_, forbidden_), {}, forbidden_, 4);
  ExpectReachesBareOnly(Ports("datagrams", allowed_udp_, forbidden_udp_), {}, forbidden_udp_, 7);
  EXPECT_EQ(allowed_udp_.TakeHits() + allowed_.TakeHits(), 2);  // of the bare control
}

TEST_F(NetworkAttack, NoSocketListensWhereNoRuleSays) {
  const std::string spare = std::to_string(Server(InetSocket(SOCK_STREAM), true).port());
  const std::vector<std::string> words = {"listening", std::to_string(allowed_.port()), spare};
  const Result bare = Run(words, std::nullopt);
  const Result inside = Run(words, Rules());
  for (const char* way : {"listen-unbound", "bind-everywhere", "listen-given-up"}) {
    EXPECT_EQ(bare.Of(way), "OK") << way;
    EXPECT_EQ(inside.Of(way), "EACCES") << way;
  }
  EXPECT_EQ(inside.Of("bind-other-port"), "EACCES");
  EXPECT_EQ(inside.Of("connect-allowed"), "OK");
}

TEST_F(NetworkAttack, FamiliesThatNoPolicyNamesAreNotMade) {
  const Result bare = Run({"families"}, std::nullopt);
  EXPECT_EQ(bare.Of("netlink"), "OK");
  EXPECT_EQ(bare.Of("inet"), "OK");
  const Result none = Run({"families"}, std::vector<std::string>{});
  for (const char* family : {"inet", "inet6", "raw", "packet", "netlink", "generic", "vsock", "alg",
                             "mptcp", "udplite", "sctp"}) {
    EXPECT_EQ(none.Of(family), "EAFNOSUPPORT") << family;
  }
  const Result host = Run({"families"}, std::vector<std::string>{"--net", "host"});
  for (const char* family : {"inet", "inet6", "netlink"}) EXPECT_EQ(host.Of(family), "OK");
  for (const char* family : {"packet", "vsock", "alg"}) {
    EXPECT_EQ(host.Of(family), "EAFNOSUPPORT") << family;
  }
  EXPECT_EQ(host.Of("raw"), "EPERM");
  for (const char* family : {"generic", "mptcp", "udplite", "sctp"}) {
    EXPECT_EQ(host.Of(family), "EPROTONOSUPPORT") << family;
  }
}

TEST_F(NetworkAttack, NoOptionLeadsPastARule) {
  const Result bare = Run({"source-route"}, std::nullopt);
  EXPECT_EQ(bare.Of("source-route"), geteuid() == 0 ? "OK" : "EPERM");
  const Result inside = Run({"source-route"}, Rules());
  EXPECT_EQ(inside.Of("source-route"), "EPERM");
  for (const char* option : {"ip-options", "join-group"}) {
    EXPECT_EQ(bare.Of(option), "OK") << option;
    EXPECT_EQ(inside.Of(option), "EPERM") << option;
  }
}

TEST_F(NetworkAttack, SocketFileOutsideIsNotConnectedTo) {
  Server stream(UnixSocket(Outside("stream"), SOCK_STREAM), true);
  Server datagrams(UnixSocket(Outside("datagrams"), SOCK_DGRAM), false);
  harness::MakeLink(Outside("stream"), Mount() + "/link");
  const std::vector<std::string> words = {"unix", Outside("stream"), Outside("datagrams"), "link",
                                          "/proc/self/cwd/../outside/stream"};
  ExpectReachesBareOnly(words, {}, stream, 3);
  EXPECT_EQ(last_.Of("connect"), harness::OutsideErrno());
  ExpectReachesBareOnly(words, Rules(), datagrams, 1);
  stream.TakeHits();
  Run({"unix", Outside("stream")}, std::vector<std::string>{"--unix", Outside("stream")});
  EXPECT_EQ(stream.TakeHits(), 1) << "the rule for it";
}

TEST_F(NetworkAttack, SocketFileOfASecondMountIsNotReachedByALink) {
  Server server(UnixSocket(scratch_ / "second/stream", SOCK_STREAM), true);
  harness::MakeLink(scratch_ / "second/stream", Mount() + "/link");
  ExpectReachesBareOnly({"unix", "link"}, {"--mount", scratch_ / "second"}, server, 1);
  Run({"unix", scratch_ / "second/stream"},
      std::vector<std::string>{"--mount", scratch_ / "second"});
  EXPECT_EQ(server.TakeHits(), 1) << "by its own name";
  ExpectReachesBareOnly({"unix", scratch_ / "second/stream"},
                        {"--mount", (scratch_ / "second") + ":ro"}, server, 1);
}

TEST_F(NetworkAttack, DeniedSocketFileIsNotConnectedTo) {
  Server server(UnixSocket(Mount() + "/denied.sock", SOCK_STREAM), true);
  ExpectReachesBareOnly({"unix", "denied.sock"}, {"--deny", "denied.*"}, server, 1);
}

TEST_F(NetworkAttack, AbstractSocketOutsideIsNotConnectedTo) {
  const std::string name = "@sessionctl-test-" + std::to_string(getpid());
  Server stream(UnixSocket(name, SOCK_STREAM), true);
  ExpectReachesBareOnly({"unix", name}, {}, stream, 1);
  EXPECT_EQ(last_.Of("connect"), "EPERM");
  ExpectReachesBareOnly({"unix", name}, Rules(), stream, 1);
}

class NetworkRace : public NetworkAttack {
 protected:
  void Port(const std::string& call, Server& allowed, Server& forbidden) {
    ExpectRaceIsLostBareOnly(
        {"race", call, std::to_string(allowed.port()), std::to_string(forbidden.port()), Seconds()},
        Rules(), forbidden, allowed);
  }
};

TEST_F(NetworkRace, PortChangedDuringConnect) { Port("connect", allowed_, forbidden_); }
TEST_F(NetworkRace, PortChangedDuringSendto) { Port("sendto", allowed_udp_, forbidden_udp_); }
TEST_F(NetworkRace, PortChangedDuringSendmsg) { Port("sendmsg", allowed_udp_, forbidden_udp_); }
TEST_F(NetworkRace, PortChangedDuringSendmmsg) { Port("sendmmsg", allowed_udp_, forbidden_udp_); }

TEST_F(NetworkRace, PathChangedDuringConnect) {
  Server inside(UnixSocket(Mount() + "/own", SOCK_STREAM), true);
  Server outside(UnixSocket(Outside("own"), SOCK_STREAM), true);
  ExpectRaceIsLostBareOnly({"race-path", Mount() + "/own", Outside("own"), Seconds()}, {}, outside,
                           inside);
}

TEST_F(NetworkRace, LinkChangedDuringConnect) {
  Server inside(UnixSocket(Mount() + "/own", SOCK_STREAM), true);
  Server outside(UnixSocket(Outside("own"), SOCK_STREAM), true);
  ExpectRaceIsLostBareOnly({"race-link", "own", Outside("own"), Seconds()}, {}, outside, inside);
}

TEST_F(NetworkRace, DirectoryOfANewSocketFileExchangedForALink) {
  for (const char* name : {"outside", "second"}) {
    const std::vector<std::string> words = {"race-bind", scratch_ / name, Seconds()};
    EXPECT_GT(atoi(Run(words, std::nullopt).Of("escapes").c_str()), 0) << "the bare control";
    harness::RemoveTree(Mount() + "/real");
    harness::RemoveTree(Mount() + "/swap");
    const bool second = name == std::string("second");
    const Result inside = Run(words, second ? std::vector<std::string>{"--mount", scratch_ / name}
                                            : std::vector<std::string>{});
    EXPECT_EQ(inside.Of("escapes"), "0") << inside.out;
    EXPECT_GT(atoi(inside.Of("successes").c_str()), 0) << inside.out;
    std::cout << name << ": " << inside.Of("attempts") << " attempts in the session\n";
    harness::RemoveTree(Mount() + "/real");
    harness::RemoveTree(Mount() + "/swap");
  }
}

TEST_F(NetworkRace, LinkToASecondMountChangedDuringConnect) {
  const std::string second = scratch_ / "second";
  Server inside(UnixSocket(Mount() + "/own", SOCK_STREAM), true);
  Server other(UnixSocket(second + "/own", SOCK_STREAM), true);
  ExpectRaceIsLostBareOnly({"race-link", "own", second + "/own", Seconds()}, {"--mount", second},
                           other, inside);
}

}  // namespace
}  // namespace escape
