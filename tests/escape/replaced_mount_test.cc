// What a name meant when the session began, and what somebody made of it since.
#include <gtest/gtest.h>
#include <stdio.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "tests/escape/attack.h"
#include "tests/harness/session.h"

namespace escape {
namespace {

void Move(const std::string& from, const std::string& to) {
  ASSERT_EQ(rename(from.c_str(), to.c_str()), 0) << from << " → " << to;
}

// The mount's directory is moved away and a link to the vault put at its name: the held one counts.
void ReplaceMountByLink(AttackScene& scene) {
  Move(scene.mount(), scene.Path("held"));
  harness::MakeLink(scene.vault().path(), scene.mount());
  harness::WriteFile(scene.Path("held/go"), "");
}

TEST(MountDirectory, ReplacedByALinkTheHeldOneCounts) {
  ExpectEscapesBareOnlyWhile(
      "", "write wronly+creat started , await go , write wronly+creat {mount}/fresh",
      ReplaceMountByLink, [](AttackScene& scene, bool in_session) {
        EXPECT_EQ(harness::Exists(scene.Path("held/fresh")), in_session);
      });
}

TEST(MountDirectory, ReplacedByALinkReadsDoNotFollow) {
  ExpectEscapesBareOnlyWhile("", "write wronly+creat started , await go , read {mount}/target",
                             ReplaceMountByLink, [](AttackScene&, bool) {});
}

TEST(MountDirectory, ReplacedByADirectoryTheHeldOneCounts) {
  AttackScene scene;
  harness::Command command = scene.StepsCommand(
      "write wronly+creat started , await go , write wronly+creat {mount}/fresh");
  command.argv = harness::SessionArgv(scene.Flags(), command.argv);
  harness::Child child(command);
  while (!harness::Exists(scene.mount() + "/started") && child.Running()) {
  }
  Move(scene.mount(), scene.Path("held"));
  harness::MakeDirectory(scene.mount());
  harness::WriteFile(scene.Path("held/go"), "");
  const Steps made = AttackScene::Parse(child.Wait());
  EXPECT_EQ(made.LastError(), "OK") << made.raw;
  EXPECT_TRUE(harness::Exists(scene.Path("held/fresh"))) << made.raw;
  EXPECT_FALSE(harness::Exists(scene.mount() + "/fresh"));
}

// A directory on the way to the mount, in a tree that may be read, gets another name while the
// session runs: by the new one nothing is reached that the mount's rules deny.
class MountInAReadableTree : public testing::Test {
 protected:
  MountInAReadableTree() {
    harness::MakeDirectory(scratch_ / "tree/way/mount");
    for (const char* name : {"/open", "/secret"}) {
      harness::WriteFile(scratch_ / ("tree/way/mount" + std::string(name)),
                         std::string(name) + "\n");
    }
    harness::WriteFile(
        scratch_ / "policy.toml",
        "version = 1\nextends = [\"default\"]\n[[mount]]\nhost = \"" + scratch_ / "tree/way/mount" +
            "\"\ndeny = [\"secret\"]\n[filesystem]\nread = [\"" + scratch_ / "tree" + "\"]\n");
  }

  // What a shell reads by the new name; `flags`: in a session.
  harness::Outcome ReadWhileMoved(const std::optional<harness::SessionFlags>& flags) const {
    harness::Command command = {
        .argv =
            {"/bin/sh", "-c",
             "cat way/mount/open; : > way/mount/started; while [ -e way ]; do sleep 0.02; done; "
             "cat moved/mount/secret"},
        .directory = scratch_ / "tree"};
    if (flags.has_value()) command.argv = harness::SessionArgv(*flags, command.argv);
    harness::Child child(command);
    while (!harness::Exists(scratch_ / "tree/way/mount/started") && child.Running()) {
    }
    Move(scratch_ / "tree/way", scratch_ / "tree/moved");
    harness::Outcome outcome = child.Wait();
    Move(scratch_ / "tree/moved", scratch_ / "tree/way");
    unlink((scratch_ / "tree/way/mount/started").c_str());
    return outcome;
  }

  harness::ScratchDirectory scratch_;
};

TEST_F(MountInAReadableTree, WhatItDeniesIsNotReadByAnotherNameEither) {
  EXPECT_EQ(ReadWhileMoved(std::nullopt).out, "/open\n/secret\n");
  harness::SessionFlags flags;
  flags.extra = {"--policy", scratch_ / "policy.toml", "--workdir", scratch_ / "tree"};
  const harness::Outcome session = ReadWhileMoved(flags);
  EXPECT_EQ(session.out, "/open\n") << session.err;
  EXPECT_NE(session.exit_code, 0);
}

// The working directory is moved out of the mount: nothing that starts from it is beneath any more.
void MoveCwdToVault(AttackScene& scene) {
  harness::WriteFile(scene.mount() + "/sub/moved", "");
  Move(scene.mount() + "/sub", scene.vault().path() + "/sub");
  scene.vault().Remember();
  harness::WriteFile(scene.mount() + "/go", "");
}

void ExpectNothingFromMovedCwd(const std::string& step) {
  ExpectEscapesBareOnlyWhile(
      "", "chdir sub , write wronly+creat {mount}/started , await {mount}/go , " + step,
      [](AttackScene& scene) {
        // `started` is made before the step is reported: the vault is quiet till `go`.
        MoveCwdToVault(scene);
      },
      [](AttackScene&, bool) {});
}

TEST(MovedWorkingDirectory, NewFileInItIsRefused) {
  ExpectNothingFromMovedCwd("write wronly+creat fresh");
}
TEST(MovedWorkingDirectory, DotDotFromItIsRefused) {
  ExpectNothingFromMovedCwd("write wronly ../target");
}
TEST(MovedWorkingDirectory, MkdirInItIsRefused) { ExpectNothingFromMovedCwd("mkdir fresh"); }
TEST(MovedWorkingDirectory, RenameInItIsRefused) { ExpectNothingFromMovedCwd("rename moved gone"); }
TEST(MovedWorkingDirectory, UnlinkAboveItIsRefused) {
  ExpectNothingFromMovedCwd("unlink ../unlink-me");
}
TEST(MovedWorkingDirectory, ProcSelfCwdIsRefused) {
  ExpectNothingFromMovedCwd("write wronly+creat /proc/self/cwd/fresh");
}
TEST(MovedWorkingDirectory, ReadAboveItIsRefused) { ExpectNothingFromMovedCwd("read ../target"); }

// The same with a descriptor that the session holds.
TEST(MovedDirectoryDescriptor, CallsBelowItAreRefused) {
  for (const char* step :
       {"openat 1 0 wronly+creat fresh", "mkdirat 0 fresh", "unlinkat 0 ../unlink-me",
        "openat 1 0 wronly+trunc ../target", "write wronly+creat /proc/self/fd/%0/fresh"}) {
    ExpectEscapesBareOnlyWhile(
        "",
        "open 0 rdonly+directory sub , write wronly+creat started , await go , " +
            std::string(step),
        [](AttackScene& scene) {
          Move(scene.mount() + "/sub", scene.vault().path() + "/sub");
          scene.vault().Remember();
          harness::WriteFile(scene.mount() + "/go", "");
        },
        [](AttackScene&, bool) {});
  }
}

}  // namespace
}  // namespace escape
