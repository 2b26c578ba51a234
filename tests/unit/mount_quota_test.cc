#include "supervisor/mediator/mount_quota.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sandbox/base/syscalls.h"
#include "sandbox/open_inodes.h"

namespace sessionctl {
namespace {

// The test is the broker; a child that holds a descriptor is the session.
class MountQuotaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mount_quota.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    path_ = name;
    directory_ = Open(AT_FDCWD, name, O_RDONLY | O_DIRECTORY);
    proc_ = Open(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  static OwnedFd Open(int directory, const char* name, int flags, mode_t mode = 0) {
    SysResult<OwnedFd> opened = OpenAt(directory, name, flags, mode);
    EXPECT_TRUE(opened.ok()) << name;
    return opened.ok() ? std::move(*opened) : OwnedFd();
  }
  // A child that holds what is open here until it is told to end.
  pid_t Hold() {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      for (;;) pause();
    }
    return child;
  }
  static void End(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  OwnedFd Make(MountQuota& quota, const char* name, MountQuota::Pin* pin) {
    EXPECT_EQ(quota.ReserveFile(), 0);
    OwnedFd fd = Open(directory_.get(), name, O_RDWR | O_CREAT | O_EXCL, 0644);
    EXPECT_EQ(quota.AddFile(fd.get(), false, pin), 0);
    return fd;
  }
  void Unlink(MountQuota& quota, const char* name) {
    MountQuota::Doomed doomed = quota.BeforeRemoval(directory_.get(), name);
    ASSERT_EQ(unlinkat(directory_.get(), name, 0), 0);
    quota.AfterUnlink(std::move(doomed));
  }
  static void Write(const OwnedFd& fd, size_t size) {
    const std::string block(size, 'x');
    ASSERT_TRUE(WriteAll(fd.get(), block.data(), block.size()).ok());
  }

  std::string path_;
  OwnedFd directory_, proc_;
};

TEST_F(MountQuotaTest, NamesAreReservedUpToTheLimit) {
  MountQuota quota(-1, 2, proc_.get());
  EXPECT_EQ(quota.ReserveName(), 0);
  EXPECT_EQ(quota.ReserveName(), 0);
  EXPECT_EQ(quota.ReserveName(), EDQUOT);
  quota.ReturnName();
  EXPECT_EQ(quota.ReserveName(), 0);
}

TEST_F(MountQuotaTest, ManyThreadsReserveNoMoreThanTheLimit) {
  MountQuota quota(-1, 1000, proc_.get());
  std::atomic<int> reserved = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 500; ++n) reserved += quota.ReserveName() == 0 ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(reserved, 1000);
}

TEST_F(MountQuotaTest, RemovingOthersFilesSavesNothingUp) {
  MountQuota quota(-1, 1, proc_.get());
  for (const char* name : {"a", "b", "c"}) {
    OwnedFd fd = Open(directory_.get(), name, O_WRONLY | O_CREAT, 0644);
    fd.Reset();
    Unlink(quota, name);
  }
  EXPECT_EQ(quota.files(), 0);
  EXPECT_EQ(quota.ReserveName(), 0);
  EXPECT_EQ(quota.ReserveName(), EDQUOT);
}

TEST_F(MountQuotaTest, GrowthIsSeenWhileOpenAndStaysAfterwards) {
  MountQuota quota(10 << 20, -1, proc_.get());
  {
    MountQuota::Pin pin;
    OwnedFd fd = Make(quota, "file", &pin);
    Write(fd, 1 << 20);
    EXPECT_GE(quota.bytes(), 1 << 20);
  }
  EXPECT_FALSE(quota.LookAndJudge());
  EXPECT_EQ(quota.files(), 1);  // settles
  EXPECT_GE(quota.bytes(), 1 << 20);
  Unlink(quota, "file");
  EXPECT_GE(quota.bytes(), 0);
  usleep(20000);
  EXPECT_EQ(quota.files(), 0);
  EXPECT_EQ(quota.bytes(), 0);
}

TEST_F(MountQuotaTest, FileWithoutANameCountsWhileSomebodyHoldsIt) {
  MountQuota quota(1 << 20, 10, proc_.get());
  pid_t holder;
  {
    MountQuota::Pin pin;
    OwnedFd fd = Make(quota, "file", &pin);
    Write(fd, 1 << 20);
    holder = Hold();
  }
  Unlink(quota, "file");
  usleep(20000);
  EXPECT_EQ(quota.files(), 1);
  EXPECT_GE(quota.bytes(), 1 << 20);
  EXPECT_EQ(quota.ReserveName(), EDQUOT);
  End(holder);
  usleep(20000);
  EXPECT_EQ(quota.files(), 0);
  EXPECT_EQ(quota.bytes(), 0);
}

TEST_F(MountQuotaTest, DescriptorInASocketIsHeld) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  MountQuota quota(1 << 20, -1, proc_.get());
  pid_t holder;
  {
    MountQuota::Pin pin;
    OwnedFd fd = Make(quota, "file", &pin);
    char control[CMSG_SPACE(sizeof(int))] = {};
    char byte = 'x';
    iovec data = {&byte, 1};
    msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = fd.get();
    memcpy(CMSG_DATA(header), &number, sizeof(number));
    ASSERT_EQ(sendmsg(pair[0], &message, 0), 1);
    fd.Reset();
    holder = Hold();
  }
  for (int i = 0; i < 3; ++i) {
    usleep(20000);
    quota.files();  // settles what nobody holds
  }
  OwnedFd again = Open(directory_.get(), "file", O_WRONLY);
  Write(again, 3 << 20);
  EXPECT_TRUE(quota.LookAndJudge());
  End(holder);
  close(pair[0]);
  close(pair[1]);
}

TEST_F(MountQuotaTest, PinnedFileStaysInSight) {
  MountQuota quota(1 << 20, -1, proc_.get());
  MountQuota::Pin pin;
  OwnedFd fd = Make(quota, "file", &pin);
  fd.Reset();  // on its way: nobody's descriptor yet
  for (int i = 0; i < 3; ++i) {
    usleep(20000);
    quota.files();
  }
  fd = Open(directory_.get(), "file", O_WRONLY);
  Write(fd, 3 << 20);
  EXPECT_TRUE(quota.LookAndJudge());
}

TEST_F(MountQuotaTest, OverItsBytesNothingMoreIsAdmitted) {
  MountQuota quota(1 << 20, -1, proc_.get());
  MountQuota::Pin pin;
  OwnedFd fd = Make(quota, "file", &pin);
  const pid_t holder = Hold();
  Write(fd, (1 << 20) + 4096);
  EXPECT_FALSE(quota.LookAndJudge());  // within the allowance
  MountQuota::Pin other;
  EXPECT_EQ(quota.AdmitWriting(fd.get(), *Fstat(fd.get()), &other), EDQUOT);
  EXPECT_EQ(quota.ReserveName(), EDQUOT);
  ASSERT_EQ(ftruncate(fd.get(), 0), 0);
  EXPECT_FALSE(quota.LookAndJudge());
  EXPECT_EQ(quota.AdmitWriting(fd.get(), *Fstat(fd.get()), &other), 0);
  End(holder);
}

TEST_F(MountQuotaTest, ReplacedFileGivesItsNameBackOnce) {
  MountQuota quota(-1, 2, proc_.get());
  for (const char* name : {"a", "b"}) {
    MountQuota::Pin pin;
    Make(quota, name, &pin);
  }
  MountQuota::Doomed doomed = quota.BeforeRemoval(directory_.get(), "b");
  ASSERT_EQ(renameat(directory_.get(), "a", directory_.get(), "b"), 0);
  quota.AfterReplace(std::move(doomed));
  EXPECT_EQ(quota.files(), 1);
  // A rename of two names of one file removes nothing.
  ASSERT_EQ(linkat(directory_.get(), "b", directory_.get(), "c", 0), 0);
  EXPECT_EQ(quota.ReserveName(), 0);
  doomed = quota.BeforeRemoval(directory_.get(), "c");
  ASSERT_EQ(renameat(directory_.get(), "b", directory_.get(), "c"), 0);
  quota.AfterReplace(std::move(doomed));
  usleep(20000);
  EXPECT_EQ(quota.files(), 2);
}

}  // namespace
}  // namespace sessionctl
