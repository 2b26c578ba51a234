// Paths that say where they go: `..` chains, absolute names, descriptors of directories outside.
#include <gtest/gtest.h>

#include "tests/escape/attack.h"
#include "tests/harness/user_and_view.h"

namespace escape {
namespace {

TEST(DotDot, WritingAboveTheMountIsRefused) {
  ExpectEscapesBareOnly("", "write wronly ../vault/target");
}
TEST(DotDot, WritingFromBelowIsRefused) {
  ExpectEscapesBareOnly("", "write wronly sub/../../vault/target");
}
TEST(DotDot, WritingBehindTheMountsNameIsRefused) {
  ExpectEscapesBareOnly("", "write wronly {mount}/../vault/target");
}
TEST(DotDot, MoreThanThereAreDirectoriesIsRefused) {
  ExpectEscapesBareOnly("", "write wronly ../../../../../../../../../../../../..{vault}/target");
}
TEST(DotDot, FromAChangedDirectoryIsRefused) {
  ExpectEscapesBareOnly("", "chdir sub , write wronly ../../vault/target");
}
TEST(DotDot, FromADirectoryDescriptorIsRefused) {
  ExpectEscapesBareOnly("",
                        "open 0 path+directory sub , openat 1 0 wronly+trunc ../../vault/target");
}

// Every call by the plain absolute name. Landlock does not stop those on metadata.
TEST(OutsideName, EveryCallOnItIsRefused) {
  for (const char* steps :
       {"write wronly {vault}/target", "open 0 wronly+trunc {vault}/target",
        "write rdwr+creat {vault}/new", "read {vault}/target", "mkdir {vault}/new",
        "rmdir {vault}/remove-me", "unlink {vault}/unlink-me", "rename {vault}/from {vault}/to",
        "rename from {vault}/to", "rename {vault}/from to", "exchange from {vault}/from",
        "link from {vault}/new", "link {vault}/from new", "symlink x {vault}/new",
        "mkfifo {vault}/new", "truncate {vault}/target"}) {
    ExpectEscapesBareOnly("", steps);
  }
  // In a private view the caller stays in its mount, and writes its own file.
  ExpectEscapesBareOnly("", "open 0 path {vault} , fchdir 0 , write wronly target",
                        {.last_step_fails = !harness::InPrivateView()});
}

TEST(OutsideName, EveryCallOnItsMetadataIsRefused) {
  for (const char* steps : {"chmod {vault}/target", "chown {vault}/target", "lchown {vault}/target",
                            "utimens {vault}/target", "setxattr {vault}/target",
                            "lsetxattr {vault}/target", "removexattr {vault}/target"}) {
    ExpectEscapesBareOnly("", steps);
  }
}

// O_PATH opens pass Landlock: what such a descriptor refers to decides, not that it exists.
TEST(OutsideDescriptor, CallsBelowADirectoryAreRefused) {
  for (const char* steps :
       {"open 0 path {vault} , openat 1 0 wronly+trunc target",
        "open 0 path {vault} , mkdirat 0 new", "open 0 path {vault} , unlinkat 0 unlink-me",
        "open 0 path {vault} , write wronly /proc/self/fd/%0/target"}) {
    ExpectEscapesBareOnly("", steps);
  }
}

TEST(OutsideDescriptor, CallsOnAFileAreRefused) {
  for (const char* steps :
       {"open 0 path {vault}/target , write wronly /proc/self/fd/%0",
        "open 0 path {vault}/target , read /proc/self/fd/%0",
        "open 0 path {vault}/target , fchmodat2 0", "open 0 path {vault}/target , fchownat 0",
        "open 0 path {vault}/target , chmod /proc/self/fd/%0",
        "open 0 path {vault}/target , truncate /proc/self/fd/%0",
        "open 0 path {vault}/target , link-slot 0 stolen"}) {
    ExpectEscapesBareOnly("", steps);
  }
}

// The f-variants work on descriptors opened for reading alone: a read-only grant must cover them.
TEST(ReadOnlyMount, MetadataByDescriptorIsRefused) {
  const AttackOptions options = {.mounts = {"{vault}:ro"}, .reading_is_escape = false};
  for (const char* call : {"fchmod", "fchown", "futimens", "fsetxattr", "fremovexattr"}) {
    ExpectEscapesBareOnly("", "open 0 rdonly {vault}/target , " + std::string(call) + " 0",
                          options);
  }
}

TEST(ReadOnlyMount, EveryChangeIsRefused) {
  const AttackOptions options = {.mounts = {"{vault}:ro"}, .reading_is_escape = false};
  for (const char* steps :
       {"write wronly {vault}/target", "open 0 rdonly+trunc {vault}/target", "mkdir {vault}/new",
        "rmdir {vault}/remove-me", "unlink {vault}/unlink-me", "rename {vault}/from {vault}/to",
        "rename from {vault}/to", "symlink x {vault}/new", "link {vault}/from {vault}/new",
        "chmod {vault}/target", "utimens {vault}/target", "setxattr {vault}/target",
        "truncate {vault}/target"}) {
    ExpectEscapesBareOnly("", steps, options);
  }
}

TEST(ReadOnlyMount, ReadingWorks) {
  AttackScene scene;
  harness::SessionFlags flags = scene.Flags();
  flags.mounts.push_back(scene.vault().path() + ":ro");
  const Steps made = scene.RunInSession("read {vault}/target", flags);
  EXPECT_EQ(made.LastError(), "OK") << made.raw;
  EXPECT_TRUE(made.Saw("CANARY-OUTSIDE")) << made.raw;
}

// The same for the tree that only --rox grants.
TEST(SystemGrant, ChangesAreRefused) {
  for (const char* steps :
       {"open 0 rdonly {tools}/one_call , fchmod 0", "open 0 rdonly {tools}/one_call , futimens 0",
        "chmod {tools}/one_call", "utimens {tools}/one_call", "setxattr {tools}/one_call",
        "unlink {tools}/one_call", "write wronly+creat {tools}/new",
        "rename {tools}/one_call {mount}/x"}) {
    AttackScene scene;
    const Steps made = scene.RunInSession(steps, scene.Flags());
    EXPECT_NE(made.LastError(), "OK") << steps << "\n" << made.raw;
    ASSERT_FALSE(made.results.empty()) << made.raw;
    EXPECT_EQ(scene.RunBare(steps).LastError(), "OK") << "control: " << steps;
  }
}

}  // namespace
}  // namespace escape
