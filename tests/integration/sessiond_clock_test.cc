// The wall clock jumps, ten years ahead and back, under sessiond, its zygote, monitors and brokers
// (tests/testcases/other_clock.c: the machine's own clock is others' too). Nothing that takes its
// time takes more or less of it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/session.h"
#include "tests/integration/deployment_fixture.h"

namespace sessionctl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr int64_t kDecade = int64_t{3652} * 86'400;

class ClockJumps : public DeploymentTest {
 protected:
  void SetUp() override {
    DeploymentTest::SetUp();
    if (HasFatalFailure()) return;
    StopSessiond();
    const std::string file = scratch_ + "/clock";
    const int64_t none = 0;
    std::ofstream(file).write(reinterpret_cast<const char*>(&none), sizeof(none));
    const OwnedFd clock(open(file.c_str(), O_RDWR | O_CLOEXEC));
    void* mapped =
        mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, clock.get(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    ahead_ = static_cast<volatile int64_t*>(mapped);
    set_["OTHER_CLOCK"] = file;
    set_["LD_PRELOAD"] = harness::TestcasePath("other_clock.so");
  }
  void TearDown() override {
    DeploymentTest::TearDown();
    if (ahead_ != nullptr) munmap(const_cast<int64_t*>(ahead_), sizeof(int64_t));
  }
  void JumpAhead() { *ahead_ = kDecade; }
  void JumpBack() { *ahead_ = -kDecade; }

  volatile int64_t* ahead_ = nullptr;
};

TEST_F(ClockJumps, LimitsOfTimeAndGracesKeepTheirLength) {
  StartSessiond();
  for (const bool ahead : {true, false}) {
    const auto begun = Clock::now();
    const std::string timed = SpawnShell("sleep 1000", {"--timeout", "2s"});
    const std::string idle = SpawnShell("sleep 1000", {"--idle-timeout", "2s"});
    const std::string ready = ahead ? "ready-ahead" : "ready-back";  // each jump's own
    const std::string stubborn =
        SpawnShell("trap '' TERM; : > " + ready + "; while :; do sleep 0.1; done");
    ASSERT_TRUE(Appears(ready));
    const std::string year = At(Session(timed), "/created").get<std::string>().substr(0, 4);
    ahead ? JumpAhead() : JumpBack();
    const auto stopped = Clock::now();
    EXPECT_EQ(Cli({"stop", "-t", "1", stubborn}).exit_code, 0);
    EXPECT_GE(Clock::now() - stopped, milliseconds(1000));
    EXPECT_EQ(Cli({"wait", timed, idle}).exit_code, 124);
    EXPECT_GE(Clock::now() - begun, milliseconds(2000));
    EXPECT_EQ(ReasonOf(timed), "wall_time");
    EXPECT_EQ(ReasonOf(idle), "idle_time");
    // It did jump, for who wrote this.
    EXPECT_NE(At(Session(timed), "/ended").get<std::string>().substr(0, 4), year);
    EXPECT_EQ(Cli({"ps"}).exit_code, 0);
  }
}

TEST_F(ClockJumps, IdleSupervisorLeavesInItsTimeAndNotBefore) {
  for (const bool ahead : {true, false}) {
    const pid_t pid = StartSessiond({"--idle-exit", "2"});
    EXPECT_EQ(Sessiond(), pid);
    const auto asked = Clock::now();
    ahead ? JumpAhead() : JumpBack();
    EXPECT_TRUE(Eventually([&] { return !Alive(pid); }));
    EXPECT_GE(Clock::now() - asked, milliseconds(2000));
  }
  StartSessiond();
}

TEST_F(ClockJumps, OutputAndEventsKeepTheirOrder) {
  StartSessiond();
  const std::string id = SpawnShell(
      "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo $i; [ $i = 50 ] && : > half; sleep 0.01; "
      "done");
  JumpAhead();
  ASSERT_TRUE(Appears("half"));
  JumpBack();
  EXPECT_EQ(Cli({"wait", id}).exit_code, 0);
  std::string expected;
  for (int i = 1; i <= 100; ++i) expected += std::to_string(i) + "\n";
  EXPECT_EQ(Cli({"logs", id}).out, expected);
  EXPECT_EQ(EventTypes(id),
            (std::vector<std::string>{"session.starting", "session.started", "session.ended"}));
  // Nor does the next supervisor take them for others.
  KillSessiond();
  StartSessiond();
  EXPECT_EQ(ReasonOf(id), "exited");
  EXPECT_EQ(Cli({"logs", id}).out, expected);
}

// With the supervisor killed in between, too: all that it has then are the times on disk.
TEST_F(ClockJumps, BackoffIsNeitherSkippedNorEndless) {
  StartSessiond();
  const CliResult up =
      Up(WriteDeployment(Head() + ShellSession("a", "cut -d' ' -f1 /proc/uptime >> runs; exit 3",
                                               "restart = \"on-failure\"\nrestart_delay = \"1s\"\n"
                                               "restart_delay_max = \"1s\"\nrestart_limit = 4\n")),
         {"--no-wait"});
  ASSERT_EQ(up.exit_code, 0) << up.err;
  const auto runs = [&](size_t count) {
    return Eventually([&] { return LinesIn("runs") >= count; });
  };
  ASSERT_TRUE(runs(1));
  JumpAhead();
  ASSERT_TRUE(runs(2));
  JumpBack();
  ASSERT_TRUE(runs(3));
  KillSessiond();
  StartSessiond();
  EXPECT_TRUE(Becomes("a.1", "crash-loop"));
  const std::vector<std::string> times = LinesOf(Mounted("runs"));
  ASSERT_EQ(times.size(), 4U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_GE(std::stod(times[i + 1]) - std::stod(times[i]), 0.95) << "run " << i + 2;
  }
}

}  // namespace
}  // namespace sessionctl
