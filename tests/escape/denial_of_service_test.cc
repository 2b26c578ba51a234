// A session that presses its broker (tests/testcases/flooder) hurts itself only: its broker's
// memory, descriptors and threads stay bounded, and a neighbour session gets its work done
// meanwhile. That is asserted by the work, not by the time that it takes; bench/neighbour.py prints
// the times.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/escape/attack.h"
#include "tests/harness/broker_usage.h"

namespace escape {
namespace {

// 512 workers, the watcher of waiting opens, the main thread.
constexpr int kMaxThreads = 514;
// What the test's floods may make a broker hold; its own limits (supervisor/broker_fence.cc) are
// the last resort.
constexpr int kMaxDescriptors = 8192;
constexpr long kMaxMemoryKb = 256 * 1024;

class Flood : public ::testing::Test {
 protected:
  Flood() {
    for (const char* name : {"flooder", "hostile_caller"}) {
      harness::CopyProgram(harness::TestcasePath(name), scene_.Tool(name));
    }
    harness::MakeDirectory(scene_.Path("neighbour"));
  }

  void SetUp() override {
    if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root, to look into an undumpable broker";
  }

  void Start(const std::vector<std::string>& mode) {
    std::vector<std::string> argv = {scene_.Tool("flooder")};
    argv.insert(argv.end(), mode.begin(), mode.end());
    const harness::Command command = {.argv = harness::SessionArgv(scene_.Flags(), argv),
                                      .directory = scene_.mount(),
                                      .time_limit = 300};
    flood_ = std::make_unique<harness::Child>(command);
    while (!harness::Exists(scene_.mount() + "/started") && flood_->Running()) usleep(5000);
    ASSERT_TRUE(flood_->Running()) << "the flood did not come up";
  }

  // sessionctl's child of that name; 0 before there is one.
  pid_t Broker() const {
    const std::string pid = std::to_string(flood_->pid());
    std::istringstream children(harness::ReadFile("/proc/" + pid + "/task/" + pid + "/children"));
    for (std::string child; children >> child;) {
      if (harness::ReadFile("/proc/" + child + "/comm") == "session-broker\n") {
        return atoi(child.c_str());
      }
    }
    return 0;
  }

  void ExpectNeighbourWorks() {
    harness::SessionFlags flags;
    flags.mounts = {scene_.Path("neighbour")};
    flags.read_exec = {scene_.Path("tools")};
    const harness::Outcome outcome =
        harness::RunEither(flags, {.argv = {scene_.Tool("hostile_caller"), "storm", "4", "25"},
                                   .directory = scene_.Path("neighbour")});
    EXPECT_EQ(outcome.out, "{\"calls\":700,\"errors\":0}\n") << outcome.err;
    EXPECT_TRUE(flood_->Running()) << "the flood was over before the neighbour was done";
  }

  void ExpectBounded(const harness::BrokerUsage& usage) {
    std::cout << "  the flooded broker holds " << usage << "\n";
    EXPECT_GE(usage.threads, 2);
    EXPECT_LE(usage.threads, kMaxThreads);
    EXPECT_LE(usage.descriptors, kMaxDescriptors);
    EXPECT_LE(usage.memory_kb, kMaxMemoryKb);
  }

  void Run(const std::vector<std::string>& mode) {
    ASSERT_NO_FATAL_FAILURE(Start(mode));
    ExpectNeighbourWorks();
    ExpectBounded(harness::UsageNow(Broker()));
    harness::WriteFile(scene_.mount() + "/stop", "");
    outcome_ = flood_->Wait();
    EXPECT_EQ(outcome_.exit_code, 0) << outcome_.err;
    std::cout << "  " << outcome_.err;
  }

  AttackScene scene_;
  std::unique_ptr<harness::Child> flood_;
  harness::Outcome outcome_;
};

TEST_F(Flood, OfCallsHoldsUpNoNeighbour) { Run({"calls", "64"}); }

// No limit of threads or processes is that of the broker: 10,000 want to wait, as many as the
// machine lets them.
TEST_F(Flood, OfWaitingOpensHoldsUpNoNeighbour) {
  Run({"waiting", "10000"});
  EXPECT_EQ(outcome_.err.find("\"failed\":0}"), std::string::npos)
      << "more wait than there are workers: " << outcome_.err;
}

TEST_F(Flood, OfRenamesHoldsUpNoNeighbour) { Run({"renames", "8"}); }

TEST_F(Flood, OfGiantPathsHoldsUpNoNeighbour) { Run({"paths"}); }

TEST_F(Flood, OfPathsOnVanishingPagesHoldsUpNoNeighbour) { Run({"vanishing"}); }

TEST_F(Flood, OfStoppedProcessesHoldsUpNoNeighbour) { Run({"stopped"}); }

TEST_F(Flood, OfKilledProcessesHoldsUpNoNeighbour) { Run({"killed"}); }

// Nobody reads it: the session stands still, and nothing is kept for it.
TEST_F(Flood, OfOutputIsKeptNowhere) {
  int unread[2];
  ASSERT_EQ(pipe(unread), 0);
  std::vector<std::string> argv =
      harness::SessionArgv(scene_.Flags(), {scene_.Tool("flooder"), "output"});
  argv.insert(argv.begin(),
              {"/bin/sh", "-c", "exec \"$@\" >/proc/self/fd/" + std::to_string(unread[1]), "sh"});
  flood_ =
      std::make_unique<harness::Child>(harness::Command{.argv = argv, .directory = scene_.mount()});
  while (!harness::Exists(scene_.mount() + "/started") && flood_->Running()) usleep(5000);
  ExpectNeighbourWorks();
  ExpectBounded(harness::UsageNow(Broker()));
  flood_->Signal(SIGTERM);
  flood_->Wait();
  close(unread[0]);
  close(unread[1]);
}

// After its floods a broker has given everything back.
TEST_F(Flood, LeavesNothingInItsBroker) {
  const std::string flooder = scene_.Tool("flooder");
  const std::string script = "while [ ! -e go ]; do sleep 0.05; done; " + flooder +
                             " calls 64 && " + flooder + " paths && " + flooder +
                             " killed && touch rest && while [ ! -e end ]; do sleep 0.05; done";
  flood_ = std::make_unique<harness::Child>(
      harness::Command{.argv = harness::SessionArgv(scene_.Flags(), {"/bin/sh", "-c", script}),
                       .directory = scene_.mount()});
  while (Broker() == 0 && flood_->Running()) usleep(5000);
  const harness::BrokerUsage before = harness::UsageAtRest(Broker());
  harness::WriteFile(scene_.mount() + "/go", "");
  while (!harness::Exists(scene_.mount() + "/started") && flood_->Running()) usleep(5000);
  usleep(300000);
  harness::WriteFile(scene_.mount() + "/stop", "");
  while (!harness::Exists(scene_.mount() + "/rest") && flood_->Running()) usleep(5000);
  const harness::BrokerUsage after = harness::UsageAtRest(Broker());
  harness::WriteFile(scene_.mount() + "/end", "");
  EXPECT_EQ(flood_->Wait().exit_code, 0);
  std::cout << "  before: " << before << "; after: " << after << "\n";
  EXPECT_LE(after.threads, before.threads + 8);  // a few idle workers stay
  EXPECT_EQ(after.descriptors, before.descriptors);
  EXPECT_LE(after.memory_kb, before.memory_kb + 32 * 1024);
}

}  // namespace
}  // namespace escape
