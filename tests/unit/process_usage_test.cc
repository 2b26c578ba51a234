#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/base/syscalls.h"
#include "sandbox/process_tree.h"

namespace sessionctl {
namespace {

constexpr size_t kMemory = size_t{32} << 20;

class ProcessUsageTest : public ::testing::Test {
 public:
  // In a child: tells its id, and waits to be killed.
  [[noreturn]] void TellAndWait() const {
    const pid_t self = getpid();
    alarm(60);
    if (write(pipe_[1], &self, sizeof(self)) < 0) _exit(1);
    for (;;) pause();
  }

 protected:
  void SetUp() override {
    SysResult<OwnedFd> proc = OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY);
    ASSERT_TRUE(proc.ok());
    proc_ = std::move(*proc);
    ASSERT_EQ(pipe2(pipe_, O_CLOEXEC), 0);
  }
  void TearDown() override {
    for (const pid_t pid : ended_later_) kill(pid, SIGKILL);
    while (waitpid(-1, nullptr, 0) > 0) {
    }
    close(pipe_[0]);
    close(pipe_[1]);
  }

  pid_t Hear() {
    pid_t pid = -1;
    pollfd source = {.fd = pipe_[0], .events = POLLIN};
    EXPECT_EQ(poll(&source, 1, 60000), 1);
    if (source.revents == 0) return -1;
    EXPECT_EQ(read(pipe_[0], &pid, sizeof(pid)), static_cast<ssize_t>(sizeof(pid)));
    if (pid > 0) ended_later_.push_back(pid);
    return pid;
  }

  OwnedFd proc_;
  int pipe_[2];
  std::vector<pid_t> ended_later_;
};

TEST_F(ProcessUsageTest, ChildrenAndTheirsAreBelow) {
  const pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) setsid();
    TellAndWait();
  }
  const std::vector<pid_t> told = {Hear(), Hear()};
  const std::vector<pid_t> below = ProcessesBelow(proc_.get(), getpid());
  for (const pid_t pid : told) EXPECT_EQ(std::count(below.begin(), below.end(), pid), 1) << pid;
  EXPECT_EQ(std::count(below.begin(), below.end(), getpid()), 0);
  // The parent comes first.
  EXPECT_LT(std::find(below.begin(), below.end(), child),
            std::find(below.begin(), below.end(), told[0] == child ? told[1] : told[0]));
}

TEST_F(ProcessUsageTest, MemoryIsSeenAfterTheFirstThreadHasEnded) {
  const pid_t child = fork();
  if (child == 0) {
    void* memory =
        mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) _exit(1);
    std::fill_n(static_cast<volatile char*>(memory), kMemory, 'x');
    pthread_t thread;
    const auto tell = [](void* test) -> void* {
      static_cast<ProcessUsageTest*>(test)->TellAndWait();
    };
    if (pthread_create(&thread, nullptr, tell, this) != 0) _exit(1);
    syscall(SYS_exit, 0);  // this thread alone
  }
  ASSERT_EQ(Hear(), child);
  const std::string stat = std::to_string(child) + "/stat";
  const auto has_ended = [&] {
    SysResult<std::string> text = ReadSmallFile(proc_.get(), stat.c_str(), 4096);
    return text.ok() && text->find(") Z ") != std::string::npos;
  };
  for (int i = 0; i < 1000 && !has_ended(); ++i) usleep(10000);
  ASSERT_TRUE(has_ended());
  SysResult<ProcessUsage> usage = UsageOf(proc_.get(), child);
  ASSERT_TRUE(usage.ok());
  EXPECT_GE(usage->memory, kMemory);
  SysResult<uint64_t> share = ProportionalMemoryOf(proc_.get(), child);
  ASSERT_TRUE(share.ok()) << share.error();
  EXPECT_GE(*share, kMemory);
}

TEST_F(ProcessUsageTest, WhoIsGoneUsesNothing) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(UsageOf(proc_.get(), child).error(), ESRCH);
  EXPECT_EQ(ProportionalMemoryOf(proc_.get(), child).error(), ESRCH);
}

}  // namespace
}  // namespace sessionctl
