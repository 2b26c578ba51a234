// Runs the built `sessionctl` for the tests of its command line: with chosen input, environment,
// user and descriptors, which the harness's Child does not offer. Each fixture has a scratch
// directory with a state directory of its own, so tests run side by side.
#ifndef TESTS_INTEGRATION_CLI_RUNNER_H_
#define TESTS_INTEGRATION_CLI_RUNNER_H_

#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sessionctl {

struct CliResult {
  int exit_code = -1;  // 128 + n when a signal ended it
  std::string out;
  std::string err;
  std::string status;  // what came over descriptor 9
};

class CliTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // `sessionctl ARGS`; returns when it has ended and all its output is read.
  CliResult Cli(const std::vector<std::string>& args, const std::string& input = "");
  // Starts it with the test's own standard streams; the caller waits.
  pid_t Start(const std::vector<std::string>& args);

  // For a test that runs as root: from now on sessionctl runs as an ordinary user, with a state
  // directory of that user's, `scratch_`/xdg/sessionctl.
  void UseOrdinaryUser();

  // In the child, before exec. Async-signal-safety does not matter: the test is single-threaded.
  void BecomeUser();

  // The one id that `spawn ARGS` printed.
  std::string Spawn(const std::vector<std::string>& args);
  // A member of `inspect ID`: "state", "exit.code", "process.pid" …, as JSON text.
  std::string Inspect(const std::string& id, const std::string& member);

  std::string scratch_;                     // mode 0755
  std::string mount_;                       // a directory to grant
  std::map<std::string, std::string> set_;  // added to the environment
  std::optional<uid_t> user_;               // runs as this uid and gid, without groups
};

// Everything is run twice: as whoever runs the tests, and (when that is root) as an ordinary user.
// What was spawned is stopped at the end.
class SpawningCliTest : public CliTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override;
  void TearDown() override;
};
std::string NameOfUser(const ::testing::TestParamInfo<bool>& info);  // "Caller", "OrdinaryUser"

// Exit code of a process of ours, 128 + n for a signal.
int AwaitExit(pid_t pid);

// Polls until `condition` holds; false after a generous while.
bool Eventually(const std::function<bool()>& condition);

// Does a process with this id live (zombies do not count)?
bool Alive(pid_t pid);

std::string ReadWholeFile(const std::string& path);  // "" when it cannot be read

}  // namespace sessionctl

#endif  // TESTS_INTEGRATION_CLI_RUNNER_H_
