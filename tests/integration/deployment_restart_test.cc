// Restart policies, and what is left of a deployment when its supervisor is killed.
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/deployment_fixture.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::milliseconds;

class DeploymentRestart : public DeploymentTest {
 protected:
  // Milliseconds since the epoch, a line a run: `date +%s%3N >> runs`.
  std::vector<int64_t> Runs() {
    std::vector<int64_t> runs;
    std::istringstream stream(Mounted("runs"));
    for (int64_t at; stream >> at;) runs.push_back(at);
    return runs;
  }
};

constexpr char kCrash[] = "date +%s%3N >> runs; exit 3";

TEST_F(DeploymentRestart, BacksOffExponentiallyUpToTheCrashLoop) {
  const std::string file =
      WriteDeployment(Head() + ShellSession("a", kCrash,
                                            "restart = \"on-failure\"\nrestart_delay = \"100ms\"\n"
                                            "restart_delay_max = \"250ms\"\nrestart_limit = 5\n"));
  const CliResult up = Up(file);
  ASSERT_TRUE(Becomes("a.1", "crash-loop"));
  std::vector<int64_t> runs = Runs();
  ASSERT_EQ(runs.size(), 5U);
  const std::vector<int64_t> delays = {100, 200, 250, 250};
  for (size_t i = 0; i < delays.size(); ++i) {
    EXPECT_GE(runs[i + 1] - runs[i], delays[i]) << "run " << i + 2;
  }
  EXPECT_EQ(Place("a.1", "failures"), "5");
  EXPECT_EQ(Place("a.1", "restarts"), "4");
  EXPECT_EQ(Place("a.1", "exit/code"), "3");
  // The state can be seen a moment before it is acted on.
  const auto told = [&] {
    const std::vector<std::string> events = EventTypes();
    return std::count(events.begin(), events.end(), "place.crash-loop");
  };
  EXPECT_TRUE(Eventually([&] { return told() == 1; }));
  EXPECT_TRUE(Eventually([&] { return Sessions("?deployment=d").size() == 1; }))
      << "of the ended ones, the latest";
  // Another supervisor leaves it alone too; applying the file forgets it.
  KillSessiond();
  StartSessiond();
  EXPECT_EQ(Place("a.1", "state"), "crash-loop");
  EXPECT_EQ(Runs().size(), 5U);
  const CliResult again = Up(file);
  EXPECT_TRUE(Eventually([&] { return Runs().size() == 10; }));
  EXPECT_TRUE(Becomes("a.1", "crash-loop"));
}

TEST_F(DeploymentRestart, PolicySaysAfterWhichEnd) {
  ASSERT_EQ(
      Up(WriteDeployment(Head() + ShellSession("never", "echo x >> never; exit 1") +
                         ShellSession("ok", "echo x >> ok; exit 0", "restart = \"on-failure\"\n") +
                         ShellSession("always", "echo x >> always; exit 0",
                                      "restart = \"always\"\nrestart_delay = \"20ms\"\n") +
                         ShellSession("killed", "echo x >> killed; kill -9 $$",
                                      "restart = \"on-failure\"\nrestart_delay = \"20ms\"\n")),
         {"--no-wait"})
          .exit_code,
      0);
  EXPECT_TRUE(Eventually([&] { return LinesIn("always") >= 3 && LinesIn("killed") >= 3; }));
  EXPECT_TRUE(Becomes("never.1", "failed"));
  EXPECT_TRUE(Becomes("ok.1", "completed"));
  EXPECT_EQ(LinesIn("never"), 1U);
  EXPECT_EQ(LinesIn("ok"), 1U);
}

TEST_F(DeploymentRestart, LongRunIsRestartedAtOnceAndForgetsFailures) {
  ASSERT_EQ(Up(WriteDeployment(Head() + ShellSession("a", "echo x >> runs; sleep 0.3; exit 1",
                                                     "restart = \"always\"\nrestart_delay = "
                                                     "\"1m\"\nhealthy_after = \"100ms\"\n")))
                .exit_code,
            0);
  EXPECT_TRUE(Eventually([&] { return LinesIn("runs") >= 4; }));
  EXPECT_EQ(Place("a.1", "failures"), "0");
}

TEST_F(DeploymentRestart, StoppedByAPersonStaysUntilItIsAppliedAgain) {
  const std::string file =
      WriteDeployment(Head() + ShellSession("a", "exec sleep 1000", "restart = \"always\"\n"));
  ASSERT_EQ(Up(file).exit_code, 0);
  const std::string id = Place("a.1", "id");
  ASSERT_EQ(Cli({"stop", id}).exit_code, 0);
  EXPECT_EQ(ReasonOf(id), "stopped");
  EXPECT_TRUE(Becomes("a.1", "stopped"));
  KillSessiond();
  StartSessiond();
  EXPECT_EQ(Place("a.1", "state"), "stopped");
  EXPECT_EQ(Sessions("?deployment=d").size(), 1U);
  ASSERT_EQ(Up(file).exit_code, 0);
  EXPECT_EQ(Place("a.1", "state"), "running");
  // Restarted by hand it keeps its place, and is not started beside.
  const CliResult restarted = Cli({"restart", "d.a.1"});
  ASSERT_EQ(restarted.exit_code, 0) << restarted.err;
  EXPECT_TRUE(Eventually([&] { return Place("a.1", "id") == restarted.out.substr(0, 12); }));
  EXPECT_EQ(Living(), (std::map<std::string, int>{{"a.1", 1}}));
}

TEST_F(DeploymentRestart, SessionThatIsNotReadyInTimeIsKilledWithAllOfIt) {
  const CliResult up = Up(WriteDeployment(
      Head() + ShellSession("a",
                            "trap '' TERM; (trap '' TERM; setsid sleep 1000) & echo x >> runs; "
                            "while :; do sleep 1; done",
                            "start_timeout = \"300ms\"\nready = { output = \"never\" }\n"
                            "restart = \"on-failure\"\nrestart_delay = \"50ms\"\n"
                            "restart_limit = 2\nstop_timeout = \"10m\"\n")));
  EXPECT_EQ(up.exit_code, 1) << up.out << up.err;
  ASSERT_TRUE(Becomes("a.1", "crash-loop"));
  EXPECT_EQ(LinesIn("runs"), 2U);
  EXPECT_EQ(Place("a.1", "exit/reason"), "start_timeout");
  EXPECT_EQ(Living().size(), 0U);
}

TEST_F(DeploymentRestart, StartThatCannotSucceedIsAFailureToo) {
  const CliResult up = Up(WriteDeployment(
      Head() + "[[mount]]\nhost = \"MOUNT/missing\"\n" +
      ShellSession("a", "exec sleep 1000",
                   "restart = \"always\"\nrestart_delay = \"30ms\"\nrestart_limit = 3\n")));
  EXPECT_NE(up.err.find("mount/missing: no such directory"), std::string::npos) << up.err;
  ASSERT_TRUE(Becomes("a.1", "crash-loop"));
  EXPECT_EQ(Place("a.1", "failures"), "3");
  EXPECT_NE(Place("a.1", "exit/reason").find("missing"), std::string::npos);
  // What it lacked is there now.
  fs::create_directory(mount_ + "/missing");
  ASSERT_EQ(Cli({"scale", "a=2"}).exit_code, 0);
  EXPECT_EQ(Place("a.1", "state"), "running");
  EXPECT_EQ(Place("a.2", "state"), "running");
}

TEST_F(DeploymentRestart, PolicyGoesOnUnderTheNextSupervisor) {
  ASSERT_EQ(Up(WriteDeployment(Head() + ShellSession("a", "echo x >> runs; exit 1",
                                                     "restart = \"always\"\nrestart_delay = "
                                                     "\"300ms\"\nrestart_delay_max = \"300ms\"\n"
                                                     "restart_limit = 6\n")),
               {"--no-wait"})
                .exit_code,
            0);
  // Each supervisor is killed while the place waits for its next start.
  for (size_t runs = 1; runs <= 3; ++runs) {
    ASSERT_TRUE(Eventually([&] { return LinesIn("runs") >= runs; }));
    ASSERT_TRUE(Becomes("a.1", "backoff"));
    KillSessiond();
    StartSessiond();
  }
  ASSERT_TRUE(Becomes("a.1", "crash-loop"));
  EXPECT_EQ(LinesIn("runs"), 6U);  // as many as without any kill
}

TEST_F(DeploymentRestart, KilledInTheMiddleOfAnApplyNothingIsLostOrDoubled) {
  constexpr int kPlaces = 12;
  std::mt19937 random(7);
  std::uniform_int_distribution<int> moment(0, 250);
  const std::string replicas = "replicas = " + std::to_string(kPlaces) + "\n";
  const std::string file =
      WriteDeployment(Head() + ShellSession("a", kMarkPlace, replicas + kPlaceEnvironment));
  const pid_t up = StartInto("up", {"up", file});
  for (int i = 0; i < 6; ++i) {
    std::this_thread::sleep_for(milliseconds(moment(random)));
    if (Sessiond() > 0) KillSessiond();  // `up` starts another one by itself
  }
  EXPECT_EQ(AwaitExit(up), 0) << Output("up");
  EnsureSessiond();
  ASSERT_TRUE(Eventually([&] { return LinesIn("started") == kPlaces; }));
  EXPECT_EQ(Mounted("twice"), "");
  const auto living = Living();
  EXPECT_EQ(living.size(), static_cast<size_t>(kPlaces));
  for (const auto& [place, count] : living) EXPECT_EQ(count, 1) << place;
}

TEST_F(DeploymentRestart, KilledInTheMiddleOfAReplacementItIsFinished) {
  constexpr int kPlaces = 6;
  const std::string replicas = "replicas = " + std::to_string(kPlaces) + "\n";
  const auto text = [&](const std::string& generation) {
    // A place is free again only when its session has ended.
    return Head() +
           ShellSession("a",
                        "mkdir place.$PLACE || echo $PLACE >> twice; trap 'rmdir place.$PLACE; "
                        "exit 0' TERM; echo " +
                            generation + ".$PLACE >> started; while :; do sleep 0.05; done",
                        replicas + kPlaceEnvironment);
  };
  ASSERT_EQ(Up(WriteDeployment(text("old"))).exit_code, 0);
  ASSERT_TRUE(Eventually([&] { return LinesIn("started") == kPlaces; }));
  const auto before = Places("id");
  const pid_t up = StartInto("up", {"up", WriteDeployment(text("new"))});
  ASSERT_TRUE(Eventually([&] { return Deployment().value("version", 0) == 2; }));
  for (int i = 0; i < 3; ++i) {
    if (Sessiond() > 0) KillSessiond();
    std::this_thread::sleep_for(milliseconds(60));
  }
  EXPECT_EQ(AwaitExit(up), 0) << Output("up");
  EnsureSessiond();
  EXPECT_TRUE(Eventually([&] { return LinesIn("started") == 2 * kPlaces; }));
  EXPECT_EQ(Mounted("twice"), "");
  for (const auto& [place, id] : Places("id")) EXPECT_NE(id, before.at(place));
  for (const auto& [place, count] : Living()) EXPECT_EQ(count, 1) << place;
}

TEST_F(DeploymentRestart, KilledInTheMiddleOfDownNothingIsLeft) {
  ASSERT_EQ(
      Up(WriteDeployment(
             Head() + ShellSession("a", "trap '' TERM; echo > up.$ID; while :; do sleep 0.1; done",
                                   "replicas = 3\nstop_timeout = \"500ms\"\nenvironment = "
                                   "{ ID = \"{replica}\" }\n")))
          .exit_code,
      0);
  ASSERT_TRUE(Appears("up.1") && Appears("up.2") && Appears("up.3"));
  ASSERT_EQ(Cli({"down", "--no-wait", "d"}).exit_code, 0);
  KillSessiond();
  StartSessiond();
  // The stop that was begun goes on: they do not hear TERM, and nobody asks again.
  EXPECT_TRUE(Eventually([&] { return Api("GET", "/v1/deployments/d").status == 404; }));
  EXPECT_EQ(Sessions().size(), 0U);
}

TEST_F(DeploymentRestart, PlaceWithASessionThatCannotBeReadIsNotStartedTwice) {
  ASSERT_EQ(
      Up(WriteDeployment(Head() + ShellSession("a", kMarkPlace, kPlaceEnvironment))).exit_code, 0);
  ASSERT_TRUE(Appears("started"));
  const std::string id = Place("a.1", "id");
  KillSessiond();
  const std::string record = ReadWholeFile(DirectoryOf(id) + "/state.json");
  std::ofstream(DirectoryOf(id) + "/state.json") << "{\"torn";
  StartSessiond();
  EXPECT_TRUE(Eventually([&] {
    return Deployment().value("message", "").find("a session lives in d/a-1") != std::string::npos;
  })) << Deployment();
  EXPECT_EQ(Mounted("twice"), "");
  EXPECT_EQ(LinesIn("started"), 1U);
  std::ofstream(DirectoryOf(id) + "/state.json") << record;
  KillSessiond();
  StartSessiond();
  EXPECT_TRUE(Becomes("a.1", "running"));
  EXPECT_EQ(Place("a.1", "id"), id);
}

TEST_F(DeploymentRestart, TornFileIsSetAsideAndItsSessionsLiveOn) {
  const std::string file = WriteDeployment(Head() + ShellSession("a", "exec sleep 1000"));
  ASSERT_EQ(Up(file).exit_code, 0);
  const std::string id = Place("a.1", "id");
  KillSessiond();
  const std::string stored = StateDirectory() + "/deployments/d.json";
  std::ofstream(stored) << "{\"version\": 1, \"depl";
  StartSessiond();
  EXPECT_EQ(Api("GET", "/v1/deployments/d").status, 404);
  EXPECT_TRUE(fs::exists(stored + ".set-aside"));
  EXPECT_EQ(StateOf(id), "running");
  ASSERT_EQ(Up(file).exit_code, 0);  // takes them over again
  EXPECT_EQ(Place("a.1", "id"), id);
  EXPECT_EQ(Sessions("?deployment=d").size(), 1U);
  fs::remove(stored + ".set-aside");
}

}  // namespace
}  // namespace sessionctl
