// A broker that a hostile session has taken over (tests/walls/taken_over.cc), on the channel by
// which its monitor tells it of mounts that come and go: lies, replays, malformed messages, floods,
// and descriptors that it keeps.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/escape/attack.h"
#include "tests/escape/use_broker.h"
#include "tests/harness/user_and_view.h"

namespace escape {
namespace {

constexpr uid_t kAttackerInTheBroker = 1000;

class LateMountBroker : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!harness::Exists(harness::Built("sessionctl_taken_over"))) {
      GTEST_SKIP() << "needs a build without sanitizers";
    }
    for (const char* name : {"state", "shared"}) harness::MakeDirectory(scene_.Path(name));
    harness::MakeDirectory(scene_.Path("shared/only-here"));
    harness::WriteFile(scene_.Path("shared/file"), "shared\n", 0644);
    if (user_) harness::GiveTree(scene_.Path(""), *user_, *user_);
    chmod(scene_.Path("state").c_str(), 0700);
    setenv("SESSIONCTL_STATE_DIR", scene_.Path("state").c_str(), 1);
    id_ = Cli({"spawn", "--reserve", "--mount", scene_.mount(), "--rox", scene_.Path("tools"), "--",
               "/bin/sleep", "300"})
              .out;
    ASSERT_NE(id_.find('\n'), std::string::npos) << "spawn failed";
    id_.resize(id_.find('\n'));
  }
  void TearDown() override {
    Cli({"stop", "--all", "--timeout", "0"});
    unsetenv("SESSIONCTL_STATE_DIR");
  }

  harness::Outcome Cli(std::vector<std::string> args) {
    args.insert(args.begin(), harness::SessionctlPath());
    return harness::Run({.argv = args, .directory = "/", .as_user = user_});
  }
  harness::Outcome Shell(const std::string& script) {
    return Cli({"exec", id_, "/bin/sh", "-c", script});
  }
  // "OK" or the errno's name of an attempt in the broker's own process.
  std::string Attack(const std::string& attack) {
    return AttackScene::Parse(
               Cli({"exec", id_, scene_.Tool("one_call"), "truncate", "attack:" + attack}))
        .LastError();
  }
  harness::Outcome Add(const std::string& mode = "rw") {
    return Cli({"mount", "add", id_, scene_.Path("shared") + ":/mnt/data:" + mode});
  }
  harness::Outcome Remove() { return Cli({"mount", "rm", id_, "/mnt/data"}); }
  std::string Record() { return Cli({"inspect", id_}).out; }
  void ExpectGone() {
    EXPECT_EQ(Cli({"mount", "ls", id_}).out.find("/mnt/data"), std::string::npos);
    EXPECT_EQ(Shell("[ -e /mnt/data ] || echo absent").out, "absent\n");
    EXPECT_EQ(Shell("grep -c /mnt/data /proc/mounts").out, "0\n");
  }

  const std::optional<uid_t> user_ =
      harness::RunningAsRoot() ? std::optional<uid_t>(kAttackerInTheBroker) : std::nullopt;
  UseBroker use_{"taken_over"};
  AttackScene scene_;
  std::string id_;
};

TEST_F(LateMountBroker, AnswersThatNobodyAskedForMeanNothing) {
  ASSERT_EQ(Attack("forge-mounts:0"), "OK");
  const harness::Outcome added = Add();
  ASSERT_EQ(added.exit_code, 0) << added.err;
  EXPECT_EQ(Shell("cat /mnt/data/file").out, "shared\n");
  ASSERT_EQ(Attack("forge-mounts:5"), "OK");
  EXPECT_EQ(Remove().exit_code, 0);
  ExpectGone();
}

// Whatever it says just then: what `mount rm` has said to be gone is mounted no more.
TEST_F(LateMountBroker, AnswersBeforeItsTimeTakeNothingBack) {
  const std::string loop =
      "while :; do " + scene_.Tool("one_call") + " truncate attack:forge-mounts:";
  harness::Child lies({.argv = {harness::SessionctlPath(), "exec", id_, "/bin/sh", "-c",
                                loop + "0 >/dev/null; done"},
                       .directory = "/",
                       .as_user = user_});
  harness::Child refusals({.argv = {harness::SessionctlPath(), "exec", id_, "/bin/sh", "-c",
                                    loop + "16 >/dev/null; done"},
                           .directory = "/",
                           .as_user = user_});
  int removed = 0, refused = 0;
  for (int round = 0; round < 12; ++round) {
    (void)Add();
    const harness::Outcome gone = Remove();
    removed += gone.exit_code == 0 ? 1 : 0;
    refused += gone.exit_code != 0 ? 1 : 0;
    if (gone.exit_code == 0) ExpectGone();
  }
  printf("  %d removed, %d refused\n", removed, refused);
  EXPECT_GT(removed, 0);
  EXPECT_NE(Record().find("\"state\": \"running\""), std::string::npos);
}

TEST_F(LateMountBroker, ManyMessagesKeepTheMonitorFromNothing) {
  harness::Child flood({.argv = {harness::SessionctlPath(), "exec", id_, scene_.Tool("one_call"),
                                 "truncate", "attack:forge-many:200000"},
                        .directory = "/",
                        .as_user = user_});
  usleep(100'000);
  const harness::Outcome added = Add();
  EXPECT_EQ(added.exit_code, 0) << added.err;
  EXPECT_EQ(Remove().exit_code, 0);
  ExpectGone();
}

TEST_F(LateMountBroker, MessageThatIsNoneEndsTheSession) {
  for (const char* difference : {"-1", "1", "4096"}) {
    SCOPED_TRACE(difference);
    ASSERT_EQ(Add().exit_code, 0);
    (void)Attack(std::string("forge-size:") + difference);
    std::string record;
    for (int i = 0; i < 500; ++i) {
      record = Record();
      if (record.find("\"state\": \"lost\"") != std::string::npos) break;
      usleep(10'000);
    }
    EXPECT_NE(record.find("broker lost"), std::string::npos) << record;
    TearDown();
    setenv("SESSIONCTL_STATE_DIR", scene_.Path("state").c_str(), 1);
    id_ = Cli({"spawn", "--reserve", "--mount", scene_.mount(), "--rox", scene_.Path("tools"), "--",
               "/bin/sleep", "300"})
              .out;
    id_.resize(std::min(id_.find('\n'), id_.size()));
  }
}

// The kernel's own answer, without Landlock: a directory of a mount that was taken off is used on.
TEST_F(LateMountBroker, DirectoryThatItKeepsIsOfNoUseAfterTheRemoval) {
  if (harness::RunningAsRoot()) {
    const pid_t child = fork();
    if (child == 0) {
      const std::string shared = scene_.Path("shared");
      if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") != 0) _exit(2);
      if (mount(shared.c_str(), "/mnt", "", MS_BIND, "") != 0) _exit(3);
      const int kept = open("/mnt", O_PATH | O_DIRECTORY);
      if (umount2("/mnt", MNT_DETACH) != 0) _exit(4);
      _exit(openat(kept, "file", O_WRONLY) >= 0 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << "the bare control";
  }
  ASSERT_EQ(Add().exit_code, 0);
  ASSERT_EQ(Attack("keep-directories"), "OK");
  EXPECT_EQ(Attack("write-in-kept:file"), "OK") << "while it is granted, the control";
  ASSERT_EQ(Remove().exit_code, 0);
  EXPECT_EQ(Attack("write-in-kept:file"), "EACCES");
  EXPECT_EQ(Attack("make-in-kept:only-here/made"), "EACCES");
  EXPECT_FALSE(harness::Exists(scene_.Path("shared/only-here/made")));
  ExpectGone();
}

TEST_F(LateMountBroker, DirectoryOfAReadOnlyMountIsReadOnlyForIt) {
  ASSERT_EQ(Add("ro").exit_code, 0);
  ASSERT_EQ(Attack("keep-directories"), "OK");
  EXPECT_EQ(Attack("write-in-kept:file"), "EROFS");
  EXPECT_FALSE(harness::Exists(scene_.Path("shared/made")));
}

}  // namespace
}  // namespace escape
