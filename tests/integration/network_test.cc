// Calls on sockets answer in a session as they do bare: errors, names, waits, signals, what a
// message carries.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/bare_and_inside.h"

namespace sessionctl {
namespace {

// Sends are mediated only where datagrams may name a destination; then streams have to keep their
// meaning, too.
const std::vector<std::string> kMediatedSends = {"--allow-net", "127.0.0.1/32:*/udp"};
const std::vector<std::string> kRules = {"--allow-net", "127.0.0.0/8:*", "--listen", "127.0.0.1:0"};

std::vector<std::string> Both() {
  std::vector<std::string> flags = kRules;
  flags.insert(flags.end(), kMediatedSends.begin(), kMediatedSends.end());
  return flags;
}

TEST(SocketCallsTest, SocketFilesAreMadeAndConnectedToAsBare) {
  ExpectSameBareAndInside({"socket_calls", "unix"});
}

// There the broker binds from the pinned directory, by the last name.
TEST(SocketCallsTest, SocketFilesInAMountWithRulesAreAsBare) {
  ExpectSameBareAndInside({"socket_calls", "unix"}, {"--read-only", "no-such-name"});
}

TEST(SocketCallsTest, ConnectWaitsAsBareAndHoldsUpNothingElse) {
  ExpectSameBareAndInside({"socket_calls", "unix-wait"});
}

TEST(SocketCallsTest, WaitingConnectIsInterruptedOrGoesOnAsBare) {
  ExpectSameBareAndInside({"socket_calls", "unix-signals"});
}

TEST(SocketCallsTest, MediatedDatagramsOfSocketFilesAreAsBare) {
  ExpectSameBareAndInside({"socket_calls", "datagrams"}, kMediatedSends);
}

TEST(SocketCallsTest, NativeMessagesAreAsBare) {
  ExpectSameBareAndInside({"socket_calls", "messages"});
}

TEST(SocketCallsTest, MediatedMessagesAreAsBare) {
  ExpectSameBareAndInside({"socket_calls", "messages"}, kMediatedSends);
}

TEST(SocketCallsTest, TcpIsAsBareWithTheHostsNetwork) {
  ExpectSameBareAndInside({"socket_calls", "tcp", "tcp-wait"}, {"--net", "host"});
}

TEST(SocketCallsTest, TcpIsAsBareWithinRules) {
  ExpectSameBareAndInside({"socket_calls", "tcp-wait"}, kRules);
}

TEST(SocketCallsTest, UdpIsAsBareWithTheHostsNetwork) {
  ExpectSameBareAndInside({"socket_calls", "udp"}, {"--net", "host"});
}

TEST(SocketCallsTest, UdpIsAsBareWithinRules) {
  std::vector<std::string> flags = Both();
  flags.insert(flags.end(), {"--listen", "127.0.0.1:0/udp"});
  ExpectSameBareAndInside({"socket_calls", "udp"}, flags);
}

}  // namespace
}  // namespace sessionctl
