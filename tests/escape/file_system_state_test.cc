// File systems that say no: full, read-only, unreadable. The session's program sees the errno that
// it would see bare.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/escape/attack.h"

namespace escape {
namespace {

// A tmpfs on the scene's mount, gone with the object.
class SmallFileSystem {
 public:
  explicit SmallFileSystem(const AttackScene& scene) : path_(scene.mount()) {
    mounted_ = mount("none", path_.c_str(), "tmpfs", 0, "size=64k") == 0;
  }
  ~SmallFileSystem() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  bool MakeReadOnly() const {
    return mount("none", path_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, "size=64k") == 0;
  }

 private:
  std::string path_;
  bool mounted_;
};

void ExpectSameErrors(const Steps& bare, const Steps& session) {
  ASSERT_EQ(bare.exit_code, 0) << bare.raw;
  ASSERT_EQ(session.results.size(), bare.results.size()) << session.raw;
  for (size_t i = 0; i < bare.results.size(); ++i) {
    EXPECT_EQ(session.results[i].error, bare.results[i].error)
        << "step " << i << " " << bare.results[i].step;
  }
}

TEST(FullFileSystem, ErrorsAreThoseOfTheBareRun) {
  constexpr char kSteps[] =
      "fill big , mkdir d , symlink x l , write wronly+creat f , unlink big , write wronly+creat "
      "after";
  std::optional<Steps> bare;
  for (const bool in_session : {false, true}) {
    AttackScene scene;
    const SmallFileSystem small(scene);
    if (!small.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
    if (!in_session) {
      bare = scene.RunBare(kSteps);
      ASSERT_EQ(bare->results.front().error, "ENOSPC") << bare->raw;
      ASSERT_EQ(bare->LastError(), "OK") << bare->raw;
    } else {
      ExpectSameErrors(*bare, scene.RunInSession(kSteps, scene.Flags()));
    }
  }
}

TEST(ReadOnlyFileSystem, ErrorsAreThoseOfTheBareRun) {
  constexpr char kSteps[] =
      "write wronly+creat f , mkdir d , write wronly present , chmod present , unlink present , "
      "rename present x , symlink a b , truncate present , setxattr present , read present";
  std::optional<Steps> bare;
  for (const bool in_session : {false, true}) {
    AttackScene scene;
    const SmallFileSystem small(scene);
    if (!small.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
    harness::WriteFile(scene.mount() + "/present", "here\n");
    ASSERT_TRUE(small.MakeReadOnly());
    if (!in_session) {
      bare = scene.RunBare(kSteps);
      ASSERT_EQ(bare->results.front().error, "EROFS") << bare->raw;
    } else {
      ExpectSameErrors(*bare, scene.RunInSession(kSteps, scene.Flags()));
    }
  }
}

TEST(UnreadableMount, SessionIsRefusedWithItsName) {
  if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root, to become another user";
  AttackScene scene(1000);
  const std::string locked = scene.mount() + "/sub/locked";
  harness::MakeDirectory(locked);
  ASSERT_EQ(chmod((scene.mount() + "/sub").c_str(), 0), 0);
  harness::SessionFlags flags;
  flags.mounts = {locked};
  const harness::Outcome outcome =
      harness::RunEither(flags, {.argv = {"/bin/true"}, .directory = "/", .as_user = 1000});
  EXPECT_EQ(outcome.exit_code, 125) << outcome.out << outcome.err;
  EXPECT_NE(outcome.err.find(locked), std::string::npos) << outcome.err;
}

// Granting a tree that its own user may not list is refused as well, rather than half granted.
TEST(UnreadableMount, UnlistableDirectoryIsRefusedWithItsName) {
  if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root, to become another user";
  AttackScene scene(1000);
  ASSERT_EQ(chmod(scene.mount().c_str(), 0311), 0);
  const harness::Outcome outcome =
      harness::RunEither(scene.Flags(), {.argv = {"/bin/true"}, .directory = "/", .as_user = 1000});
  EXPECT_EQ(outcome.exit_code, 125) << outcome.out << outcome.err;
  EXPECT_NE(outcome.err.find(scene.mount()), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace escape
