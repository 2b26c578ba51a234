// Everything that a hostile session can try, family by family (testcases/hostile_session has a
// table row an attempt): bare, where it must reach what lies outside, and in a session, where it
// must not.
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

#include "tests/escape/hostile_scene.h"
#include "tests/harness/user_and_view.h"

namespace escape {
namespace {

using harness::SessionFlags;

void ExpectHeld(const std::vector<HostileResult>& results) {
  for (const HostileResult& result : results) {
    EXPECT_NE(result.result, "reached") << result.Name() << " " << result.detail;
    EXPECT_NE(result.result, "hung") << result.Name() << " " << result.detail;
  }
}

struct Scenario {
  const char* family;
  bool ordinary;
};

std::optional<uid_t> UserOf(bool ordinary) {
  // Whoever is not root can only be who he is.
  return ordinary && harness::RunningAsRoot() ? std::optional<uid_t>(harness::kOrdinaryUser)
                                              : std::nullopt;
}

class HostileFamily : public testing::TestWithParam<Scenario> {
 protected:
  void SetUp() override {
    if (!GetParam().ordinary && !harness::RunningAsRoot()) GTEST_SKIP() << "needs root";
  }
};

TEST_P(HostileFamily, ReachesBareAndNotFromASession) {
  const std::optional<uid_t> user = UserOf(GetParam().ordinary);
  std::map<std::string, std::string> reached_bare;
  {
    HostileScene scene(user);
    for (const HostileResult& result : scene.Run({GetParam().family}, std::nullopt)) {
      reached_bare[result.Name()] = result.result;
      EXPECT_NE(result.result, "hung") << result.Name();
      const bool must = result.bare == "always" || (result.bare == "root" && !GetParam().ordinary);
      // The sibling's session may have nothing of the kind.
      // What a view of its own does not hold is not reached through it either.
      const bool may_lack =
          result.target == "sibling" &&
          (result.result == "absent" || (harness::InPrivateView() && result.detail == "ENOENT"));
      if (must && !may_lack) {
        EXPECT_EQ(result.result, "reached") << result.Name() << " " << result.detail;
      }
    }
  }
  HostileScene scene(user);
  const std::vector<HostileResult> results = scene.Run({GetParam().family}, scene.Flags());
  ExpectHeld(results);
  EXPECT_EQ(scene.Harm(), "");
  int controls = 0;
  for (const HostileResult& result : results) {
    const bool control = reached_bare[result.Name()] == "reached";
    controls += control ? 1 : 0;
    if (!control)
      printf("  no control: %s (bare %s)\n", result.Name().c_str(),
             reached_bare[result.Name()].c_str());
  }
  EXPECT_GT(controls, 0);
  printf("  %zu attempts, %d of them reach bare, none from the session\n", results.size(),
         controls);
}

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> all;
  for (const char* family : {"signals", "processes", "proc", "ipc", "descriptors", "terminal",
                             "kernel", "memory", "network", "files"}) {
    all.push_back({family, false});
    all.push_back({family, true});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Family, HostileFamily, testing::ValuesIn(Scenarios()),
                         [](const testing::TestParamInfo<Scenario>& info) {
                           return std::string(info.param.family) +
                                  (info.param.ordinary ? "_ordinary" : "_root");
                         });

void ExpectEverythingHeld(bool ordinary, const std::vector<std::string>& extra) {
  if (!ordinary && !harness::RunningAsRoot()) GTEST_SKIP() << "needs root";
  HostileScene scene(UserOf(ordinary));
  SessionFlags flags = scene.Flags();
  flags.extra = extra;
  const std::vector<HostileResult> results = scene.Run({}, flags);
  EXPECT_GT(results.size(), 200U);
  ExpectHeld(results);
  EXPECT_EQ(scene.Harm(), "");
  printf("  %zu attempts, none reaches\n", results.size());
}

TEST(HostileSession, EverythingAtOnceReachesNothingAsRoot) { ExpectEverythingHeld(false, {}); }
TEST(HostileSession, EverythingAtOnceReachesNothingAsAnOrdinaryUser) {
  ExpectEverythingHeld(true, {});
}
TEST(HostileSession, EverythingAtOnceReachesNothingWithReadsMediated) {
  ExpectEverythingHeld(true, {"--scope", "all"});
}
TEST(HostileSession, EverythingAtOnceReachesNothingInAUserNamespace) {
  ExpectEverythingHeld(true, {"--ipc", "private"});
}

// Group `debug` means a session's own processes: Landlock holds the rest.
TEST(HostileSession, AllowedToDebugReachesNobodyElse) {
  for (const bool ordinary : {false, true}) {
    if (!ordinary && !harness::RunningAsRoot()) continue;
    HostileScene scene(UserOf(ordinary));
    SessionFlags flags = scene.Flags();
    flags.extra = {"--allow-group", "debug"};
    const std::vector<HostileResult> results = scene.Run({"processes", "proc", "signals"}, flags);
    EXPECT_GT(results.size(), 100U);
    ExpectHeld(results);
    EXPECT_EQ(scene.Harm(), "");
  }
}

// Where some addresses are allowed, the others are held by the rules, not by the lack of sockets.
TEST(HostileSession, AllowedToReachOneAddressReachesNoOther) {
  for (const bool ordinary : {false, true}) {
    if (!ordinary && !harness::RunningAsRoot()) continue;
    HostileScene scene(UserOf(ordinary));
    SessionFlags flags = scene.Flags();
    flags.extra = {"--allow-net", "127.0.0.1:1",    "--allow-net",     "127.0.0.1:1/udp",
                   "--listen",    "127.0.0.1:2-30", "--unix-datagrams"};
    const std::vector<HostileResult> results = scene.Run({"network", "ipc"}, flags);
    EXPECT_GT(results.size(), 30U);
    ExpectHeld(results);
    EXPECT_EQ(scene.Harm(), "");
  }
}

}  // namespace
}  // namespace escape
