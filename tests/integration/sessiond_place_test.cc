// One sessiond a state directory: who begins, who leaves, who takes over, and what somebody else
// does to its files.
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/sessiond_fixture.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class SessiondPlace : public SessiondTest {};

TEST_F(SessiondPlace, LockDecidesBetweenTwo) {
  const pid_t first = StartSessiond();
  const pid_t second = StartInto("second", {"serve"});
  EXPECT_EQ(AwaitExit(second), 1);
  EXPECT_NE(Output("second").find("another supervisor runs"), std::string::npos);
  EXPECT_EQ(Sessiond(), first);
}

TEST_F(SessiondPlace, TwentyClientsAtOnceStartOne) {
  std::vector<pid_t> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(StartInto("client." + std::to_string(i), {"spawn", "--", "true"}));
  }
  for (size_t i = 0; i < clients.size(); ++i) {
    EXPECT_EQ(AwaitExit(clients[i]), 0) << Output("client." + std::to_string(i));
  }
  EXPECT_EQ(Sessions().size(), 20U);
  const auto supervisors = [this] {
    int count = 0;
    for (const auto& [pid, name] : Look().processes) count += name == "sessiond";
    return count;
  };
  EXPECT_TRUE(Eventually([&] { return supervisors() == 1; })) << supervisors();
}

// A client that comes while an idle one leaves is answered by it, or by the next one.
TEST_F(SessiondPlace, ClientOfOneThatLeavesIsServed) {
  set_["SESSIONCTL_IDLE_EXIT"] = "1";
  StartSessiond();
  for (int i = 0; i < 40; ++i) {
    const pid_t pid = Sessiond();
    if (pid > 0) kill(pid, SIGTERM);
    if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(i / 2));
    const CliResult listed = Cli({"ps", "--json"});
    EXPECT_EQ(listed.exit_code, 0) << listed.err;
    if (i % 8 != 0) continue;
    const CliResult spawned = Cli({"spawn", "--", "true"});
    EXPECT_EQ(spawned.exit_code, 0) << spawned.err;
  }
  EXPECT_EQ(json::parse(Cli({"ps", "--json"}).out, nullptr, false).size(), 5U);
}

TEST_F(SessiondPlace, IdleOneLeavesAndTakesItsSocketAlong) {
  const pid_t pid = StartSessiond({"--idle-exit", "1"});
  EXPECT_TRUE(Eventually([&] { return !Alive(pid); }));
  EXPECT_FALSE(fs::exists(StateDirectory() + "/sessiond.sock"));
}

TEST_F(SessiondPlace, NewBinaryTakesOverWhatRuns) {
  const pid_t before = StartSessiond();
  const CliResult spawned = Cli({"spawn", "--count", "100", "--", "sleep", "1000"});
  ASSERT_EQ(spawned.exit_code, 0) << spawned.err;
  const pid_t waiter = StartInto("waiter", {"wait", spawned.out.substr(0, 12)});
  const std::string copy = scratch_ + "/sessionctl";
  const char* chosen = getenv("SESSIONCTL");
  fs::copy_file(chosen != nullptr ? chosen : SESSIONCTL_BUILT, copy);
  const std::string saved = chosen != nullptr ? chosen : "";
  setenv("SESSIONCTL", copy.c_str(), 1);
  const pid_t after = StartSessiond({"--replace"});
  if (saved.empty()) unsetenv("SESSIONCTL");
  if (!saved.empty()) setenv("SESSIONCTL", saved.c_str(), 1);
  EXPECT_NE(before, after);
  EXPECT_EQ(Sessiond(), after);
  EXPECT_TRUE(Eventually([&] { return !Alive(before); }));
  EXPECT_EQ(fs::read_symlink("/proc/" + std::to_string(after) + "/exe"), copy);
  EXPECT_EQ(Sessions("?state=running").size(), 100U);
  EXPECT_EQ(Cli({"exec", spawned.out.substr(0, 12), "sh", "-c", "exit 6"}).exit_code, 6);
  EXPECT_EQ(Cli({"stop", "--all", "-t", "0"}).exit_code, 0);
  EXPECT_NE(AwaitExit(waiter), 125) << Output("waiter");
}

// Each asks whoever has the place to leave: the last one has it, and nothing else has changed.
TEST_F(SessiondPlace, SeveralThatReplaceAtOnceLeaveOne) {
  StartSessiond();
  const CliResult spawned = Cli({"spawn", "--count", "5", "--", "sleep", "1000"});
  ASSERT_EQ(spawned.exit_code, 0) << spawned.err;
  std::vector<pid_t> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(StartInto("replace." + std::to_string(i), {"serve", "--replace"}));
  }
  const auto living = [&] { return std::count_if(all.begin(), all.end(), Alive); };
  EXPECT_TRUE(Eventually([&] { return living() == 1; })) << living();
  EXPECT_TRUE(Eventually([&] { return Sessiond() > 0; }));
  const pid_t last = Sessiond();
  EXPECT_EQ(std::count(all.begin(), all.end(), last), 1);
  EXPECT_EQ(Sessions("?state=running").size(), 5U);
  EXPECT_EQ(Cli({"stop", "--all", "-t", "0"}).exit_code, 0);
  StopSessiond();
  for (const pid_t pid : all) EXPECT_EQ(AwaitExit(pid), 0);
}

// The moment of the decision to leave, hit again and again: whoever comes then is served.
TEST_F(SessiondPlace, ClientsThatComeWhenItLeavesIdleAreServed) {
  set_["SESSIONCTL_IDLE_EXIT"] = "1";
  std::mt19937 random(4711);
  std::set<pid_t> supervisors;
  for (int i = 0; i < 10; ++i) {
    // It looks once a second, and leaves after more than one idle second.
    std::this_thread::sleep_for(std::chrono::milliseconds(900 + random() % 1200));
    std::vector<pid_t> clients;
    for (int each = 0; each < 3; ++each) {
      clients.push_back(StartInto("client." + std::to_string(i), {"spawn", "--", "true"}));
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 30));
    }
    for (const pid_t client : clients) {
      EXPECT_EQ(AwaitExit(client), 0) << Output("client." + std::to_string(i));
    }
    supervisors.insert(Sessiond());
  }
  EXPECT_GT(supervisors.size(), 2U) << "none has left: nothing was tried";
  EXPECT_EQ(json::parse(Cli({"ps", "--json"}).out, nullptr, false).size(), 30U);
}

TEST_F(SessiondPlace, RemovedSocketAndLockAreMadeAgain) {
  const pid_t pid = StartSessiond();
  fs::remove(StateDirectory() + "/sessiond.sock");
  fs::remove(StateDirectory() + "/sessiond.lock");
  EXPECT_TRUE(Eventually([&] { return Sessiond() == pid; }));
  EXPECT_TRUE(fs::exists(StateDirectory() + "/sessiond.lock"));
}

TEST_F(SessiondPlace, LinkInPlaceOfTheSocketIsReplaced) {
  const pid_t pid = StartSessiond();
  const std::string socket = StateDirectory() + "/sessiond.sock";
  fs::remove(socket);
  fs::create_symlink(scratch_ + "/elsewhere", socket);
  EXPECT_TRUE(Eventually([&] { return fs::is_socket(fs::symlink_status(socket)); }));
  EXPECT_EQ(Sessiond(), pid);
}

// Sessions that live do not need the directory; whoever wants to stop them does.
TEST_F(SessiondPlace, RemovedStateDirectoryLosesNoLivingSession) {
  const pid_t pid = StartSessiond();
  const std::string id = SpawnShell("exec sleep 1000");
  fs::remove_all(StateDirectory());
  ASSERT_TRUE(Eventually([&] { return Sessiond() == pid; }));
  EXPECT_EQ(StateOf(id), "running");
  EXPECT_EQ(Cli({"spawn", "--", "true"}).exit_code, 0) << "into the new one";
  EXPECT_EQ(Cli({"stop", "-t", "0", id}).exit_code, 0);
  EXPECT_EQ(StateOf(id), "lost");
  EXPECT_EQ(ReasonOf(id), "its directory was removed while it ran");
}

}  // namespace
}  // namespace sessionctl
