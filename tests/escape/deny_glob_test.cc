// A denied name inside a granted mount, and every way round to it that trap 39 and its kind know.
// The control is the same session without the deny.
#include <gtest/gtest.h>

#include "tests/escape/attack.h"

namespace escape {
namespace {

struct Scene : AttackScene {
  Scene() {
    harness::MakeDirectory(mount() + "/config/deep");
    harness::WriteFile(Secret(), harness::kCanary);
    harness::WriteFile(mount() + "/config/deep/other", "open\n");
  }
  std::string Secret() const { return mount() + "/config/deep/.env"; }
};

// What counts: the canary was read, or the file is not what it was.
bool Reached(const Scene& scene, const Steps& steps) {
  return steps.Saw("CANARY-OUTSIDE") || harness::ReadFile(scene.Secret()) != harness::kCanary;
}

void ExpectDenied(const std::string& glob, const std::string& steps) {
  SCOPED_TRACE(glob + ": " + steps);
  {
    Scene scene;
    const Steps open = scene.RunInSession(steps, scene.Flags());
    EXPECT_TRUE(Reached(scene, open)) << "the control did not reach the file\n" << open.raw;
  }
  Scene scene;
  harness::SessionFlags flags = scene.Flags();
  flags.deny = {glob};
  const Steps denied = scene.RunInSession(steps, flags);
  EXPECT_FALSE(Reached(scene, denied)) << denied.raw;
  EXPECT_EQ(denied.exit_code, 0) << denied.raw;
  EXPECT_NE(denied.LastError(), "none") << denied.raw;
}

constexpr char kAnywhere[] = "**/.env";
constexpr char kOnePlace[] = "config/deep/.env";

TEST(DenyGlob, DirectUseIsDenied) {
  for (const char* glob : {kAnywhere, kOnePlace}) {
    for (const char* steps : {"read config/deep/.env", "write wronly config/deep/.env",
                              "open 0 wronly+trunc config/deep/.env", "unlink config/deep/.env",
                              "truncate config/deep/.env", "rename target config/deep/.env",
                              "write wronly+creat {mount}/config/deep/.env",
                              "write wronly config/../config/deep/./.env"}) {
      ExpectDenied(glob, steps);
    }
  }
}

TEST(DenyGlob, FromItsOwnDirectoryIsDenied) {
  ExpectDenied(kAnywhere, "chdir config/deep , read .env");
  ExpectDenied(kAnywhere,
               "open 0 rdonly+directory config/deep , openat 1 0 rdonly .env , read-slot 1");
  ExpectDenied(kAnywhere, "open 0 path+directory config/deep , read /proc/self/fd/%0/.env");
  ExpectDenied(kAnywhere, "open 0 path config/deep/.env , read /proc/self/fd/%0");
  ExpectDenied(kAnywhere, "chdir config/deep , read /proc/self/cwd/.env");
}

TEST(DenyGlob, RenamingItIsDenied) {
  ExpectDenied(kAnywhere, "rename config/deep/.env plain , read plain");
  ExpectDenied(kAnywhere, "exchange config/deep/.env target , read target");
}

TEST(DenyGlob, RenamingADirectoryAboveItIsDenied) {
  ExpectDenied(kOnePlace, "rename config/deep moved , read moved/.env");
  ExpectDenied(kOnePlace, "rename config moved , read moved/deep/.env");
  ExpectDenied(kOnePlace, "exchange config sub , read sub/deep/.env");
}

TEST(DenyGlob, HardLinkToItIsDenied) {
  ExpectDenied(kAnywhere, "link config/deep/.env plain , read plain");
  ExpectDenied(kAnywhere,
               "symlink config/deep/.env pointer , link-follow pointer plain , read plain");
  ExpectDenied(kAnywhere, "open 0 path config/deep/.env , link-slot 0 plain , read plain");
}

TEST(DenyGlob, ReachingItThroughALinkIsDenied) {
  ExpectDenied(kAnywhere, "symlink config/deep/.env pointer , read pointer");
  ExpectDenied(kAnywhere, "symlink {mount}/config/deep/.env pointer , write wronly pointer");
  ExpectDenied(kOnePlace, "symlink config/deep pointer , read pointer/.env");
}

TEST(DenyGlob, ItsNeighboursStayUsable) {
  Scene scene;
  harness::SessionFlags flags = scene.Flags();
  flags.deny = {kAnywhere};
  const Steps made = scene.RunInSession(
      "read config/deep/other , write wronly config/deep/other , rename config/deep/other "
      "config/kept , "
      "write wronly+creat .environment , read config/kept",
      flags);
  ASSERT_EQ(made.results.size(), 5u) << made.raw;
  for (const StepResult& result : made.results) EXPECT_EQ(result.error, "OK") << made.raw;
}

TEST(DenyGlob, MetadataOfItIsDenied) {
  for (const char* call : {"chmod", "utimens", "setxattr", "chown"}) {
    const std::string steps = std::string(call) + " config/deep/.env";
    Scene scene;
    harness::SessionFlags flags = scene.Flags();
    EXPECT_EQ(scene.RunInSession(steps, flags).LastError(), "OK") << "control: " << call;
    flags.deny = {kAnywhere};
    const Steps denied = scene.RunInSession(steps, flags);
    EXPECT_NE(denied.LastError(), "OK") << denied.raw;
    EXPECT_NE(denied.LastError(), "none") << denied.raw;
  }
}

}  // namespace
}  // namespace escape
