#include "sandbox/cgroup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "sandbox/base/syscalls.h"
#include "sandbox/safe_file.h"

namespace sessionctl {
namespace {

// A directory with the files of a cgroup: what is written there is what the kernel would be told.
class ImitatedCgroup : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/cgroup_test.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    path_ = name;
    SysResult<OwnedFd> opened = OpenAt(AT_FDCWD, name, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(opened.ok());
    fd_ = std::move(*opened);
    for (const char* file : {"memory.max", "memory.oom.group", "pids.max"}) {
      std::ofstream(path_ + "/" + file) << "";
    }
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  std::string Read(const std::string& file) const {
    std::ifstream stream(path_ + "/" + file);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  }

  std::string path_;
  OwnedFd fd_;
};

TEST_F(ImitatedCgroup, SettingsAreWritten) {
  EXPECT_TRUE(SessionCgroup::Configure(
                  fd_.get(),
                  {{"memory.max", "67108864"}, {"memory.swap.max", "0", true}, {"pids.max", "64"}})
                  .ok());
  EXPECT_EQ(Read("memory.max"), "67108864");
  EXPECT_EQ(Read("pids.max"), "64");
  EXPECT_FALSE(std::filesystem::exists(path_ + "/memory.swap.max"));
}

TEST_F(ImitatedCgroup, MissingControllerIsAnError) {
  EXPECT_EQ(SessionCgroup::Configure(fd_.get(), {{"cpu.max", "50000 100000"}}).error(), ENOENT);
}

TEST_F(ImitatedCgroup, IsNoPlaceForSessions) {
  setenv("SESSIONCTL_CGROUP", path_.c_str(), 1);
  const CgroupFeatures features = ProbeCgroup();
  unsetenv("SESSIONCTL_CGROUP");
  EXPECT_FALSE(features.usable);
  EXPECT_NE(features.directory.find(path_), std::string::npos);
}

class RealCgroup : public ::testing::Test {
 protected:
  void SetUp() override {
    features_ = ProbeCgroup();
    if (!features_.usable) GTEST_SKIP() << "needs a writable cgroup: " << features_.directory;
  }
  SessionCgroup Make(const std::vector<CgroupSetting>& settings = {}) {
    SysResult<SessionCgroup> made =
        SessionCgroup::Create(features_.directory, "unit" + std::to_string(counter_++), settings);
    if (!made.ok()) abort();
    return std::move(*made);
  }
  // A child in the cgroup that forks another one in a session of its own, and both wait.
  static pid_t ForkTree(const SessionCgroup& cgroup) {
    SysResult<pid_t> child = ForkIntoCgroup(cgroup.fd());
    if (!child.ok()) return -child.error();
    if (*child > 0) return *child;
    if (fork() == 0) setsid();
    alarm(60);
    for (;;) pause();
  }
  static bool Await(const SessionCgroup& cgroup, size_t members) {
    for (int i = 0; i < 1000; ++i) {
      if (cgroup.Members().ok() && cgroup.Members()->size() == members) return true;
      usleep(10000);
    }
    return false;
  }

  CgroupFeatures features_;
  int counter_ = 0;
};

TEST_F(RealCgroup, KillEndsAllWhoAreInIt) {
  const SessionCgroup cgroup = Make();
  const pid_t child = ForkTree(cgroup);
  ASSERT_GT(child, 0);
  ASSERT_TRUE(Await(cgroup, 2));
  EXPECT_TRUE(cgroup.Kill().ok());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_TRUE(Await(cgroup, 0));
}

TEST_F(RealCgroup, FrozenOnesUseNoTime) {
  const SessionCgroup cgroup = Make();
  SysResult<pid_t> child = ForkIntoCgroup(cgroup.fd());
  ASSERT_TRUE(child.ok()) << child.error();
  if (*child == 0) {
    alarm(60);
    for (;;) {
    }
  }
  while (*cgroup.CpuTime() < 10000) usleep(1000);
  ASSERT_TRUE(cgroup.Freeze(true).ok());
  uint64_t before;
  do {  // until it stands
    before = *cgroup.CpuTime();
    usleep(50000);
  } while (*cgroup.CpuTime() != before);
  usleep(200000);
  EXPECT_EQ(*cgroup.CpuTime(), before);
  ASSERT_TRUE(cgroup.Freeze(false).ok());
  while (*cgroup.CpuTime() == before) usleep(1000);
  EXPECT_TRUE(cgroup.Kill().ok());
  EXPECT_EQ(waitpid(*child, nullptr, 0), *child);
}

TEST_F(RealCgroup, IsRemovedAndSoAreThoseOfWhoWasKilled) {
  const auto count = [this] {
    const std::filesystem::directory_iterator all(features_.directory);
    return std::count_if(begin(all), end(all), [](const auto& entry) {
      return entry.path().filename().string().find("-abandoned") != std::string::npos;
    });
  };
  const pid_t killed = fork();
  if (killed == 0) {
    const SysResult<SessionCgroup> made =
        SessionCgroup::Create(features_.directory, "abandoned", {});
    _exit(made.ok() ? 0 : 1);  // without its destructor
  }
  int status = 0;
  ASSERT_EQ(waitpid(killed, &status, 0), killed);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(count(), 1);
  { const SessionCgroup cgroup = Make(); }
  EXPECT_EQ(count(), 0);
}

// A cgroup with one task may not fork.
void ExpectForksAreRefused(const SessionCgroup& cgroup) {
  SysResult<pid_t> child = ForkIntoCgroup(cgroup.fd());
  ASSERT_TRUE(child.ok());
  if (*child == 0) _exit(fork() < 0 && errno == EAGAIN ? 7 : 1);
  int status = 0;
  EXPECT_EQ(waitpid(*child, &status, 0), *child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

// Those controllers that version 1 does not hold; on some machines that is but one which no limit
// uses.
TEST_F(RealCgroup, ControllersAreTurnedOnAndTold) {
  SysResult<OwnedFd> parent = OpenAt(AT_FDCWD, features_.directory.c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(parent.ok());
  SysResult<std::string> names = ReadSmallFile(parent->get(), "cgroup.controllers", 4096);
  ASSERT_TRUE(names.ok());
  if (features_.pids) {
    ExpectForksAreRefused(Make({{"pids.max", "1"}}));
  } else if (names->find("hugetlb") != std::string::npos) {
    const SessionCgroup cgroup = Make({{"hugetlb.2MB.max", "0"}});
    EXPECT_EQ(*ReadSmallFile(cgroup.fd(), "hugetlb.2MB.max", 64), "0\n");
  } else {
    GTEST_SKIP() << "needs the pids or the hugetlb controller in " << features_.directory;
  }
}

}  // namespace
}  // namespace sessionctl
