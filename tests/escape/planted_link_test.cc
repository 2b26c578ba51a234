// Links that are planted before the program runs: no race at all. CWE-59; the family of
// CVE-2025-53109.
#include <gtest/gtest.h>

#include "tests/escape/attack.h"
#include "tests/harness/session.h"
#include "tests/harness/user_and_view.h"

namespace escape {
namespace {

constexpr char kFileLink[] = "symlink {vault}/target link";
constexpr char kDirectoryLink[] = "symlink {vault} link";
constexpr char kDanglingLink[] = "symlink {vault}/created link";

TEST(AbsoluteLink, WritingThroughItIsRefused) {
  ExpectEscapesBareOnly(kFileLink, "write wronly link");
}
TEST(AbsoluteLink, TruncatingOpenThroughItIsRefused) {
  ExpectEscapesBareOnly(kFileLink, "open 0 wronly+trunc link");
}
TEST(AbsoluteLink, CreatingOpenThroughItIsRefused) {
  ExpectEscapesBareOnly(kFileLink, "write wronly+creat link");
}
TEST(AbsoluteLink, ReadingThroughItIsRefused) { ExpectEscapesBareOnly(kFileLink, "read link"); }
TEST(AbsoluteLink, ReadingThroughItIsRefusedWithReadsMediated) {
  ExpectEscapesBareOnly(kFileLink, "read link", {.scope = "all"});
}
TEST(AbsoluteLink, TruncateThroughItIsRefused) {
  ExpectEscapesBareOnly(kFileLink, "truncate link");
}
TEST(AbsoluteLink, ChmodThroughItIsRefused) { ExpectEscapesBareOnly(kFileLink, "chmod link"); }
TEST(AbsoluteLink, ChownThroughItIsRefused) { ExpectEscapesBareOnly(kFileLink, "chown link"); }
TEST(AbsoluteLink, UtimensThroughItIsRefused) { ExpectEscapesBareOnly(kFileLink, "utimens link"); }
TEST(AbsoluteLink, SetxattrThroughItIsRefused) {
  ExpectEscapesBareOnly(kFileLink, "setxattr link");
}
TEST(AbsoluteLink, RemovexattrThroughItIsRefused) {
  ExpectEscapesBareOnly(kFileLink, "removexattr link");
}
TEST(AbsoluteLink, HardLinkOfItsTargetIsRefused) {
  ExpectEscapesBareOnly(kFileLink, "link-follow link copy");
}

TEST(RelativeLink, WritingThroughItIsRefused) {
  ExpectEscapesBareOnly("symlink ../vault/target link", "write wronly link");
}
TEST(RelativeLink, WritingThroughOneBelowIsRefused) {
  ExpectEscapesBareOnly("symlink ../../vault/target sub/link", "write wronly sub/link");
}
TEST(LinkChain, WritingThroughTheLastIsRefused) {
  ExpectEscapesBareOnly("symlink {vault}/target c , symlink c b , symlink {mount}/b a",
                        "write wronly a");
}

TEST(DirectoryLink, CreatingBehindItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "write wronly+creat+excl link/new");
}
TEST(DirectoryLink, MkdirBehindItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "mkdir link/new");
}
TEST(DirectoryLink, RmdirBehindItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "rmdir link/remove-me");
}
TEST(DirectoryLink, UnlinkBehindItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "unlink link/unlink-me");
}
TEST(DirectoryLink, MkfifoBehindItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "mkfifo link/new");
}
TEST(DirectoryLink, SocketBehindItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "bind link/new");
}
TEST(DirectoryLink, SocketBehindItIsRefusedWithReadsMediated) {
  ExpectEscapesBareOnly(kDirectoryLink, "bind link/new", {.scope = "all"});
}
TEST(DirectoryLink, SymlinkBehindItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "symlink x link/new");
}
TEST(DirectoryLink, RenameOutThroughItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "rename from link/stolen");
}
TEST(DirectoryLink, RenameInThroughItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "rename link/from stolen");
}
TEST(DirectoryLink, ExchangeThroughItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "exchange from link/from");
}
TEST(DirectoryLink, HardLinkOutThroughItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "link from link/new");
}
TEST(DirectoryLink, HardLinkInThroughItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "link link/target stolen");
}
TEST(DirectoryLink, UnnamedFileBehindItIsRefused) {
  ExpectEscapesBareOnly(kDirectoryLink, "open 0 wronly+tmpfile link , link-slot 0 {vault}/named");
}
TEST(DirectoryLink, ChdirThroughItGivesNoWrite) {
  ExpectEscapesBareOnly(kDirectoryLink, "chdir link , write wronly+creat new",
                        {.last_step_fails = !harness::InPrivateView()});
}

TEST(DanglingLink, CreatingThroughItIsRefused) {
  ExpectEscapesBareOnly(kDanglingLink, "write wronly+creat link");
}
TEST(DanglingLink, CreatingThroughTwoIsRefused) {
  ExpectEscapesBareOnly("symlink {vault}/created b , symlink b a", "write rdwr+creat+trunc a");
}

// What POSIX says of a link at the name stays as it is: the link itself is acted on.
TEST(PlantedLink, CallsOnTheLinkItselfWorkInSession) {
  AttackScene scene;
  const Steps setup = scene.RunBare(
      "symlink {vault}/target a , symlink {vault}/target b , symlink {vault}/target c , "
      "symlink {vault}/created d");
  ASSERT_EQ(setup.LastError(), "OK");
  scene.vault().Remember();
  const Steps made = scene.RunInSession(
      "unlink a , rename from b , rename c moved , lchown moved , write wronly+creat+excl d , "
      "mkdir d , "
      "readlink moved , read b",
      scene.Flags());
  ASSERT_EQ(made.results.size(), 8u) << made.raw;
  const char* expected[] = {"OK", "OK", "OK", "OK", "EEXIST", "EEXIST", "OK", "OK"};
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(made.results[i].error, expected[i]) << made.raw;
  EXPECT_EQ(made.results[7].text, "legitimate\n");
  EXPECT_FALSE(scene.vault().CheckAndReset()) << scene.vault().first_difference();
}

// Landlock asks what is read, not how it was found: its own environment is the session's to read.
TEST(PlantedLink, ReadsAreLedOutWhereTheyAreNativeOnly) {
  AttackScene scene;
  const Steps setup = scene.RunBare("symlink /proc/self/environ input , symlink /etc/passwd other");
  ASSERT_EQ(setup.LastError(), "OK");
  const struct {
    const char* view;
    const char* scope;
    bool led_out;
  } cases[] = {{"host", "auto", true},
               {"host", "all", false},
               {"private", "auto", false},
               {"private", "all", false}};
  for (const auto& each : cases) {
    SCOPED_TRACE(testing::Message() << each.view << " " << each.scope);
    harness::SessionFlags flags;
    flags.mounts = {scene.mount()};
    flags.scope = each.scope;
    flags.extra = {"--view", each.view};
    for (const char* link : {"input", "other"}) {
      const harness::Outcome read =
          harness::RunEither(flags, {.argv = {"/bin/cat", link}, .directory = scene.mount()});
      EXPECT_LT(read.exit_code, 125) << read.err;
      EXPECT_EQ(read.exit_code == 0, each.led_out) << link << " " << read.err;
    }
  }
}

TEST(InsideLink, RelativeAndAbsoluteOnesWorkInSession) {
  AttackScene scene;
  ASSERT_EQ(scene
                .RunBare("symlink target a , symlink {mount}/target b , symlink ../target sub/c , "
                         "symlink {mount}/sub d")
                .LastError(),
            "OK");
  const Steps made = scene.RunInSession(
      "write wronly a , write wronly b , write wronly sub/c , write wronly+creat d/new , read "
      "sub/new , "
      "write wronly sub/../target , write wronly ../mount/target , write wronly "
      "{mount}/../mount/target",
      scene.Flags());
  ASSERT_EQ(made.results.size(), 8u) << made.raw;
  for (const StepResult& result : made.results) EXPECT_EQ(result.error, "OK") << made.raw;
}

// A second mount of the same session is outside as well (the island rule).
TEST(SecondMount, LinkIntoItDoesNotRedirectAWrite) {
  ExpectEscapesBareOnly(kFileLink, "write wronly link", {.mounts = {"{vault}"}});
}
TEST(SecondMount, LinkIntoItDoesNotRedirectACreate) {
  ExpectEscapesBareOnly(kDanglingLink, "write wronly+creat link", {.mounts = {"{vault}"}});
}
TEST(SecondMount, LinkIntoItDoesNotRedirectARead) {
  ExpectEscapesBareOnly(kFileLink, "read link", {.mounts = {"{vault}"}});
}
TEST(SecondMount, LinkIntoItDoesNotRedirectMkdir) {
  ExpectEscapesBareOnly(kDirectoryLink, "mkdir link/new", {.mounts = {"{vault}"}});
}
TEST(SecondMount, LinkIntoItDoesNotRedirectASocket) {
  ExpectEscapesBareOnly(kDirectoryLink, "bind link/new", {.mounts = {"{vault}"}});
}
TEST(SecondMount, LinkIntoItDoesNotRedirectUnlink) {
  ExpectEscapesBareOnly(kDirectoryLink, "unlink link/unlink-me", {.mounts = {"{vault}"}});
}
TEST(SecondMount, LinkIntoItDoesNotRedirectChmod) {
  ExpectEscapesBareOnly(kFileLink, "chmod link", {.mounts = {"{vault}"}});
}
TEST(SecondMount, ItsOwnNameReachesIt) {
  AttackScene scene;
  harness::SessionFlags flags = scene.Flags();
  flags.mounts.push_back(scene.vault().path());
  const Steps made = scene.RunInSession("write wronly {vault}/target , mkdir {vault}/new", flags);
  ASSERT_EQ(made.results.size(), 2u) << made.raw;
  EXPECT_EQ(made.results[0].error, "OK") << made.raw;
  EXPECT_EQ(made.results[1].error, "OK") << made.raw;
  EXPECT_TRUE(scene.vault().CheckAndReset());
}

TEST(PlantedLinkOrdinaryUser, NothingOutsideIsTouched) {
  if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root, to become another user";
  const AttackOptions ordinary = {.as_user = 1000};
  ExpectEscapesBareOnly(kFileLink, "write wronly link", ordinary);
  ExpectEscapesBareOnly(kFileLink, "read link", ordinary);
  ExpectEscapesBareOnly(kFileLink, "chmod link", ordinary);
  ExpectEscapesBareOnly(kDirectoryLink, "mkdir link/new", ordinary);
  ExpectEscapesBareOnly(kDirectoryLink, "rename link/from stolen", ordinary);
  ExpectEscapesBareOnly(kDanglingLink, "write wronly+creat link", ordinary);
}

}  // namespace
}  // namespace escape
