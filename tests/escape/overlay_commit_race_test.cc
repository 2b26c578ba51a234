// A commit into a directory where somebody else swaps what its paths mean. `cp -a` of the layer, as
// people do it by hand, writes through the swapped link; a commit must not, in at least as many
// attempts.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/harness/user_and_view.h"
#include "tests/harness/watched_tree.h"

namespace escape {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kBareCopyLimit = 60;  // seconds: a copy that has not lost by then fails the test
constexpr int kTurns = 60;

struct CommitRace {
  const char* name;
  const char* exchanged;  // in the lower directory, with …
  const char* link;       // … this link, which leads to
  const char* target;     // that, in the vault
  bool ordinary_user;
};

class OverlayCommitRaceTest : public testing::TestWithParam<CommitRace> {
 protected:
  OverlayCommitRaceTest() : vault_(root_ / "vault", User()) {}

  static std::optional<uid_t> User() {
    if (!GetParam().ordinary_user) return std::nullopt;
    return harness::kOrdinaryUser;
  }

  static std::string Driver() { return harness::Built("overlay_driver"); }

  harness::Outcome RunAs(const std::vector<std::string>& argv) {
    return harness::Run({.argv = argv, .directory = root_.path(), .as_user = User()});
  }

  void SetUp() override {
    if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root";
    harness::MakeDirectory(lower_ + "/shared");
    harness::MakeDirectory(layer_);
    for (const std::string& name : names_) harness::WriteFile(lower_ + "/" + name, "lower\n");
    harness::MakeLink(root_ / ("vault/" + std::string(GetParam().target)),
                      lower_ + "/" + GetParam().link);
    if (User().has_value())
      harness::GiveTree(root_.path(), harness::kOrdinaryUser, harness::kOrdinaryUser);
    const harness::Outcome session = RunAs({Driver(), lower_, layer_, "session",
                                            "for f in shared/*; do [ -L $f ] || "
                                            "echo session > $f; done"});
    if (session.exit_code != 0) GTEST_SKIP() << "needs overlayfs with userxattr: " << session.err;
    vault_.Remember();
  }

  harness::Command AttackerCommand() const {
    return {.argv = {harness::TestcasePath("swap_attacker"), "exchange",
                     lower_ + "/" + GetParam().exchanged, lower_ + "/" + GetParam().link},
            .as_user = User(),
            .time_limit = 600};
  }

  // How many copies it takes until one has lost.
  long BareAttempts() {
    harness::Child attacker(AttackerCommand());
    const auto end = Clock::now() + std::chrono::duration<double>(kBareCopyLimit);
    long attempts = 0;
    while (Clock::now() < end) {
      RunAs({"/bin/cp", "-a", layer_ + "/upper/.", lower_ + "/"});
      ++attempts;
      if (vault_.CheckAndReset()) return attempts;
    }
    return -attempts;
  }

  harness::ScratchDirectory root_;
  const std::string lower_ = root_ / "lower", layer_ = root_ / "layer";
  const std::vector<std::string> names_ = {"shared/target", "shared/file", "shared/plain"};
  harness::WatchedTree vault_;
};

TEST_P(OverlayCommitRaceTest, CommitStaysInTheLowerDirectory) {
  const long bare = BareAttempts();
  ASSERT_GT(bare, 0) << "the copy was not led astray in " << -bare << " attempts";
  nlohmann::json sum = {
      {"attempts", 0}, {"committed", 0}, {"refused_before", 0}, {"taken_back", 0}, {"failed", 0}};
  harness::Child attacker(AttackerCommand());
  for (int turn = 0; turn < kTurns; ++turn) {
    std::vector<std::string> argv = {Driver(), lower_, layer_, "commit-loop", "0.3"};
    argv.insert(argv.end(), names_.begin(), names_.end());
    const harness::Outcome done = RunAs(argv);
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const nlohmann::json counts = nlohmann::json::parse(done.out);
    if (counts["failed"] != 0) printf("failed: %s\n", counts["last_failure"].dump().c_str());
    for (auto& [key, value] : sum.items()) value = value.get<long>() + counts[key].get<long>();
    ASSERT_FALSE(vault_.CheckAndReset()) << "an escape:\n" << vault_.first_difference();
    const long acted = sum["committed"].get<long>() + sum["taken_back"].get<long>();
    if (turn > 1 && acted >= bare && sum["attempts"] >= 20) break;
  }
  attacker.Signal(SIGTERM);
  attacker.Wait();
  printf("cp -a: lost after %ld attempts; commit: %s, no escape\n", bare, sum.dump().c_str());
  EXPECT_EQ(sum["failed"], 0);
  EXPECT_GE(sum["committed"].get<long>() + sum["taken_back"].get<long>(), bare)
      << "too few commits came as far as acting: " << sum;
  // Whatever happened: what the session wrote can be committed when nobody is in the way.
  const harness::Outcome last = RunAs({Driver(), lower_, layer_, "commit", "--force"});
  EXPECT_EQ(last.exit_code, 0) << last.err;
  EXPECT_FALSE(harness::Exists(layer_ + "/commit.json"));
  EXPECT_FALSE(vault_.CheckAndReset()) << vault_.first_difference();
}

INSTANTIATE_TEST_SUITE_P(
    , OverlayCommitRaceTest,
    testing::Values(
        CommitRace{"ParentExchangedAsRoot", "shared", "link", "", false},
        CommitRace{"ParentExchangedAsUser", "shared", "link", "", true},
        CommitRace{"LeafExchangedAsRoot", "shared/target", "shared/link", "target", false},
        CommitRace{"LeafExchangedAsUser", "shared/target", "shared/link", "target", true}),
    [](const testing::TestParamInfo<CommitRace>& info) { return info.param.name; });

}  // namespace
}  // namespace escape
