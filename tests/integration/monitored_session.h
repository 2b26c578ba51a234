// Sessions that a test starts through tests/monitors/session_driver, to talk to their monitors
// directly.
#ifndef TESTS_INTEGRATION_MONITORED_SESSION_H_
#define TESTS_INTEGRATION_MONITORED_SESSION_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/integration/cli_runner.h"
#include "tests/integration/stream_peer.h"

namespace sessionctl {

class MonitoredTest : public CliTest {
 protected:
  void TearDown() override;

  // A session of `sh -c SCRIPT` in the mount; its id. `options` are the driver's.
  std::string StartShell(const std::string& script, const std::vector<std::string>& options = {});
  std::string StartSession(const std::vector<std::string>& command,
                           const std::vector<std::string>& options = {});
  // What the driver prints for one that may fail to start.
  std::string TryStart(const std::vector<std::string>& command,
                       const std::vector<std::string>& options = {});

  std::string Driver() const;
  std::string StateDirectory() const { return scratch_ + "/state"; }
  std::string DirectoryOf(const std::string& id) const { return StateDirectory() + "/" + id; }
  // A client, attached; fails the test when the monitor refuses.
  StreamPeer Attach(const std::string& id, bool replay = true);
  StreamPeer Exec(const std::string& id, nlohmann::json request);
  nlohmann::json ExecRequest(const std::vector<std::string>& argv) const;
  // Runs it to its end; what the last frame says.
  nlohmann::json RunIn(const std::string& id, const std::vector<std::string>& argv,
                       std::string* out = nullptr, std::string* err = nullptr);

  pid_t PidOf(const std::string& id, const std::string& part);
  pid_t InitOf(const std::string& id);  // 0: none
  std::string WaitFor(const std::string& id) { return Cli({"wait", id}).out; }
  std::string LogOf(const std::string& id) { return Cli({"logs", id}).out; }
  bool Appears(const std::string& name);
  int Descriptors(pid_t pid);

  std::string driver_ = "session_driver";
  std::string policy_;  // lines for the policy file, beside the mount
};

}  // namespace sessionctl

#endif  // TESTS_INTEGRATION_MONITORED_SESSION_H_
