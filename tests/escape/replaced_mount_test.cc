// What a name meant when the session began, and what somebody made of it since.
#include <gtest/gtest.h>
#include <stdio.h>

#include "tests/escape/attack.h"

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
