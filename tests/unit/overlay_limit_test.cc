#include "supervisor/mediator/overlay_limit.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class OverlayLimitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "overlay_limit_test.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  OwnedFd Open() const {
    return std::move(*OpenAt(AT_FDCWD, root_.c_str(), O_RDONLY | O_DIRECTORY));
  }
  void Fill(const std::string& name, size_t size) const {
    std::ofstream(root_ / name) << std::string(size, 'x');
    sync();  // blocks are given when they are written
  }

  fs::path root_;
};

TEST_F(OverlayLimitTest, EverythingBelowIsCountedOnce) {
  Fill("a", 100'000);
  fs::create_directories(root_ / "d/e");
  Fill("d/e/b", 50'000);
  fs::create_hard_link(root_ / "a", root_ / "d/a");
  fs::create_symlink("a", root_ / "link");
  const RoomTaken taken = MeasureRoom(Open().get());
  EXPECT_EQ(taken.inodes, 5);
  EXPECT_GE(taken.bytes, 150'000);
  EXPECT_LT(taken.bytes, 250'000);
  EXPECT_FALSE(taken.unknown);
}

TEST_F(OverlayLimitTest, WhatIsTooDeepIsNotKnown) {
  fs::path path = root_;
  for (int i = 0; i < 140; ++i) path /= "d";
  fs::create_directories(path);
  EXPECT_TRUE(MeasureRoom(Open().get()).unknown);
}

TEST_F(OverlayLimitTest, CopiesAreAdmittedWhileThereIsRoom) {
  OverlayLimit limit(Open(), 1 << 20, -1);
  EXPECT_EQ(limit.Admit("large", 2 << 20), ENOSPC);
  EXPECT_EQ(limit.Admit("one", 600 << 10), 0);
  Fill("one", 600 << 10);
  EXPECT_EQ(limit.Admit("two", 600 << 10), ENOSPC) << "the copy of the other is there by now";
  EXPECT_EQ(limit.Admit("one", 600 << 10), 0) << "it has its copy";
  fs::remove(root_ / "one");
  EXPECT_EQ(limit.Admit("two", 600 << 10), 0);
}

TEST_F(OverlayLimitTest, WhatWasAdmittedCountsBeforeItIsSeen) {
  OverlayLimit limit(Open(), -1, 2);
  EXPECT_EQ(limit.Admit("a", 0), 0);
  Fill("a", 1);
  EXPECT_EQ(limit.Admit("b", 0), 0);
  Fill("b", 1);
  EXPECT_EQ(limit.Admit("c", 0), ENOSPC);
  EXPECT_FALSE(limit.LookAndJudge()) << "names alone end no session";
}

TEST_F(OverlayLimitTest, FarTooMuchIsJudgedSo) {
  OverlayLimit limit(Open(), 1 << 20, -1);
  Fill("a", 1536 << 10);
  EXPECT_FALSE(limit.LookAndJudge()) << "within the allowance";
  Fill("b", 1536 << 10);
  usleep(50'000);
  EXPECT_TRUE(limit.LookAndJudge());
}

TEST_F(OverlayLimitTest, DirectoryThatCannotBeListedIsNotKnown) {
  if (geteuid() == 0 && seteuid(65534) != 0) GTEST_SKIP() << "cannot become an ordinary user";
  const uid_t user = geteuid();
  ASSERT_EQ(seteuid(getuid()), 0);
  ASSERT_EQ(chown(root_.c_str(), user, -1), 0);
  fs::create_directory(root_ / "closed");
  fs::permissions(root_ / "closed", fs::perms::none);
  ASSERT_EQ(seteuid(user), 0);
  OverlayLimit limit(Open(), 1 << 20, -1);
  EXPECT_FALSE(limit.LookAndJudge());
  const int admitted = limit.Admit("a", 0);
  ASSERT_EQ(seteuid(getuid()), 0);
  EXPECT_EQ(admitted, ENOSPC);
}

}  // namespace
}  // namespace sessionctl
