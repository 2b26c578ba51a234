// `sessionctl diff`, `commit`, `discard` and on_exit, on a session's directory in a store. The
// overlay is mounted by the test's driver, on the layer where a session's lies.
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include "tests/overlay/overlay_case.h"

namespace overlay {
namespace {

using nlohmann::json;

bool Eventually(const std::function<bool()>& condition) {
  for (int tries = 0; tries < 600; ++tries) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

class OverlayCliTest : public OverlayCase {
 protected:
  void SetUp() override {
    OverlayCase::SetUp();
    if (IsSkipped()) return;
    harness::MakeDirectory(state_);
    chmod(state_.c_str(), 0700);
    if (GetParam() == Who::kOrdinaryUser) {
      harness::GiveTree(state_, kOrdinaryUser, kOrdinaryUser);
    }
  }

  void TearDown() override {
    if (IsSkipped()) return;
    harness::WriteFile(lower_ + "/stop", "");  // sessions that wait for it end
    if (!id_.empty()) Cli({"stop", "--timeout", "0", id_});
    // The supervisor leaves by itself, and nothing may be left of it.
    EXPECT_TRUE(Eventually([this] { return !harness::Exists(state_ + "/sessiond.sock"); }));
  }

  harness::Outcome Cli(const std::vector<std::string>& words) {
    std::vector<std::string> argv = {"/usr/bin/env", "SESSIONCTL_STATE_DIR=" + state_,
                                     "SESSIONCTL_IDLE_EXIT=1", SESSIONCTL_BUILT};
    argv.insert(argv.end(), words.begin(), words.end());
    return RunAs(argv, "/");
  }
  std::string CliText(const std::vector<std::string>& words) {
    const harness::Outcome done = Cli(words);
    EXPECT_EQ(done.exit_code, 0) << words[0] << ": " << done.err;
    return done.out;
  }

  std::string Mount() const { return state_ + "/" + id_ + "/overlay/0"; }

  // A session that ends when `script` does. Its overlay, on the lower directory, is at /mnt/data.
  void StartSession(const std::string& script, const std::string& on_exit) {
    id_ = CliText({"spawn", "--mount", lower_, "--", "/bin/sh", "-c", script});
    if (!id_.empty()) id_.pop_back();
    struct stat below;
    ASSERT_EQ(stat(lower_.c_str(), &below), 0);
    const json layer = {{"format", 1},           {"host", lower_},       {"device", below.st_dev},
                        {"inode", below.st_ino}, {"guest", "/mnt/data"}, {"on_exit", on_exit}};
    const harness::Outcome made = RunAs({"/bin/bash", "-ec",
                                         "umask 077; mkdir -p " + Mount() + "; echo '" +
                                             layer.dump() + "' > " + Mount() + "/layer.json"},
                                        "/");
    ASSERT_EQ(made.exit_code, 0) << made.err;
    LetTimePass();
  }
  void InOverlay(const std::string& script) {
    const harness::Outcome done = RunAs({OVERLAY_DRIVER, lower_, Mount(), "session", script}, "/");
    ASSERT_EQ(done.exit_code, 0) << done.err;
  }

  const std::string state_ = scratch_ / "state";
  std::string id_;
};
INSTANTIATE_TEST_SUITE_P(, OverlayCliTest, testing::Values(Who::kRoot, Who::kOrdinaryUser),
                         WhoName);

TEST_P(OverlayCliTest, ChangesAreShownCommittedAndDiscarded) {
  InLower("echo a > a; echo b > b; mkdir d");
  LetTimePass();
  StartSession("true", "keep");
  CliText({"wait", id_});
  InOverlay("echo more >> a; rm b; echo n > d/n; echo x > $'\\xff'");
  EXPECT_EQ(CliText({"diff", "--name-status", id_}), "M a\nD b\nA d/n\nA \"\\377\"\n");
  EXPECT_NE(CliText({"diff", id_}).find("@@ -1,1 +1,2 @@\n a\n+more\n"), std::string::npos);
  EXPECT_NE(CliText({"diff", "--stat", id_}).find("4 changes, 3 insertions(+), 1 deletions(-)"),
            std::string::npos);
  const json mount = json::parse(CliText({"diff", "--json", id_}))["mounts"][0];
  EXPECT_EQ(mount["guest"], "/mnt/data");
  EXPECT_EQ(mount["summary"]["added"], 2);
  EXPECT_EQ(mount["changes"][0]["path"], "/mnt/data/a");
  EXPECT_EQ(mount["changes"][3]["path"]["base64"], "L21udC9kYXRhL/8=");

  EXPECT_EQ(CliText({"commit", "--dry-run", id_}), "/mnt/data: 2 added, 1 modified, 1 deleted\n");
  EXPECT_EQ(harness::ReadFile(lower_ + "/a"), "a\n");
  EXPECT_EQ(CliText({"commit", id_, "/mnt/data/d", "b"}), "/mnt/data: 1 added, 1 deleted\n");
  EXPECT_FALSE(harness::Exists(lower_ + "/b"));
  EXPECT_EQ(harness::ReadFile(lower_ + "/d/n"), "n\n");
  EXPECT_EQ(Cli({"commit", id_, "/elsewhere"}).exit_code, 1);

  InLower("echo other > a");
  const harness::Outcome refused = Cli({"commit", id_});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("1 conflict: /mnt/data/a: it was changed"), std::string::npos)
      << refused.err;
  EXPECT_EQ(Cli({"commit", "--dry-run", id_}).exit_code, 1);
  EXPECT_EQ(CliText({"commit", id_, "/mnt/data/\xff"}), "/mnt/data: 1 added\n");
  CliText({"discard", id_});
  EXPECT_EQ(CliText({"diff", id_}), "");
  EXPECT_EQ(harness::ReadFile(lower_ + "/a"), "other\n");
}

TEST_P(OverlayCliTest, RunningSessionIsShownAndNotCommitted) {
  InLower("echo a > a");
  LetTimePass();
  StartSession("while ! [ -e stop ]; do sleep 0.1; done", "keep");
  InOverlay("echo more >> a");
  EXPECT_EQ(CliText({"diff", "--name-status", id_}), "M a\n");
  for (const char* verb : {"commit", "discard"}) {
    const harness::Outcome refused = Cli({verb, id_});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_NE(refused.err.find("the session runs"), std::string::npos) << refused.err;
  }
  EXPECT_EQ(harness::ReadFile(lower_ + "/a"), "a\n");
}

TEST_P(OverlayCliTest, SessionWithoutOverlayHasNoChanges) {
  id_ = CliText({"spawn", "--", "/bin/true"});
  id_.pop_back();
  CliText({"wait", id_});
  EXPECT_EQ(CliText({"diff", id_}), "");
  EXPECT_EQ(Cli({"commit", id_}).exit_code, 1);
  EXPECT_EQ(Cli({"discard", id_}).exit_code, 1);
}

TEST_P(OverlayCliTest, EndOfTheSessionDoesWhatThePolicySays) {
  for (const char* on_exit : {"commit", "discard", "keep"}) {
    InLower("rm -f stop; echo a > a");
    LetTimePass();
    StartSession("while ! [ -e stop ]; do sleep 0.1; done", on_exit);
    InOverlay("echo session > a");
    InLower("echo > stop");
    CliText({"wait", id_});
    EXPECT_EQ(harness::ReadFile(lower_ + "/a"),
              on_exit == std::string("commit") ? "session\n" : "a\n")
        << on_exit;
    EXPECT_EQ(CliText({"diff", "--name-status", id_}),
              on_exit == std::string("keep") ? "M a\n" : "")
        << on_exit;
  }
}

TEST_P(OverlayCliTest, ConflictAtTheEndKeepsTheChangesAndIsInTheRecord) {
  InLower("echo a > a");
  LetTimePass();
  StartSession("while ! [ -e stop ]; do sleep 0.1; done", "commit");
  InOverlay("echo session > a");
  InLower("echo other > a; echo > stop");
  CliText({"wait", id_});
  EXPECT_EQ(harness::ReadFile(lower_ + "/a"), "other\n");
  EXPECT_NE(
      CliText({"inspect", id_}).find("the changes in /mnt/data were not committed: 1 conflicts"),
      std::string::npos);
  EXPECT_EQ(CliText({"diff", "--name-status", id_}), "M a\n");
}

TEST_P(OverlayCliTest, InterruptedCommitIsFinishedOrUndoneByTheNextSupervisor) {
  InLower("echo a > a; echo b > b");
  LetTimePass();
  StartSession("true", "keep");
  CliText({"wait", id_});
  InOverlay("echo session > a; rm b; echo c > c");
  const std::string journal = Mount() + "/commit.json";
  for (const char* step : {"6", "12"}) {
    ASSERT_TRUE(Eventually([this] { return !harness::Exists(state_ + "/sessiond.sock"); }));
    const harness::Outcome killed =
        RunAs({OVERLAY_DRIVER, lower_, Mount(), "commit", "--kill-at", step}, "/");
    ASSERT_EQ(killed.exit_code, 128 + SIGKILL);
    ASSERT_TRUE(harness::Exists(journal));
    CliText({"ps"});
    EXPECT_TRUE(Eventually([&] { return !harness::Exists(journal); })) << step;
    const bool whole = harness::ReadFile(lower_ + "/a") == "session\n";
    EXPECT_EQ(harness::Exists(lower_ + "/b"), !whole);
    EXPECT_EQ(harness::Exists(lower_ + "/c"), whole);
    if (whole) break;
  }
  EXPECT_EQ(harness::Run({.argv = {"/usr/bin/find", lower_, "-name", ".sessionctl*"}}).out, "");
  CliText({"commit", id_});
  EXPECT_EQ(harness::ReadFile(lower_ + "/a"), "session\n");
}

TEST_P(OverlayCliTest, LowerDirectoryThatIsGoneIsSaidAndTheChangesCanBeDiscarded) {
  StartSession("true", "keep");
  CliText({"wait", id_});
  InOverlay("echo a > a; echo b > b");
  ASSERT_EQ(RunAs({OVERLAY_DRIVER, lower_, Mount(), "commit", "--kill-at", "6"}, "/").exit_code,
            128 + SIGKILL);
  ASSERT_EQ(harness::Run({.argv = {"/bin/mv", lower_, lower_ + ".away"}}).exit_code, 0);
  harness::MakeDirectory(lower_);
  for (const char* verb : {"diff", "commit"}) {
    const harness::Outcome refused = Cli({verb, id_});
    EXPECT_EQ(refused.exit_code, 1) << verb;
    EXPECT_NE(refused.err.find("not the directory any more"), std::string::npos) << refused.err;
  }
  CliText({"discard", id_});
  EXPECT_EQ(harness::Run({.argv = {"/bin/ls", "-A", Mount() + "/upper"}}).out, "");
  EXPECT_FALSE(harness::Exists(Mount() + "/commit.json"));
}

}  // namespace
}  // namespace overlay
