// Magic links of /proc: the family of CVE-2024-21626 and CVE-2019-5736. They mean objects, not
// names.
#include <gtest/gtest.h>

#include "tests/escape/attack.h"

namespace escape {
namespace {

TEST(ProcSelfRoot, WritingThroughItIsRefused) {
  ExpectEscapesBareOnly("", "write wronly /proc/self/root{vault}/target");
}
TEST(ProcSelfRoot, MkdirThroughItIsRefused) {
  ExpectEscapesBareOnly("", "mkdir /proc/self/root{vault}/new");
}
TEST(ProcSelfRoot, ReadingThroughItIsRefused) {
  ExpectEscapesBareOnly("", "read /proc/self/root{vault}/target");
}
TEST(ProcSelfRoot, ThreadSelfIsRefusedAsWell) {
  ExpectEscapesBareOnly("", "write wronly /proc/thread-self/root{vault}/target");
}
TEST(ProcSelfRoot, ByItsOwnNumberIsRefused) {
  ExpectEscapesBareOnly("", "write wronly /proc/%s/root{vault}/target");
}

TEST(ProcSelfCwd, DotDotBehindItIsRefused) {
  ExpectEscapesBareOnly("", "write wronly /proc/self/cwd/../vault/target");
}
TEST(ProcSelfFd, DotDotBehindADirectoryIsRefused) {
  ExpectEscapesBareOnly(
      "", "open 0 rdonly+directory {mount} , write wronly /proc/self/fd/%0/../vault/target");
}
TEST(ProcSelfFd, DevFdIsRefusedAsWell) {
  ExpectEscapesBareOnly("", "open 0 rdonly+directory {mount} , mkdir /dev/fd/%0/../vault/new");
}
TEST(ProcSelfFd, LinkToItInTheMountIsRefused) {
  ExpectEscapesBareOnly("symlink /proc/self/root link", "write wronly link{vault}/target");
}

TEST(ProcParent, ItsRootIsNoWayOut) {
  ExpectEscapesBareOnly("", "write wronly /proc/%p/root{vault}/target");
}
TEST(ProcParent, ItsWorkingDirectoryIsNoWayOut) {
  ExpectEscapesBareOnly("", "open 0 rdonly /proc/%p/root{vault}/target , read-slot 0");
}

TEST(ProcParent, DescriptorsOfTheBrokerCannotBeListed) {
  AttackScene scene;
  const std::string steps = "open 0 rdonly+directory /proc/%p/fd";
  EXPECT_EQ(scene.RunBare(steps).LastError(), "OK");
  const Steps made = scene.RunInSession(steps, scene.Flags());
  EXPECT_NE(made.LastError(), "OK") << made.raw;
  EXPECT_NE(made.LastError(), "none") << made.raw;
}

TEST(ProcParent, MemoryOfTheBrokerCannotBeOpened) {
  AttackScene scene;
  const std::string steps = "open 0 rdwr /proc/%p/mem";
  EXPECT_EQ(scene.RunBare(steps).LastError(), "OK");
  const Steps made = scene.RunInSession(steps, scene.Flags());
  EXPECT_NE(made.LastError(), "OK") << made.raw;
  EXPECT_NE(made.LastError(), "none") << made.raw;
}

// What is the session's own stays usable.
TEST(ProcSelfFd, OwnDescriptorInTheMountCanBeReopened) {
  AttackScene scene;
  const Steps made = scene.RunInSession(
      "open 0 rdwr target , write wronly /proc/self/fd/%0 , write wronly+append /dev/fd/%0 , "
      "open 1 rdonly+directory sub , write wronly+creat /proc/self/fd/%1/new , "
      "write wronly+creat /proc/self/cwd/by-cwd",
      scene.Flags());
  ASSERT_EQ(made.results.size(), 6u) << made.raw;
  for (const StepResult& result : made.results) EXPECT_EQ(result.error, "OK") << made.raw;
  EXPECT_TRUE(harness::Exists(scene.mount() + "/sub/new"));
  EXPECT_TRUE(harness::Exists(scene.mount() + "/by-cwd"));
}

}  // namespace
}  // namespace escape
