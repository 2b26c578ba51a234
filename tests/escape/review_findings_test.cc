// What reviews found once, kept from coming back. One test a finding, named after what went wrong.
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/escape/attack.h"

namespace escape {
namespace {

// d_path calls an unlinked file "NAME (deleted)", which no glob matched: whoever held it by O_PATH could reopen it.
class ReplacedDeniedFile : public testing::Test {
 protected:
  // Opens .env with O_PATH (native: it reads nothing), lets the host replace it, and reopens the old one.
  Steps ReadTheOldOne(bool denied) {
    harness::WriteFile(scene_.mount() + "/.env", harness::kCanary);
    harness::SessionFlags flags = scene_.Flags();
    if (denied) flags.deny = {".env"};
    harness::Command command = scene_.StepsCommand(
        "open 0 path .env , write wronly+creat started , await go , read /proc/self/fd/%0");
    command.argv = harness::SessionArgv(flags, command.argv);
    harness::Child child(command);
    while (!harness::Exists(scene_.mount() + "/started") && child.Running()) usleep(1000);
    harness::WriteFile(scene_.mount() + "/new", "new\n");
    EXPECT_EQ(rename((scene_.mount() + "/new").c_str(), (scene_.mount() + "/.env").c_str()), 0);
    harness::WriteFile(scene_.mount() + "/go", "");
    return AttackScene::Parse(child.Wait());
  }
  AttackScene scene_;
};

TEST_F(ReplacedDeniedFile, IsReadWithoutTheRule) {
  EXPECT_TRUE(ReadTheOldOne(false).Saw("CANARY-OUTSIDE"));
}

TEST_F(ReplacedDeniedFile, StaysDenied) {
  const Steps steps = ReadTheOldOne(true);
  EXPECT_FALSE(steps.Saw("CANARY-OUTSIDE")) << steps.raw;
  EXPECT_EQ(steps.LastError(), "EACCES") << steps.raw;
}

// Metadata through a descriptor that was opened for reading, below a read-only mount.
std::string SetVersionByPython(const std::string& path) {
  return "import fcntl,os,struct\nfd=os.open('" + path +
         "',os.O_RDONLY)\ntry:\n fcntl.ioctl(fd,0x40086604,struct.pack('l',7)); print('CHANGED')\n"
         "except OSError as e: print(e.strerror)";
}

TEST(ReadOnlyDescriptor, GenerationOfTheInodeStays) {
  AttackScene scene;
  const std::string script = SetVersionByPython(scene.mount() + "/target");
  const std::vector<std::string> argv = {"/usr/bin/python3", "-c", script};
  const harness::Outcome bare = harness::Run({.argv = argv});
  if (bare.out != "CHANGED\n") GTEST_SKIP() << "needs a file system with EXT4_IOC_SETVERSION";
  harness::SessionFlags flags;
  flags.mounts = {scene.mount() + ":ro"};
  const harness::Outcome session = harness::RunEither(flags, {.argv = argv});
  EXPECT_EQ(session.exit_code, 0) << session.err;
  EXPECT_EQ(session.out, "Operation not supported\n") << session.err;
}

// prlimit(2) is no signal, so Landlock's signal scope says nothing about it.
TEST(LimitsOfOthers, StayWhatTheyWere) {
  AttackScene scene;
  // One less than it is, so that the change shows.
  rlimit before_descriptors;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before_descriptors), 0);
  const std::string soft = std::to_string(before_descriptors.rlim_cur - 1);
  const std::string script =
      "import resource as r\nhard=r.getrlimit(r.RLIMIT_NOFILE)[1]\ntry:\n r.prlimit(" +
      std::to_string(getpid()) + ",r.RLIMIT_NOFILE,(" + soft +
      ",hard)); print('CHANGED')\nexcept OSError: print('refused')";
  const std::vector<std::string> argv = {"/usr/bin/python3", "-c", script};
  const harness::Outcome bare = harness::Run({.argv = argv});
  EXPECT_EQ(bare.out, "CHANGED\n") << bare.err;
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_descriptors), 0);
  const harness::Outcome session = harness::RunEither(scene.Flags(), {.argv = argv});
  EXPECT_EQ(session.out, "refused\n") << session.err;
  rlimit after;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before_descriptors.rlim_cur);
}

// What the island rule refused was EACCES without a rule: the central attack did not show in the audit.
TEST(Audit, NamesTheIslandRule) {
  AttackScene scene;
  scene.RunBare("symlink {vault}/target link");
  harness::SessionFlags flags = scene.Flags();
  const std::string audit = scene.Path("audit.jsonl");
  flags.extra = {"--audit-file", audit};
  const Steps steps = scene.RunInSession("write wronly link", flags);
  EXPECT_EQ(steps.LastError(), "EACCES") << steps.raw;
  EXPECT_NE(harness::ReadFile(audit).find("\"denied_by\":\"mount " + scene.mount() +
                                          ": a link leads out of it\""),
            std::string::npos)
      << harness::ReadFile(audit);
}

}  // namespace
}  // namespace escape
