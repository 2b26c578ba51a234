// Commits: the lower directory afterwards is what the session saw, or untouched.
#include <gtest/gtest.h>

#include <csignal>

#include "tests/overlay/overlay_case.h"

namespace overlay {
namespace {

using nlohmann::json;

class OverlayCommitTest : public OverlayCase {
 protected:
  // What the session sees of everything, in the words of LowerTree.
  std::string SessionTree() {
    const std::string script = scratch_ / "describe.py";
    harness::WriteFile(script, kDescribe);
    const harness::Outcome done = Driver({"session", "exec /usr/bin/python3 " + script});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.out;
  }
  void ExpectNothingLeft() {
    for (const std::string& directory : {lower_, layer_}) {
      const harness::Outcome found = harness::Run(
          {.argv = {"/usr/bin/find", directory, "-name", "*commit-*", "-o", "-name", "*.json"}});
      EXPECT_EQ(found.out, "");
    }
    EXPECT_EQ(ChangeLines(), "");
  }
  // Commits everything; the lower directory is what the session saw then.
  void ExpectFaithfulCommit() {
    const std::string wanted = SessionTree();
    const json report = DriverJson({"commit"});
    EXPECT_EQ(report["committed"], true) << report;
    EXPECT_EQ(LowerTree(), wanted);
    ExpectNothingLeft();
  }
};
INSTANTIATE_TEST_SUITE_P(, OverlayCommitTest, testing::Values(Who::kRoot, Who::kOrdinaryUser),
                         WhoName);

TEST_P(OverlayCommitTest, EveryKindArrives) {
  InLower(
      "echo a > a; echo b > b; echo c > c; mkdir d; echo in > d/in; ln -s a link; echo m > m;"
      "mkdir -p gone/deep; echo x > gone/deep/x; mkdir n; echo y > n/y; echo z > z");
  LetTimePass();
  InSession(
      "echo more >> a; rm b; chmod 600 c; echo new > d/new; rm d/in; ln -sfn b link;"
      "mkfifo fifo; mkdir -p e/f; echo x > e/f/x; rm m; mkdir m; echo q > m/q; rm -r gone;"
      "rm -r n; echo file > n; chmod 700 d; touch -d 2001-01-01 z; mv c c2; rm -r m; mkdir m");
  ExpectFaithfulCommit();
}

TEST_P(OverlayCommitTest, AttributesLinksAndHolesArrive) {
  InLower("echo a > a; echo low > low; mkdir d; setfattr -n user.old -v 1 a");
  LetTimePass();
  InSession(
      "setfattr -n user.mine -v $'\\x01\\x02' a; setfattr -x user.old a; setfattr -n user.d -v 3 d;"
      "setfacl -m u:1000:r a; setfacl -d -m u:1000:rwx d; echo x > d/inherits; echo b > b; ln b b2;"
      "mkdir e; ln b e/b3; ln low low2; truncate -s 1T sparse;"
      "echo mark | dd of=sparse bs=1 seek=700G conv=notrunc status=none; touch -d 1999-12-31 b");
  // Nobody reads a terabyte: its data is looked at instead.
  const std::string blocks = "stat -c '%s %b' sparse; tail -c +751619276801 sparse | head -c 4";
  const json report = DriverJson({"commit"});
  ASSERT_EQ(report["committed"], true) << report;
  const harness::Outcome sparse = RunAs({"/bin/bash", "-c", blocks}, lower_);
  EXPECT_EQ(sparse.out.substr(0, 14), "1099511627776 ");
  EXPECT_LT(std::stoi(sparse.out.substr(14)), 1000) << "the holes were filled";
  EXPECT_NE(sparse.out.find("mark"), std::string::npos) << sparse.out;
  InLower("rm sparse");
  const std::string tree = LowerTree();
  for (const char* part : {"user.mine=0102", "user.d=33", "./b2 ", "./e/b3 "}) {
    EXPECT_NE(tree.find(part), std::string::npos) << part << "\n" << tree;
  }
  const harness::Outcome links =
      RunAs({"/bin/bash", "-c",
             "stat -c %h b low; stat -c %Y b; getfacl -cnE a d d/inherits | grep 1000"},
            lower_);
  EXPECT_EQ(links.out, "3\n2\n946598400\nuser:1000:r--\ndefault:user:1000:rwx\nuser:1000:rwx\n");
}

TEST_P(OverlayCommitTest, DirectoriesThatForbidWritingArrive) {
  InLower(
      "mkdir -p d/in; echo a > d/in/a; chmod 555 d/in d; mkdir gone; echo g > gone/g;"
      "chmod 555 gone; mkdir to; echo t > to/t");
  LetTimePass();
  InSession(
      "chmod 755 d/in; echo b > d/in/b; chmod 555 d/in; chmod 755 gone; rm -r gone; mkdir e;"
      "echo x > e/x; chmod 555 e; echo u > to/u; chmod 500 to; echo a > f; chmod 400 f");
  ExpectFaithfulCommit();
}

TEST_P(OverlayCommitTest, HostileNamesArrive) {
  InSession("mkdir $'a\\nb'; echo 1 > $'a\\nb/\\xff'; echo 2 > ' '; echo 3 > '-rf'; echo 4 > '*'");
  ExpectFaithfulCommit();
}

TEST_P(OverlayCommitTest, ChosenPathsArriveAlone) {
  InLower("echo a > a; mkdir d; echo 1 > d/one; echo 2 > d/two; seq 100 > old");
  LetTimePass();
  InSession(
      "echo x >> a; echo x >> d/one; rm d/two; mkdir -p n/m; echo y > n/m/y; echo z > n/z;"
      "cp old new; rm old");
  EXPECT_EQ(DriverJson({"commit", "d/one", "n/m", "new"})["committed"], true);
  EXPECT_EQ(ChangeLines(), "modified a\ndeleted d/two\nadded n/z\n");
  EXPECT_TRUE(harness::Exists(lower_ + "/n/m/y"));
  EXPECT_FALSE(harness::Exists(lower_ + "/old")) << "the other half of a rename";
  EXPECT_EQ(Driver({"commit", "nowhere"}).exit_code, 1);
  EXPECT_EQ(DriverJson({"commit"})["committed"], true);
  EXPECT_EQ(ChangeLines(), "");
}

// Each name of a file that is changed becomes a file of its own; what is moved away first sets the
// change time of the others.
TEST_P(OverlayCommitTest, NamesOfOneFileAreReplacedOneByOne) {
  InLower(
      "echo old > a; ln a b; ln a c; ln a removed; mkdir d; ln a d/in; echo own > d/own; mkdir "
      "away;"
      "ln a away/too");
  LetTimePass();
  InSession(
      "[ $(stat -c %h a) = 6 ] || exit 1; echo a >> a; echo b >> b; rm removed; ln a d/new;"
      "echo d >> d/in; rm -r away; [ $(stat -c %h a) = 2 ] && [ $(cat c) = old ]");
  const json report = DriverJson({"commit"});
  EXPECT_EQ(report["committed"], true) << report;
  const auto read = [this](const char* name) { return harness::ReadFile(lower_ + "/" + name); };
  EXPECT_EQ(read("a"), "old\na\n");
  EXPECT_EQ(read("d/new"), "old\na\n");
  EXPECT_EQ(read("b"), "old\nb\n");
  EXPECT_EQ(read("d/in"), "old\nd\n");
  EXPECT_EQ(read("c"), "old\n") << "nobody changed that name";
  EXPECT_EQ(RunAs({"/usr/bin/stat", "-c", "%n %h", "a", "b", "c", "d/in", "d/new"}, lower_).out,
            "a 2\nb 1\nc 1\nd/in 1\nd/new 2\n");
  EXPECT_FALSE(harness::Exists(lower_ + "/removed"));
  EXPECT_FALSE(harness::Exists(lower_ + "/away"));
  ExpectNothingLeft();
}

// What somebody else does to it meanwhile is not overwritten for that.
TEST_P(OverlayCommitTest, OtherNameThatIsWrittenToConflictsAllTheSame) {
  InLower("echo old > a; ln a b");
  LetTimePass();
  InSession("echo a >> a; echo b >> b");
  InLower("echo theirs >> b");
  const std::string before = LowerTree();
  EXPECT_EQ(DriverJson({"commit"})["committed"], false);
  EXPECT_EQ(LowerTree(), before);
}

TEST_P(OverlayCommitTest, DryRunTouchesNothing) {
  InLower("echo a > a");
  LetTimePass();
  InSession("echo x >> a; echo b > b");
  const std::string before = LowerTree(), changes = ChangeLines();
  const json report = DriverJson({"commit", "--dry-run"});
  EXPECT_EQ(report["committed"], false);
  EXPECT_EQ(report["changes"], 2);
  EXPECT_EQ(LowerTree(), before);
  EXPECT_EQ(ChangeLines(), changes);
}

TEST_P(OverlayCommitTest, ConflictStopsAllAndForceDoesNot) {
  InLower("echo a > a; echo b > b");
  LetTimePass();
  InSession("echo x > a; echo x > b");
  InLower("echo other > a");
  const std::string before = LowerTree();
  const json report = DriverJson({"commit"});
  EXPECT_EQ(report["committed"], false);
  ASSERT_EQ(report["conflicts"].size(), 1u);
  EXPECT_EQ(report["conflicts"][0]["path"], "a");
  EXPECT_EQ(LowerTree(), before);
  LetTimePass();
  EXPECT_EQ(DriverJson({"commit", "--force"})["committed"], true);
  EXPECT_EQ(harness::ReadFile(lower_ + "/a"), "x\n");
  ExpectNothingLeft();
}

TEST_P(OverlayCommitTest, PrivilegesAreDroppedUnlessKept) {
  InLower("echo s > s; chmod 4755 s; echo t > t; mkdir g");
  LetTimePass();
  InSession("echo p > p; chmod 6755 p; touch -d 2001-01-01 s; chmod 4755 t; chmod 2775 g");
  const json report = DriverJson({"commit", "p"});
  EXPECT_EQ(report["notes"].size(), 1u) << report;
  const auto mode = [this](const char* name) {
    return RunAs({"/usr/bin/stat", "-c", "%a", name}, lower_).out;
  };
  EXPECT_EQ(mode("p"), "755\n");
  EXPECT_EQ(DriverJson({"commit", "s", "t", "g"})["committed"], true);
  EXPECT_EQ(mode("s"), "4755\n") << "the bit was there before";
  EXPECT_EQ(mode("t"), "755\n");
  EXPECT_EQ(mode("g"), "2775\n") << "of a directory it says whose new files are";
  // The commit itself has changed it since.
  EXPECT_EQ(DriverJson({"commit", "--force", "--keep-privileges", "t"})["committed"], true);
  EXPECT_EQ(mode("t"), "4755\n");
}

TEST_P(OverlayCommitTest, SocketsAndDevicesStayBehind) {
  InSession(
      "/usr/bin/python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('s')\";"
      "echo f > f");
  if (GetParam() == Who::kRoot) InSession("mknod null c 1 3");
  const json report = DriverJson({"commit"});
  EXPECT_EQ(report["committed"], true);
  EXPECT_EQ(report["notes"].size(), GetParam() == Who::kRoot ? 2u : 1u) << report;
  EXPECT_TRUE(harness::Exists(lower_ + "/f"));
  EXPECT_FALSE(harness::Exists(lower_ + "/s"));
  EXPECT_FALSE(harness::Exists(lower_ + "/null"));
}

TEST_P(OverlayCommitTest, PlantedOverlayMarksNeverReachTheLowerDirectory) {
  InLower("mkdir d; echo secret > d/f");
  LetTimePass();
  InSession(
      "setfattr -n user.overlay.opaque -v y d || true; echo x > n;"
      "setfattr -n user.overlay.redirect -v /d n || true; echo y > d/g");
  EXPECT_EQ(DriverJson({"commit"})["committed"], true);
  const harness::Outcome marks = harness::Run(
      {.argv = {"/usr/bin/getfattr", "-R", "-d", "-m", "overlay", "."}, .directory = lower_});
  EXPECT_EQ(marks.out, "");
}

class OverlayUserCommitTest : public OverlayCommitTest {};
INSTANTIATE_TEST_SUITE_P(, OverlayUserCommitTest, testing::Values(Who::kOrdinaryUser), WhoName);

TEST_P(OverlayUserCommitTest, LowerThatCannotBeWrittenToIsUntouched) {
  InLower("echo a > a; mkdir d; echo b > d/b");
  harness::GiveTree(lower_ + "/d", 0, 0);
  LetTimePass();
  InSession("echo x > a; rm -f d/b || true; echo n > n");
  // Somebody else's directory: the commit may not do what the session could not do either.
  EXPECT_EQ(DriverJson({"commit"})["committed"], true);
  EXPECT_TRUE(harness::Exists(lower_ + "/d/b"));
  InSession("echo y > a");
  harness::GiveTree(lower_, 0, 0);
  const std::string before = LowerTree();
  EXPECT_EQ(Driver({"commit"}).exit_code, 1);
  EXPECT_EQ(LowerTree(), before);
}

class OverlayRootCommitTest : public OverlayCommitTest {};
INSTANTIATE_TEST_SUITE_P(, OverlayRootCommitTest, testing::Values(Who::kRoot), WhoName);

TEST_P(OverlayRootCommitTest, FullFileSystemLeavesTheLowerDirectoryUntouched) {
  ASSERT_EQ(
      harness::Run({.argv = {"/bin/mount", "-t", "tmpfs", "-o", "size=4m", "x", lower_}}).exit_code,
      0);
  InLower("echo a > a");
  LetTimePass();
  InSession("echo x > a; dd if=/dev/urandom of=big bs=1M count=8 status=none; echo n > n");
  const std::string before = LowerTree();
  const harness::Outcome done = Driver({"commit"});
  const std::string after = LowerTree();
  harness::Run({.argv = {"/bin/umount", lower_}});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_NE(done.err.find("No space left"), std::string::npos) << done.err;
  EXPECT_EQ(after, before);
}

TEST_P(OverlayCommitTest, DiscardEmptiesAnyLayer) {
  InLower("echo a > a");
  InSession("mkdir -p $(printf 'd/%.0s' $(seq 900)); mkdir m; echo x > m/x; chmod 000 m; rm a");
  EXPECT_EQ(Driver({"discard"}).exit_code, 0);
  EXPECT_EQ(ChangeLines(), "");
  EXPECT_EQ(harness::Run({.argv = {"/bin/ls", "-A", layer_ + "/upper"}}).out, "");
  EXPECT_TRUE(harness::Exists(lower_ + "/a"));
}

// Killed at each of its steps, a commit is finished or undone by the next one that looks; so is one
// whose recovery is killed at each of its steps.
TEST_P(OverlayCommitTest, CrashAtAnyStepIsFinishedOrUndone) {
  const std::string lower =
      "echo a > a; echo b > b; mkdir -p d gone/deep ro; echo 1 > d/one; echo x > gone/deep/x;"
      "echo r > ro/r; chmod 555 ro; echo m > m; ln -s a link";
  const std::string session =
      "echo more >> a; rm b; chmod 600 m; mkdir -p e/f; echo x > e/f/x; echo 2 > d/two; ln d/two "
      "d/three; rm -r gone; rm link; mkdir link; echo y > link/y; chmod 755 ro; echo s > ro/s;"
      "chmod 555 ro; mkdir sealed; echo z > sealed/z; chmod 555 sealed";
  InLower(lower);
  LetTimePass();
  InSession(session);
  std::string old_tree = LowerTree(), new_tree = SessionTree();
  const std::string changes = ChangeLines();
  ASSERT_NE(old_tree, new_tree);
  const auto in_scratch = [this](const std::string& script) {
    const harness::Outcome done =
        harness::Run({.argv = {"/bin/bash", "-ec", script}, .directory = scratch_.path()});
    ASSERT_EQ(done.exit_code, 0) << done.err;
  };
  int finished = 0, undone = 0, kills = 0;
  for (int at = 1;; ++at) {
    const harness::Outcome done = Driver({"commit", "--kill-at", std::to_string(at)});
    if (done.exit_code == 0) break;
    ASSERT_EQ(done.exit_code, 128 + SIGKILL) << done.err;
    ++kills;
    std::string last = Driver({"recover", "--kill-at", std::to_string(1 + at % 7)}).out;
    if (last.empty()) last = Driver({"recover"}).out;
    const std::string tree = LowerTree();
    (last == "finished\n" ? finished : undone) += 1;
    ASSERT_TRUE(last == "finished\n" || last == "undone\n" || last == "nothing\n") << last << at;
    ASSERT_TRUE(tree == old_tree || tree == new_tree) << "killed at step " << at << ": " << tree;
    ASSERT_EQ(ChangeLines(), tree == old_tree ? changes : "") << "killed at step " << at;
    ASSERT_EQ(harness::Run({.argv = {"/usr/bin/find", layer_, "-name", "commit.json"}}).out, "");
    if (tree == old_tree) continue;
    // Back to where it began.
    in_scratch("chmod -R u+w lower; rm -rf layer; find lower -mindepth 1 -delete");
    harness::MakeDirectory(layer_);
    if (GetParam() == Who::kOrdinaryUser) harness::GiveTree(layer_, kOrdinaryUser, kOrdinaryUser);
    InLower(lower);
    LetTimePass();
    InSession(session);
    ASSERT_EQ(ChangeLines(), changes);
    old_tree = LowerTree();
    new_tree = SessionTree();
  }
  EXPECT_EQ(LowerTree(), new_tree);
  ExpectNothingLeft();
  EXPECT_GT(finished, 5);
  EXPECT_GT(undone, 5);
  printf("killed at %d steps: %d finished, %d undone\n", kills, finished, undone);
}

}  // namespace
}  // namespace overlay
