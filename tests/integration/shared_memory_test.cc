// What a session finds at /dev/shm: a directory of its own, gone with it.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

constexpr char kShm[] = "/dev/shm";

class SharedMemoryTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    if (access(kShm, W_OK) != 0) GTEST_SKIP() << "needs a writable /dev/shm";
  }

  // With scope "all" even opens for reading are the broker's, so that a shell can be the program.
  CliResult Shell(const std::string& script, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {"run", "--scope", "all", "--mount", mount_});
    flags.insert(flags.end(), {"--", "sh", "-c", script});
    return Cli(flags);
  }

  // As the product names them: whose, made by whom.
  static std::string MakeLeftover(pid_t maker) {
    std::string path = std::string(kShm) + "/sessionctl-" + std::to_string(getuid()) + "-" +
                       std::to_string(maker) + "-test";
    mkdir(path.c_str(), 0700);
    std::ofstream(path + "/content") << "left";
    return path;
  }

  static pid_t EndedProcess() {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
    return child;
  }
};

TEST_F(SharedMemoryTest, SessionsDoNotSeeOneAnotherNorTheHost) {
  const std::string name = "sessionctl-test-" + std::to_string(getpid());
  const std::string host = std::string(kShm) + "/" + name;
  std::ofstream(host) << "the host's";
  const CliResult first = Shell("ls -A /dev/shm; echo mine >" + host + " && cat " + host);
  const CliResult second = Shell("cat " + host + " 2>/dev/null || echo nothing");
  EXPECT_EQ(ReadWholeFile(host), "the host's");
  unlink(host.c_str());
  EXPECT_EQ(first.out, "mine\n") << first.err;
  EXPECT_EQ(second.out, "nothing\n") << second.err;
}

TEST_F(SharedMemoryTest, OnlyRegularFilesAreMade) {
  EXPECT_EQ(Shell("mkdir /dev/shm/d || mkfifo /dev/shm/f || ln -s / /dev/shm/l || "
                  "ln -s / l && ln l /dev/shm/l || echo none")
                .out,
            "none\n");
}

TEST_F(SharedMemoryTest, NothingIsLeftBehind) {
  const CliResult result = Shell(
      "echo x >/dev/shm/kept; exec 3</dev/shm/kept; chmod 0 /dev/shm; "
      "readlink /proc/self/fd/3",
      {"--view", "host"});
  ASSERT_EQ(result.out.rfind(std::string(kShm) + "/sessionctl-", 0), 0U)
      << result.out << result.err;
  const std::string file = result.out.substr(0, result.out.size() - 1);
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(file).parent_path())) << file;
}

TEST_F(SharedMemoryTest, KilledSessionTakesNoMemoryAlong) {
  const pid_t run =
      Start({"run", "--view", "host", "--scope", "all", "--mount", mount_, "--", "sh", "-c",
             "echo x >/dev/shm/kept; exec 3</dev/shm/kept; cd " + mount_ +
                 "; readlink /proc/self/fd/3 >where.new; mv where.new where; sleep 1000"});
  ASSERT_TRUE(Eventually([&] { return access((mount_ + "/where").c_str(), F_OK) == 0; }));
  const std::string where = ReadWholeFile(mount_ + "/where");
  const std::string file = where.substr(0, where.size() - 1);
  EXPECT_TRUE(std::filesystem::exists(file)) << file;
  kill(run, SIGKILL);
  AwaitExit(run);
  EXPECT_TRUE(Eventually([&] { return !std::filesystem::exists(file); })) << file;
  EXPECT_EQ(Shell("true").exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(file).parent_path())) << file;
}

TEST_F(SharedMemoryTest, NextSessionRemovesWhatAKilledOneLeft) {
  const std::string abandoned = MakeLeftover(EndedProcess());
  const std::string in_use = MakeLeftover(getpid());
  EXPECT_EQ(Shell("true").exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(abandoned));
  EXPECT_TRUE(std::filesystem::exists(in_use));
  std::filesystem::remove_all(in_use);
}

// Without rights on it, neither the broker nor the next session could have emptied it.
TEST_F(SharedMemoryTest, SessionCannotChangeTheDirectoryItself) {
  const CliResult result = Shell(
      "chmod 0 /dev/shm; touch /dev/shm; chown $(id -u) /dev/shm; exec 3</dev/shm; "
      "chmod 0 /proc/self/fd/3; chmod 0 $(readlink /proc/self/fd/3); "
      "echo x >/dev/shm/x && echo usable");
  EXPECT_EQ(result.out, "usable\n") << result.err;
  size_t refused = 0;
  for (size_t at = 0; (at = result.err.find("Operation not permitted", at)) != std::string::npos;
       ++at) {
    ++refused;
  }
  EXPECT_EQ(refused, 5U) << result.err;
}

// Its ".." was itself, by the name that the host has for it.
TEST_F(SharedMemoryTest, DotDotLeadsToDev) {
  EXPECT_EQ(Shell("echo x >/dev/shm/../null && echo ok; echo x >/dev/shm/../new || echo no").out,
            "ok\nno\n");
}

// Everybody may make names in the host's /dev/shm.
TEST_F(SharedMemoryTest, CleaningFollowsNoPlantedLinkAndTakesNobodyElsesDirectory) {
  const pid_t gone = EndedProcess();
  std::ofstream(mount_ + "/content") << "kept";
  const std::string prefix =
      std::string(kShm) + "/sessionctl-" + std::to_string(getuid()) + "-" + std::to_string(gone);
  ASSERT_EQ(symlink(mount_.c_str(), (prefix + "-link").c_str()), 0);
  const std::string directory = MakeLeftover(gone);
  const bool root = geteuid() == 0;
  if (root) {
    ASSERT_EQ(chown(directory.c_str(), 65534, 65534), 0);
  }
  EXPECT_EQ(Shell("true").exit_code, 0);
  EXPECT_EQ(ReadWholeFile(mount_ + "/content"), "kept");
  EXPECT_EQ(std::filesystem::exists(directory), root) << "without another owner it is cleaned";
  unlink((prefix + "-link").c_str());
  std::filesystem::remove_all(directory);
}

TEST_F(SharedMemoryTest, PolicyMayRefuseIt) {
  std::ofstream(scratch_ + "/policy.toml") << "version = 1\nextends = [\"minimal\"]\n"
                                              "[filesystem]\nexec = [\"/usr\", \"/bin\"]\n";
  for (const auto& [view, error] :
       {std::pair("host", "Permission denied"), std::pair("private", "Directory nonexistent")}) {
    const CliResult result = Cli({"run", "--view", view, "--policy", scratch_ + "/policy.toml",
                                  "--mount", mount_, "--", "sh", "-c", "echo x >/dev/shm/x"});
    EXPECT_NE(result.exit_code, 0);
    EXPECT_NE(result.err.find(error), std::string::npos) << result.err;
  }
}

// A mount of /dev/shm means the host's.
TEST_F(SharedMemoryTest, MountOfTheHostsWins) {
  const std::string name = std::string(kShm) + "/sessionctl-test-" + std::to_string(getpid());
  EXPECT_EQ(Cli({"run", "--rw", kShm, "--", "sh", "-c", "echo shared >" + name}).exit_code, 0);
  EXPECT_EQ(ReadWholeFile(name), "shared\n");
  unlink(name.c_str());
}

}  // namespace
}  // namespace sessionctl
