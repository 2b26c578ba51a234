// Each wall holds alone. Three brokers that exist for this test only (tests/walls): one that
// resolves without RESOLVE_BENEATH, one that is in no Landlock domain of its own, one with neither.
// The last must lose, or the first two would prove nothing.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/escape/attack.h"
#include "tests/escape/use_broker.h"
#include "tests/harness/user_and_view.h"

namespace escape {
namespace {

constexpr char kLink[] = "symlink {vault} link";

// Every operation that acts behind a link in the middle of the path, which only resolution can
// stop. For the kernel's Landlock these are content and names.
const std::vector<std::string>& ContentSteps() {
  static const auto* const steps = new std::vector<std::string>{
      "write wronly link/target",    "write wronly+creat+excl link/new",
      "truncate link/target",        "mkdir link/new",
      "rmdir link/remove-me",        "unlink link/target",
      "rename link/target link/gone"};
  return *steps;
}

// Landlock says nothing about these; what holds is the decision on where the pinned object really
// is.
const std::vector<std::string>& MetadataSteps() {
  static const auto* const steps = new std::vector<std::string>{
      "chmod link/target", "utimens link/target", "setxattr link/target"};
  return *steps;
}

// Did `step` touch the vault in a session under `variant`?
bool Escapes(const char* variant, const std::string& step) {
  UseBroker broker(variant);
  AttackScene scene;
  scene.RunBare(scene.Expand(kLink));
  scene.vault().Remember();
  const Steps steps = scene.RunInSession(scene.Expand(step), scene.Flags());
  EXPECT_FALSE(steps.results.empty()) << variant << ": nothing ran: " << steps.raw;
  return scene.vault().CheckAndReset();
}

TEST(WithoutWalls, ContentAttacksEscape) {
  int escapes = 0;
  for (const std::string& step : ContentSteps()) escapes += Escapes("without_walls", step) ? 1 : 0;
  printf("without both walls: %d of %zu attacks escape\n", escapes, ContentSteps().size());
  // A private view is a wall of its own: the vault is not in it.
  const bool in_view = !harness::InPrivateView();
  EXPECT_EQ(escapes, in_view ? static_cast<int>(ContentSteps().size()) : 0);
}

TEST(WithoutBeneath, LandlockHoldsContent) {
  for (const std::string& step : ContentSteps())
    EXPECT_FALSE(Escapes("without_beneath", step)) << step;
}

TEST(WithoutBeneath, TheDecisionOnThePinnedObjectHoldsMetadata) {
  for (const std::string& step : MetadataSteps())
    EXPECT_FALSE(Escapes("without_beneath", step)) << step;
}

TEST(WithoutBrokerLandlock, MediationHolds) {
  for (const std::string& step : ContentSteps()) {
    EXPECT_FALSE(Escapes("without_broker_landlock", step)) << step;
  }
  for (const std::string& step : MetadataSteps()) {
    EXPECT_FALSE(Escapes("without_broker_landlock", step)) << step;
  }
}

// That the wall really is gone shows where Landlock has nothing to say: on the way to a second
// mount of the same session.
TEST(WithoutBeneath, TheIslandRuleIsGone) {
  UseBroker broker("without_beneath");
  AttackScene scene;
  harness::MakeDirectory(scene.Path("second"));
  scene.RunBare(scene.Expand("symlink {root}/second link"));
  harness::SessionFlags flags = scene.Flags();
  flags.mounts.push_back(scene.Path("second"));
  scene.RunInSession("mkdir link/new", flags);
  EXPECT_TRUE(harness::IsDirectory(scene.Path("second/new")));
}

}  // namespace
}  // namespace escape
