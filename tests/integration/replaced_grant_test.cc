// A private view holds files of the host's one by one (/etc/passwd, /etc/resolv.conf): what becomes
// of a session when the host replaces one by rename, as package managers and DHCP clients do.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class ReplacedGrantTest : public SpawningCliTest {
 protected:
  void SetUp() override {
    SpawningCliTest::SetUp();
    fs::create_directory(scratch_ + "/granted");
    Replace("first\n");
  }

  void Replace(const std::string& text) const {
    const std::string next = scratch_ + "/granted/next";
    std::ofstream(next) << text;
    chmod(next.c_str(), 0644);
    fs::rename(next, File());
  }
  std::string File() const { return scratch_ + "/granted/file"; }

  // `script` in a private view that has the file.
  CliResult Shell(const std::string& script, const std::vector<std::string>& flags = {}) {
    std::vector<std::string> args = {
        "run", "--mount", mount_ + ":/mnt/data", "--workdir", "/mnt/data", "--ro", File()};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--", "sh", "-c", script});
    return Cli(args);
  }
};

INSTANTIATE_TEST_SUITE_P(Users, ReplacedGrantTest, ::testing::Bool(), NameOfUser);

TEST_P(ReplacedGrantTest, StaysReadableAsItWasAtTheStart) {
  std::thread replacer([&] {
    EXPECT_TRUE(Eventually([&] { return fs::exists(mount_ + "/started"); }));
    Replace("second\n");
    std::ofstream(mount_ + "/replaced") << "";
  });
  const CliResult result = Shell(
      "cat " + File() + "; touch started; while ! [ -e replaced ]; do sleep 0.05; done; cat " +
      File() + "; (echo x > " + File() + ") 2>/dev/null || echo refused");
  replacer.join();
  EXPECT_EQ(result.out, "first\nfirst\nrefused\n") << result.err;
  EXPECT_EQ(ReadWholeFile(File()), "second\n") << "the control: it was replaced";
}

TEST_P(ReplacedGrantTest, SessionsStartWhileItIsReplacedAllTheTime) {
  std::atomic<bool> done = false;
  std::atomic<int> times = 0;
  std::thread replacer([&] {
    while (!done) {
      Replace("again\n");
      ++times;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  });
  for (int i = 0; i < 15; ++i) {
    const int before = times;
    const CliResult result = Shell("cat " + File());
    EXPECT_EQ(result.out, "again\n") << result.err;
    EXPECT_GT(times, before) << "the control: it was replaced meanwhile";
  }
  done = true;
  replacer.join();
}

}  // namespace
}  // namespace sessionctl
