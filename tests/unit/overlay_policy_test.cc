// Overlays in the policy: keys, what they need, what they exclude, and what is said of them.
#include <string>

#include "policy/policy_parser.h"
#include "tests/unit/policy_compiler_fixture.h"

namespace sessionctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class OverlayPolicy : public PolicyCompiler {
 protected:
  Mount Overlay(const std::string& path) const {
    Mount mount = At(path);
    mount.mode = MountMode::kOverlay;
    return mount;
  }
  static KernelFeatures Root() {
    KernelFeatures features = Modern();
    features.ipc_namespaces = true;
    return features;
  }
};

TEST_F(OverlayPolicy, KeysAreReadAndWrittenBack) {
  const absl::StatusOr<SessionPolicy> policy = ParsePolicy(
      "[[mount]]\nhost = \"/srv\"\nmode = \"overlay\"\non_exit = \"commit\"\n"
      "overlay_size = \"10M\"\noverlay_inodes = 500\n",
      "p.toml");
  ASSERT_TRUE(policy.ok()) << policy.status();
  const absl::StatusOr<SessionPolicy> again = ParsePolicy(PolicyToToml(*policy), "q.toml");
  ASSERT_TRUE(again.ok()) << again.status();
  const Mount& mount = again->mounts.at(0);
  EXPECT_EQ(mount.mode, MountMode::kOverlay);
  EXPECT_EQ(mount.on_exit, OnExit::kCommit);
  EXPECT_EQ(mount.overlay_size, 10 << 20);
  EXPECT_EQ(mount.overlay_inodes, 500);
}

TEST_F(OverlayPolicy, ViewIsPrivateUnlessThatIsForbidden) {
  const CompiledPolicy compiled = CompileOk({Overlay("/a")}, Root());
  EXPECT_TRUE(compiled.view.is_private);
  EXPECT_EQ(compiled.view.reason, "mount " + root_ + "/a is an overlay");
  policy_.filesystem.view = ViewRule::kHost;
  ExpectError(Compile({Overlay("/a")}, Root()), absl::StatusCode::kInvalidArgument,
              "p.toml:4:1: mount.mode: " + root_ +
                  "/a: an overlay is mounted in a view of the "
                  "session's own, but filesystem.view is \"host\"");
}

TEST_F(OverlayPolicy, KeysOfOverlaysAreForOverlays) {
  for (const char* key : {"on_exit", "overlay_size", "overlay_inodes"}) {
    Mount mount = At("/a");
    if (std::string(key) == "on_exit") mount.on_exit = OnExit::kDiscard;
    if (std::string(key) == "overlay_size") mount.overlay_size = 1;
    if (std::string(key) == "overlay_inodes") mount.overlay_inodes = 1;
    ExpectError(Compile({mount}), absl::StatusCode::kInvalidArgument,
                std::string("mount.") + key + ": " + root_ + "/a: only for mode = \"overlay\"");
  }
  Mount mount = Overlay("/a");
  mount.max_bytes = 1 << 20;
  ExpectError(Compile({mount}, Root()), absl::StatusCode::kInvalidArgument,
              "an overlay has overlay_size and overlay_inodes");
}

TEST_F(OverlayPolicy, RecordsOfSessionsBelowItAreAnError) {
  policy_.mounts = {Overlay("/a")};
  const PolicyVariables variables = {
      .session = "s-1", .user = "ada", .state_directory = root_ + "/a/inner/state"};
  ExpectError(CompilePolicy(policy_, variables, Root(), Calls()),
              absl::StatusCode::kInvalidArgument, "the records of sessions lie below it");
}

TEST_F(OverlayPolicy, FilesAreNoLargerThanAllChangesWhereThoseAreAll) {
  Mount mount = Overlay("/a");
  mount.overlay_size = 10 << 20;
  const auto limit = [&](const std::vector<Mount>& mounts) {
    const CompiledPolicy compiled = CompileOk(mounts, Root());
    for (const PlannedLimit& each : compiled.limits.limits) {
      if (each.name == std::string("file_size")) return each.value;
    }
    return 0.0;
  };
  EXPECT_EQ(limit({mount}), 10 << 20);
  EXPECT_EQ(limit({mount, At("/b")}), 0);
  policy_.limits.file_size = 1 << 20;
  EXPECT_EQ(limit({mount}), 1 << 20);
}

TEST_F(OverlayPolicy, ExplanationSaysWhereChangesGo) {
  Mount mount = Overlay("/a");
  mount.overlay_size = 10 << 20;
  mount.overlay_inodes = 7;
  const std::string text = ExplainPolicy(CompileOk({mount}, Root()), Calls());
  EXPECT_THAT(text, HasSubstr("  overlay exec " + root_ + "/a"));
  EXPECT_THAT(text, HasSubstr("changes: apart from the host's directory (overlayfs); at the end "
                              "kept in the session's directory\n"));
  EXPECT_THAT(text, HasSubstr("overlay_size 10M: ENOSPC"));
  EXPECT_THAT(text, HasSubstr("overlay_inodes 7: ENOSPC"));
  EXPECT_THAT(ExplainPolicy(CompileOk({At("/b")}), Calls()), Not(HasSubstr("overlay")));
}

}  // namespace
}  // namespace sessionctl
