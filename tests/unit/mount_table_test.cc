// The copy of /proc/PID/mountinfo: nothing of it tells where a mount is from, and nobody writes it.
#include "supervisor/mediator/mount_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <string>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

TEST(WithoutRoots, LeavesTheFourthFieldOut) {
  EXPECT_EQ(WithoutRoots("36 35 98:0 /srv/tenants/acme /mnt/data rw,noatime master:1 - ext3 "
                         "/dev/root rw,errors=continue\n"
                         "37 35 0:4 net:[4026531840] /run/ns rw - nsfs nsfs rw\n"
                         "38 35 98:0 /with\\040space//deleted /mnt/b rw - ext3 /dev/root rw\n"),
            "36 35 98:0 / /mnt/data rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
            "37 35 0:4 / /run/ns rw - nsfs nsfs rw\n"
            "38 35 98:0 / /mnt/b rw - ext3 /dev/root rw\n");
}

TEST(WithoutRoots, LeavesOutWhatIsNoMount) {
  EXPECT_EQ(WithoutRoots(""), "");
  EXPECT_EQ(WithoutRoots("\n36 35 98:0 /srv\n36\n\n1 2 3:4 /x /y"), "1 2 3:4 / /y\n");
}

class MountTableTest : public testing::Test {
 protected:
  void SetUp() override {
    SysResult<OwnedFd> own = OpenAt(AT_FDCWD, "/proc/self/mountinfo", O_PATH);
    ASSERT_TRUE(own.ok());
    own_ = std::move(*own);
  }

  static std::string ReadAll(const OwnedFd& file) {
    std::string text;
    char part[1000];
    for (ssize_t size; (size = read(file.get(), part, sizeof(part))) > 0;) {
      text.append(part, static_cast<size_t>(size));
    }
    return text;
  }

  OwnedFd own_;
  MountTable table_;
};

TEST_F(MountTableTest, TellsAllMountsAsTheyAre) {
  SysResult<OwnedFd> copy = table_.Open(own_.get(), O_RDONLY);
  ASSERT_TRUE(copy.ok());
  const std::string text = ReadAll(*copy);
  SysResult<std::string> kernels = ReadSmallFile(AT_FDCWD, "/proc/self/mountinfo", size_t{1} << 20);
  ASSERT_TRUE(kernels.ok());
  EXPECT_EQ(text, WithoutRoots(*kernels));
  std::istringstream lines(text);
  int mounts = 0;
  for (std::string line; std::getline(lines, line); ++mounts) {
    EXPECT_NE(line.find(" / /"), std::string::npos) << line;
  }
  EXPECT_GT(mounts, 0);
}

TEST_F(MountTableTest, CannotBeWritten) {
  for (const int flags : {O_RDONLY, O_RDWR}) {
    SysResult<OwnedFd> copy = table_.Open(own_.get(), flags);
    ASSERT_TRUE(copy.ok());
    EXPECT_EQ(write(copy->get(), "x", 1), -1);
    EXPECT_EQ(ftruncate(copy->get(), 0), -1);
    EXPECT_EQ(fcntl(copy->get(), F_ADD_SEALS, 0), -1);
    EXPECT_FALSE(ReadAll(*copy).empty());
  }
}

// Many opens take no more memory than one, and each has a position of its own.
TEST_F(MountTableTest, OpensOfOneTextShareItsMemory) {
  SysResult<OwnedFd> one = table_.Open(own_.get(), O_RDONLY);
  SysResult<OwnedFd> other = table_.Open(own_.get(), O_RDONLY);
  ASSERT_TRUE(one.ok() && other.ok());
  SysResult<struct stat> first = Fstat(one->get());
  SysResult<struct stat> second = Fstat(other->get());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->st_ino, second->st_ino);
  EXPECT_EQ(ReadAll(*one), ReadAll(*other));
}

TEST_F(MountTableTest, AnswersWhatTheKernelDoes) {
  SysResult<OwnedFd> directory = OpenAt(AT_FDCWD, "/proc/self", O_PATH);
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(table_.Open(directory->get(), O_RDONLY).error(), EISDIR);
}

}  // namespace
}  // namespace sessionctl
