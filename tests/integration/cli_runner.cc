#include "tests/integration/cli_runner.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
constexpr int kStatusFd = 9;
constexpr uid_t kOrdinaryUser = 12345;
constexpr std::chrono::seconds kPatience(60);

std::string Binary() {
  const char* chosen = getenv("SESSIONCTL");
  return chosen != nullptr ? chosen : SESSIONCTL_BUILT;
}

[[noreturn]] void Exec(const std::vector<std::string>& args) {
  std::vector<char*> argv;
  std::string binary = Binary();
  argv.push_back(binary.data());
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  execv(binary.c_str(), argv.data());
  _exit(99);
}

// Reads all three pipes to their ends; `input` goes out as the child takes it.
void Pump(const std::array<int, 3>& outputs, const std::array<std::string*, 3>& texts, int input_fd,
          const std::string& input) {
  size_t sent = 0;
  fcntl(input_fd, F_SETFL, O_NONBLOCK);
  std::array<pollfd, 4> sources = {};
  for (size_t i = 0; i < 3; ++i) sources[i] = {.fd = outputs[i], .events = POLLIN, .revents = 0};
  sources[3] = {.fd = input_fd, .events = POLLOUT, .revents = 0};
  while (sources[0].fd >= 0 || sources[1].fd >= 0 || sources[2].fd >= 0) {
    poll(sources.data(), sources.size(), -1);
    for (size_t i = 0; i < 3; ++i) {
      if (sources[i].fd < 0 || sources[i].revents == 0) continue;
      std::array<char, 65536> buffer;
      const ssize_t count = read(sources[i].fd, buffer.data(), buffer.size());
      if (count > 0) texts[i]->append(buffer.data(), static_cast<size_t>(count));
      if (count <= 0) sources[i].fd = -1;
    }
    if (sources[3].fd >= 0 && sources[3].revents != 0) {
      const ssize_t count = write(input_fd, input.data() + sent, input.size() - sent);
      if (count > 0) sent += static_cast<size_t>(count);
      if (sent == input.size() || count < 0) {
        close(input_fd);
        sources[3].fd = -1;
      }
    }
  }
  if (sources[3].fd >= 0) close(input_fd);
}

}  // namespace

void CliTest::SetUp() {
  signal(SIGPIPE, SIG_IGN);
  std::string pattern = fs::temp_directory_path() / "cli_test.XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  scratch_ = pattern;
  fs::permissions(scratch_, fs::perms(0755));
  mount_ = scratch_ + "/mount";
  fs::create_directory(mount_);
  fs::permissions(mount_, fs::perms(0777));
  set_["SESSIONCTL_STATE_DIR"] = scratch_ + "/state";
}

void CliTest::TearDown() {
  if (fs::exists(scratch_ + "/state") || fs::exists(scratch_ + "/xdg/sessionctl"))
    Cli({"stop", "--all", "--timeout", "0"});
  // Monitors and the supervisor that are on their way out may still write there.
  EXPECT_TRUE(Eventually([&] {
    std::error_code error;
    fs::remove_all(scratch_, error);
    return !error;
  }));
}

void CliTest::UseOrdinaryUser() {
  user_ = kOrdinaryUser;
  set_["SESSIONCTL_STATE_DIR"] = "";
  set_["XDG_RUNTIME_DIR"] = "";
  const std::string state = set_["XDG_STATE_HOME"] = scratch_ + "/xdg";
  fs::create_directory(state);
  fs::permissions(state, fs::perms(0700));
  ASSERT_EQ(chown(state.c_str(), kOrdinaryUser, kOrdinaryUser), 0);
}

void CliTest::BecomeUser() {
  for (const auto& [name, value] : set_) setenv(name.c_str(), value.c_str(), 1);
  signal(SIGPIPE, SIG_DFL);
  if (!user_.has_value()) return;
  if (setgroups(0, nullptr) != 0 || setresgid(*user_, *user_, *user_) != 0 ||
      setresuid(*user_, *user_, *user_) != 0) {
    _exit(98);
  }
}

CliResult CliTest::Cli(const std::vector<std::string>& args, const std::string& input) {
  std::array<std::array<int, 2>, 4> pipes;  // in, out, err, status
  for (auto& pipe : pipes) EXPECT_EQ(pipe2(pipe.data(), O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(pipes[0][0], 0);
    dup2(pipes[1][1], 1);
    dup2(pipes[2][1], 2);
    const int status = fcntl(pipes[3][1], F_DUPFD, 20);
    dup2(status, kStatusFd);
    close(status);
    BecomeUser();
    Exec(args);
  }
  close(pipes[0][0]);
  for (size_t i = 1; i < 4; ++i) close(pipes[i][1]);
  CliResult result;
  Pump({pipes[1][0], pipes[2][0], pipes[3][0]}, {&result.out, &result.err, &result.status},
       pipes[0][1], input);
  for (size_t i = 1; i < 4; ++i) close(pipes[i][0]);
  result.exit_code = AwaitExit(child);
  return result;
}

pid_t CliTest::Start(const std::vector<std::string>& args) {
  const pid_t child = fork();
  if (child == 0) {
    BecomeUser();
    Exec(args);
  }
  return child;
}

std::string CliTest::Spawn(const std::vector<std::string>& args) {
  std::vector<std::string> all = {"spawn"};
  all.insert(all.end(), args.begin(), args.end());
  const CliResult result = Cli(all);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out.size(), 13U) << result.out;
  return result.out.substr(0, 12);
}

std::string CliTest::Inspect(const std::string& id, const std::string& member) {
  const CliResult result = Cli({"inspect", id});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  nlohmann::json value = nlohmann::json::parse(result.out, nullptr, false);
  std::istringstream path(member);
  for (std::string key; std::getline(path, key, '.');) {
    if (!value.is_object() || !value.contains(key)) return "absent";
    value = nlohmann::json(value[key]);
  }
  return value.dump();
}

void SpawningCliTest::SetUp() {
  CliTest::SetUp();
  if (!GetParam()) return;
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become an ordinary user";
  UseOrdinaryUser();
}

void SpawningCliTest::TearDown() {
  if (!IsSkipped()) Cli({"stop", "--all", "--timeout", "0"});
  CliTest::TearDown();
}

std::string NameOfUser(const ::testing::TestParamInfo<bool>& info) {
  return info.param ? "OrdinaryUser" : "Caller";
}

int AwaitExit(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

bool Alive(pid_t pid) {
  const std::string stat = ReadWholeFile("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && stat[name_end + 2] != 'Z' && stat[name_end + 2] != 'X';
}

std::string ReadWholeFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace sessionctl
