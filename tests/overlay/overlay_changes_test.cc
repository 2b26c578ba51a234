// What the kernel leaves in a layer, read as changes.
#include <gtest/gtest.h>

#include "tests/overlay/overlay_case.h"

namespace overlay {
namespace {

using nlohmann::json;

class OverlayChangesTest : public OverlayCase {};
INSTANTIATE_TEST_SUITE_P(, OverlayChangesTest, testing::Values(Who::kRoot, Who::kOrdinaryUser),
                         WhoName);

TEST_P(OverlayChangesTest, EveryKindIsTold) {
  InLower("echo a > a; echo b > b; echo c > c; mkdir d; echo in > d/in; ln -s a link; echo m > m");
  LetTimePass();
  InSession(
      "echo more >> a; rm b; chmod 600 c; echo new > d/new; rm d/in; ln -sfn b link; mkfifo fifo;"
      "mkdir e; echo x > e/x; rm m; mkdir m");
  EXPECT_EQ(ChangeLines(),
            "modified a\ndeleted b\nmetadata c\ndeleted d/in\nadded d/new\nadded e\nadded e/x\n"
            "added fifo\nmodified link\nmodified m\n");
  const auto changes = Changes();
  EXPECT_EQ(changes.at("c")["differs"], json({"mode"}));
  EXPECT_EQ(changes.at("m")["before"]["type"], "file");
  EXPECT_EQ(changes.at("m")["after"]["type"], "directory");
  EXPECT_EQ(changes.at("link")["after"]["target"], "b");
  for (const auto& [path, change] : changes) EXPECT_FALSE(change.contains("conflict")) << change;
}

TEST_P(OverlayChangesTest, CopiesThatAreLikeTheOriginalAreNoChanges) {
  InLower("echo a > a; mkdir d; echo b > d/b; ln d/b d/c; setfattr -n user.x -v y a");
  LetTimePass();
  InSession(": >> a; chmod 600 d/b; chmod 644 d/b; touch d/n; rm d/n; chmod 700 d; chmod 755 d");
  EXPECT_EQ(ChangeLines(), "");
}

TEST_P(OverlayChangesTest, ReplacedDirectoryShowsOnlyWhatDiffers) {
  InLower("mkdir -p d/sub/deep; echo 1 > d/one; echo 2 > d/sub/two; echo 3 > d/sub/deep/three");
  LetTimePass();
  InSession("rm -r d; mkdir -p d/sub; echo 2 > d/sub/two; echo 4 > d/four; touch -r / d/sub/two");
  const auto changes = Changes();
  EXPECT_EQ(ChangeLines(),
            "added d/four\ndeleted d/one\ndeleted d/sub/deep\ndeleted d/sub/deep/three\n"
            "metadata d/sub/two\n");
  EXPECT_EQ(changes.at("d/sub/two")["differs"], json({"times"}));
}

TEST_P(OverlayChangesTest, RenamesAreKnownByIdentityOrContent) {
  InLower("seq 1000 > a; seq 2000 > b; mkdir d; seq 3000 > d/c; seq 10 > keep");
  LetTimePass();
  InSession("mv a a2; echo more >> a2; cp b b2; rm b; mv d d2; echo x > new");
  auto changes = Changes();
  // The kernel says whose copy a file is only where root has mounted the overlay.
  if (GetParam() == Who::kRoot) {
    EXPECT_EQ(changes["a2"]["change"], "renamed");
    EXPECT_EQ(changes["a2"]["from"], "/a");
    EXPECT_EQ(changes["a2"]["known_by"], "identity");
  } else {
    EXPECT_EQ(changes["a2"]["change"], "added");
    EXPECT_EQ(changes["a"]["change"], "deleted");
  }
  EXPECT_EQ(changes["b2"]["known_by"], "content");
  // The kernel refuses to rename a directory of the lower layer, so mv copied it.
  EXPECT_EQ(changes["d2/c"]["from"], "/d/c");
  EXPECT_EQ(changes["new"]["change"], "added");
  for (const auto& [path, change] : changes) EXPECT_FALSE(change.contains("conflict")) << change;
}

TEST_P(OverlayChangesTest, HardLinksOfTheLayerAreOneFile) {
  InLower("echo low > low");
  LetTimePass();
  InSession("echo a > a; ln a b; ln a c; ln low low2");
  const auto changes = Changes();
  EXPECT_FALSE(changes.at("a").contains("same_file"));
  EXPECT_EQ(changes.at("b")["same_file"], "/a");
  EXPECT_EQ(changes.at("c")["same_file"], "/a");
  EXPECT_EQ(changes.at("low2")["same_file"], "/low");
  EXPECT_EQ(changes.size(), 4u);
}

TEST_P(OverlayChangesTest, HugeSparseFilesAreComparedByTheirData) {
  InLower(
      "truncate -s 1T huge; echo mark | dd of=huge bs=1 seek=500G conv=notrunc status=none;"
      "truncate -s 1T same; echo mark | dd of=same bs=1 seek=500G conv=notrunc status=none");
  LetTimePass();
  // In the layer, so that nothing of that size is copied up.
  InSession("truncate -s 1T new");
  EXPECT_EQ(ChangeLines(), "added new\n");
  EXPECT_EQ(Changes().at("new")["after"]["size"], int64_t{1} << 40);
}

TEST_P(OverlayChangesTest, AttributesThatOverlayfsKeepsAreNobodysChange) {
  InLower("echo a > a; echo b > b; setfattr -n user.keep -v 1 a");
  LetTimePass();
  // A session may try to forge what overlayfs writes: the kernel stores it under another name.
  InSession(
      "setfattr -n user.overlay.opaque -v y a || true; setfattr -n user.overlay.whiteout -v y b ||"
      " true; setfattr -n user.mine -v 2 a");
  const auto changes = Changes();
  EXPECT_EQ(changes.at("a")["differs"], json({"attributes"}));
  EXPECT_FALSE(changes.contains("b"));
}

TEST_P(OverlayChangesTest, HostileNamesComeBackByteByByte) {
  InSession("printf x > $'new\\nline'; printf x > $'\\xff\\xfe'; printf x > 'quo\"te'");
  const json list = DriverJson({"changes"});
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0]["path"], "new\nline");
  EXPECT_EQ(list[1]["path"], "quo\"te");
  EXPECT_EQ(list[2]["path"]["base64"], "L//+");  // "/\xff\xfe"
}

TEST_P(OverlayChangesTest, DepthIsBounded) {
  InSession("mkdir -p $(printf 'd/%.0s' $(seq 200))");
  const harness::Outcome done = Driver({"changes"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_NE(done.err.find("more than 128 directories in one another"), std::string::npos)
      << done.err;
}

class OverlayConflictsTest : public OverlayCase {
 protected:
  std::string Conflict(const std::string& path) {
    const auto changes = Changes();
    const auto found = changes.find(path);
    if (found == changes.end()) return "no change";
    return found->second.value("conflict", "");
  }
};
INSTANTIATE_TEST_SUITE_P(, OverlayConflictsTest, testing::Values(Who::kRoot, Who::kOrdinaryUser),
                         WhoName);

TEST_P(OverlayConflictsTest, LowerFileWrittenSinceConflicts) {
  InLower("echo a > a; echo b > b; mkdir d; echo c > d/c");
  LetTimePass();
  InSession("echo x > a; echo x > b; rm -r d; echo new > e");
  EXPECT_EQ(Conflict("a"), "");
  InLower("echo other > a; touch -d 2001-01-01 a; echo other > d/later; echo e > e");
  EXPECT_NE(Conflict("a"), "");
  EXPECT_EQ(Conflict("b"), "");
  EXPECT_NE(Conflict("d"), "") << "a name was made in a directory that the session deleted";
  EXPECT_NE(Conflict("d/later"), "");
  EXPECT_NE(Conflict("e"), "") << "both made it";
}

TEST_P(OverlayConflictsTest, LowerFileReplacedOrRemovedSinceConflicts) {
  InLower("echo a > a; echo b > b; echo c > c; mkdir old; echo c > old/c; echo d > old/d");
  LetTimePass();
  InSession("echo x >> a; echo x >> b; echo x >> old/c; echo new > old/new; mv c moved");
  for (const char* path : {"a", "b", "old/c", "old/new", "moved"}) EXPECT_EQ(Conflict(path), "");
  InLower("rm a; mv b b.away; echo b > b; mv old older; mkdir old; mv older/c old/c; rm c");
  EXPECT_NE(Conflict("a"), "");
  EXPECT_NE(Conflict("b"), "");
  EXPECT_NE(Conflict("old/c"), "");
  // Whether a directory is still the one that was copied up is known by its handle.
  EXPECT_EQ(Conflict("old/new").empty(), GetParam() != Who::kRoot);
  EXPECT_NE(Conflict("moved"), "");
}

TEST_P(OverlayConflictsTest, DirectoryMovedIntoPlaceWithOldFilesConflicts) {
  InLower("mkdir d other; echo 1 > d/f; echo 1 > other/f");
  LetTimePass();
  InSession("echo x >> d/f");
  EXPECT_EQ(Conflict("d/f"), "");
  InLower("mv d away; mv other d");  // the file in it has an old change time
  EXPECT_NE(Conflict("d/f"), "");
}

TEST_P(OverlayConflictsTest, SiblingsOfWhatChangedDoNotConflict) {
  InLower("mkdir d; echo 1 > d/f; echo 2 > d/g");
  LetTimePass();
  InSession("echo x >> d/f; echo n > d/n");
  InLower("echo y >> d/g; echo m > d/m");
  EXPECT_EQ(Conflict("d/f"), "");
  EXPECT_EQ(Conflict("d/n"), "");
}

}  // namespace
}  // namespace overlay
