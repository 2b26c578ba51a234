// sessiond, its zygote, monitors and brokers are killed or stopped at any time: no session is lost,
// none is started twice, and each ends in a clear state.
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
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

class SessiondCrash : public SessiondTest {
 protected:
  void SetUp() override {
    SessiondTest::SetUp();
    StartSessiond();
  }
  // Each session leaves one mark; two when it is started twice.
  size_t Marks(const std::string& directory) {
    size_t marks = 0;
    for (const auto& entry : fs::directory_iterator(directory)) {
      marks += LinesOf(ReadWholeFile(entry.path())).size();
    }
    return marks;
  }
};

TEST_F(SessiondCrash, IdleKillLosesNothing) {
  const Traces before = Look();
  const std::string living = SpawnShell(
      "echo before; while ! [ -e go ]; do sleep 0.05; done; echo after; while ! [ -e end ]; do "
      "sleep 0.05; done; exit 4");
  const std::string meanwhile = SpawnShell("while ! [ -e go ]; do sleep 0.05; done; exit 3");
  const std::string earlier = SpawnShell("exit 2");
  ASSERT_EQ(Cli({"wait", earlier}).exit_code, 2);
  const pid_t follower = StartInto("follow", {"logs", "-f", living});
  const pid_t waiter = StartInto("wait", {"wait", living});
  ASSERT_TRUE(Eventually([&] { return Output("follow") == "before\n"; }));
  KillSessiond();
  std::ofstream(mount_ + "/go") << "";
  ASSERT_TRUE(Eventually([&] { return Sessiond() > 0; })) << "the followers start the next one";
  EXPECT_EQ(StateOf(living), "running");
  ASSERT_EQ(Cli({"wait", meanwhile}).exit_code, 3);
  EXPECT_EQ(ReasonOf(meanwhile), "exited");
  EXPECT_EQ(At(Session(earlier), "/exit/code"), 2);
  EXPECT_EQ(Cli({"exec", living, "sh", "-c", "exit 6"}).exit_code, 6);
  EXPECT_EQ(Sessions().size(), 3U);
  std::ofstream(mount_ + "/end") << "";
  EXPECT_EQ(AwaitExit(waiter), 4);
  EXPECT_EQ(AwaitExit(follower), 0);
  EXPECT_EQ(Output("follow"), "before\nafter\n");
  EXPECT_EQ(Output("wait"), "4\n");
  EXPECT_EQ(LinesOf(Cli({"prune"}).out).size(), 3U);
  ExpectTraces(before);
}

TEST_F(SessiondCrash, AttachedClientDoesNotNotice) {
  const std::string id = SpawnShell("while ! [ -e go ]; do sleep 0.05; done; echo after; exit 8");
  const pid_t client = StartInto("attached", {"attach", "--no-stdin", id});
  ASSERT_TRUE(Eventually([&] { return Sessiond() > 0 && At(Session(id), "/id") == id; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  KillSessiond();
  std::ofstream(mount_ + "/go") << "";
  EXPECT_EQ(AwaitExit(client), 8);
  EXPECT_EQ(Output("attached"), "after\n");
}

// The log's files are rotated under the follower, and the supervisor that reads them is killed.
TEST_F(SessiondCrash, FollowerSeesEveryLineThroughRotationsAndKills) {
  constexpr int kLines = 24'000;  // of 48 bytes: 18 files
  const std::string script =
      "i=0; while [ $i -lt 240 ]; do seq -f '%047.0f' $((i*100+1)) $((i*100+100)); i=$((i+1)); "
      "sleep 0.02; done; while ! [ -e end ]; do sleep 0.05; done";
  const ApiReply made = Api("POST", "/v1/sessions",
                            json({{"command", {"sh", "-c", script}},
                                  {"policy",
                                   "extends = [\"default\"]\n[process]\n"
                                   "working_directory = \"" +
                                       mount_ + "\"\n[[mount]]\nhost = \"" + mount_ + "\"\n"},
                                  {"log", {{"max_bytes", 65'536}, {"max_files", 8}}}}));
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string id = At(made.Json(), "/0/id");
  const pid_t follower = StartInto("follow", {"logs", "-f", id});
  const auto seen = [&] { return LinesOf(Output("follow")).size(); };
  for (size_t i = 1; i <= 4; ++i) {
    ASSERT_TRUE(Eventually([&] { return seen() >= i * kLines / 6; }));
    KillSessiond();
    ASSERT_TRUE(Eventually([&] { return Sessiond() > 0; }));
  }
  EXPECT_TRUE(Eventually([&] { return seen() == kLines; })) << seen();
  std::ofstream(mount_ + "/end") << "";
  EXPECT_EQ(AwaitExit(follower), 0);
  const std::vector<std::string> lines = LinesOf(Output("follow"));
  ASSERT_EQ(lines.size(), static_cast<size_t>(kLines));
  for (size_t i = 0; i < lines.size(); ++i) {
    ASSERT_EQ(std::stoul(lines[i]), i + 1) << "line " << i + 1;
  }
  EXPECT_FALSE(fs::exists(DirectoryOf(id) + "/output.log.9")) << "and the log is bounded";
  EXPECT_GT(fs::file_size(DirectoryOf(id) + "/output.log.1"), 0U) << "it was rotated";
}

// Killed again and again in the middle of bursts: whatever was started is there, once.
TEST_F(SessiondCrash, KillsAmidBurstsLoseAndDoubleNothing) {
  const Traces before = Look();
  std::mt19937 random(4711);
  for (int round = 0; round < 4; ++round) {
    const std::string file = "burst." + std::to_string(round);
    const pid_t burst = StartInto(
        file, {"spawn", "--count", "20", "--mount", mount_, "--workdir", mount_, "--", "sh", "-c",
               "echo x >> mark.$(cat /proc/sys/kernel/random/uuid); exec sleep 1000"});
    std::this_thread::sleep_for(std::chrono::milliseconds(30 + random() % 400));
    KillSessiond();
    AwaitExit(burst);
    StartSessiond();
  }
  // Nothing is on its way any more when every monitor that there is has said so.
  ASSERT_TRUE(Eventually([&] { return Sessions("?state=starting").empty(); }));
  const json sessions = Sessions();
  std::set<pid_t> commands;
  for (const json& session : sessions) {
    EXPECT_EQ(session.value("state", ""), "running") << session.dump(1);
    commands.insert(session["process"]["pid"].get<pid_t>());
  }
  EXPECT_EQ(commands.size(), sessions.size());
  EXPECT_TRUE(Eventually([&] { return Marks(mount_) == sessions.size(); }))
      << Marks(mount_) << " marks of " << sessions.size() << " sessions";
  // Whatever a client was told of lives.
  for (int round = 0; round < 4; ++round) {
    for (const std::string& line : LinesOf(Output("burst." + std::to_string(round)))) {
      if (line.size() != 12) continue;
      EXPECT_EQ(StateOf(line), "running") << line;
    }
  }
  EXPECT_EQ(Cli({"stop", "--all", "-t", "0"}).exit_code, 0);
  EXPECT_EQ(LinesOf(Cli({"prune"}).out).size(), sessions.size());
  ExpectTraces(before);
}

// What the next supervisor finds may be anything; a session that lives is not lost by it.
TEST_F(SessiondCrash, RecordsThatCannotBeReadAreSetAside) {
  const std::string torn = SpawnShell("exec sleep 1000");
  const std::string foreign = SpawnShell("exec sleep 1000");
  const std::string future = SpawnShell("while ! [ -e go ]; do sleep 0.05; done; exit 7");
  const std::string good = SpawnShell("exec sleep 1000");
  const std::string dead = SpawnShell("exit 5");
  ASSERT_EQ(Cli({"wait", dead}).exit_code, 5);
  KillSessiond();
  const auto state = [&](const std::string& id) { return DirectoryOf(id) + "/state.json"; };
  fs::resize_file(state(torn), fs::file_size(state(torn)) / 2);
  const std::string whole = ReadWholeFile(state(good));
  std::ofstream(state(foreign)) << whole;  // of another session
  json record = json::parse(ReadWholeFile(state(future)), nullptr, false);
  record["version"] = 999;
  std::ofstream(state(future)) << record.dump();
  std::ofstream(state(dead)) << "";
  fs::create_directory(DirectoryOf("aaaaaaaaaaaa"));  // no record at all
  std::ofstream(DirectoryOf("bbbbbbbbbbbb")) << "no directory";
  StartSessiond();
  EXPECT_EQ(StateOf(good), "running");
  std::map<std::string, bool> unreadable;
  for (const json& session : Sessions()) {
    if (session["state"] == "unreadable") unreadable[session["id"]] = session["alive"];
  }
  EXPECT_EQ(
      unreadable,
      (std::map<std::string, bool>{
          {torn, true}, {foreign, true}, {future, true}, {dead, false}, {"aaaaaaaaaaaa", false}}));
  EXPECT_NE(Session(future).value("detail", "").find("999"), std::string::npos)
      << Session(future).dump();
  EXPECT_EQ(Api("GET", "/v1/sessions/" + torn).status, 422);
  EXPECT_NE(Cli({"ps"}).out.find(torn), std::string::npos);
  EXPECT_EQ(Cli({"prune"}).out, "") << "nothing that cannot be read is removed unasked";
  // They still can be entered and end as any other; what their monitors write then is whole.
  EXPECT_EQ(Cli({"exec", torn, "sh", "-c", "exit 6"}).exit_code, 6);
  std::ofstream(mount_ + "/go") << "";
  EXPECT_TRUE(Eventually([&] { return StateOf(future) == "exited"; }));
  EXPECT_EQ(At(Session(future), "/exit/code"), 7);
  EXPECT_EQ(Cli({"stop", "-t", "0", torn, foreign}).exit_code, 0);
  EXPECT_EQ(StateOf(torn), "exited");
  EXPECT_EQ(StateOf(foreign), "exited");
  EXPECT_EQ(Api("DELETE", "/v1/sessions/" + dead).status, 204);
  EXPECT_EQ(Api("DELETE", "/v1/sessions/aaaaaaaaaaaa").status, 204);
  fs::remove(DirectoryOf("bbbbbbbbbbbb"));
}

// A start that was cut off before its session could be seen leaves nothing for long.
TEST_F(SessiondCrash, AbandonedStartsAreRemoved) {
  const std::string left = StateDirectory() + "/.new-cccccccccccc";
  fs::create_directory(left);
  std::ofstream(left + "/lock") << "";
  fs::last_write_time(left, fs::file_time_type::clock::now() - std::chrono::hours(1));
  KillSessiond();
  StartSessiond();
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(SessiondCrash, ZygoteIsReplaced) {
  const Traces before = Look();
  const std::string living = SpawnShell("exec sleep 1000");
  for (int i = 0; i < 5; ++i) {
    const pid_t zygote = ZygoteOf();
    ASSERT_EQ(kill(zygote, SIGKILL), 0);
    EXPECT_EQ(Cli({"spawn", "--", "true"}).exit_code, 0);
    EXPECT_NE(ZygoteOf(), zygote);
  }
  EXPECT_EQ(StateOf(living), "running") << "it is nobody's matter but its monitor's";
  EXPECT_EQ(Cli({"stop", "-t", "0", living}).exit_code, 0);
  EXPECT_TRUE(Eventually([&] { return Sessions("?state=running").empty(); }));
  EXPECT_EQ(LinesOf(Cli({"prune"}).out).size(), 6U);
  ExpectTraces(before);
}

TEST_F(SessiondCrash, ZygoteKilledInABurstStartsEachOnce) {
  const Traces before = Look();
  const pid_t burst = StartInto(
      "burst", {"spawn", "--count", "60", "--mount", mount_, "--workdir", mount_, "--", "sh", "-c",
                "echo x >> mark.$(cat /proc/sys/kernel/random/uuid); exec sleep 1000"});
  int killed = 0;
  for (int i = 0; i < 6; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    if (ZygoteOf() > 0 && kill(ZygoteOf(), SIGKILL) == 0) ++killed;
  }
  EXPECT_GE(killed, 3);
  EXPECT_EQ(AwaitExit(burst), 0) << Output("burst");
  const std::vector<std::string> told = LinesOf(Output("burst"));
  EXPECT_EQ(std::count_if(told.begin(), told.end(),
                          [](const std::string& line) { return line.size() == 12; }),
            60);
  EXPECT_EQ(Sessions("?state=running").size(), 60U);
  EXPECT_EQ(Sessions().size(), 60U);
  EXPECT_TRUE(Eventually([&] { return Marks(mount_) == 60; })) << Marks(mount_);
  EXPECT_EQ(Cli({"stop", "--all", "-t", "0"}).exit_code, 0);
  EXPECT_EQ(LinesOf(Cli({"prune"}).out).size(), 60U);
  ExpectTraces(before);
}

TEST_F(SessiondCrash, KilledBrokersAndMonitorsAreTold) {
  const Traces before = Look();
  const std::string broker = SpawnShell("exec sleep 1000");
  const std::string monitor = SpawnShell("exec sleep 1000");
  const pid_t left = PidOf(monitor, "process");
  ASSERT_EQ(kill(PidOf(broker, "broker"), SIGKILL), 0);
  ASSERT_EQ(kill(PidOf(monitor, "monitor"), SIGKILL), 0);
  EXPECT_EQ(Cli({"wait", broker, monitor}).out, "125\n125\n");
  EXPECT_EQ(ReasonOf(broker), "broker lost");
  EXPECT_EQ(ReasonOf(monitor), "monitor lost");
  EXPECT_TRUE(Eventually([&] { return !Alive(left); }));
  EXPECT_EQ(LinesOf(Cli({"prune"}).out).size(), 2U);
  ExpectTraces(before);
}

TEST_F(SessiondCrash, StoppedBrokerAndMonitorDoNotStopOthers) {
  const std::string broker = SpawnShell("exec sleep 1000");
  const std::string monitor = SpawnShell("exec sleep 1000");
  ASSERT_EQ(kill(PidOf(broker, "broker"), SIGSTOP), 0);
  ASSERT_EQ(kill(PidOf(monitor, "monitor"), SIGSTOP), 0);
  EXPECT_EQ(StateOf(broker), "running");
  EXPECT_EQ(Sessions().size(), 2U);
  EXPECT_EQ(Cli({"spawn", "--", "true"}).exit_code, 0);
  EXPECT_EQ(Cli({"stop", "-t", "0.1", broker, monitor}).exit_code, 0);
  EXPECT_EQ(StateOf(broker), "exited");
  EXPECT_EQ(StateOf(monitor), "exited");
}

}  // namespace
}  // namespace sessionctl
