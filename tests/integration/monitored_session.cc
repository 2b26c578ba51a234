#include "tests/integration/monitored_session.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "tests/harness/child.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string NextId() {
  static std::atomic<unsigned> number = 0;
  char id[16];
  snprintf(id, sizeof(id), "%06x%06x", static_cast<unsigned>(getpid()) & 0xffffff, ++number);
  return id;
}

}  // namespace

void MonitoredTest::TearDown() {
  if (!IsSkipped()) Cli({"stop", "--all", "--timeout", "0"});
  CliTest::TearDown();
}

std::string MonitoredTest::Driver() const {
  const fs::path built = SESSIONCTL_BUILT;
  return (built.parent_path() / driver_).string();
}

std::string MonitoredTest::TryStart(const std::vector<std::string>& command,
                                    const std::vector<std::string>& options) {
  const std::string policy = scratch_ + "/policy.toml";
  std::ofstream(policy) << "extends = [\"default\"]\n"
                        << policy_ << "\n[[mount]]\nhost = \"" << mount_ << "\"\n";
  std::vector<std::string> argv = {Driver(), "start", StateDirectory(), NextId(), policy};
  const std::string id = argv[3];
  argv.insert(argv.end(), options.begin(), options.end());
  argv.emplace_back("--");
  argv.insert(argv.end(), command.begin(), command.end());
  const harness::Outcome outcome = harness::Run({.argv = argv});
  return id + " " + outcome.out + outcome.err;
}

std::string MonitoredTest::StartSession(const std::vector<std::string>& command,
                                        const std::vector<std::string>& options) {
  const std::string text = TryStart(command, options);
  EXPECT_EQ(text.substr(12), " 0 \n");
  return text.substr(0, 12);
}

std::string MonitoredTest::StartShell(const std::string& script,
                                      const std::vector<std::string>& options) {
  return StartSession({"sh", "-c", script}, options);
}

StreamPeer MonitoredTest::Attach(const std::string& id, bool replay) {
  StreamPeer peer;
  const json answer = peer.Open(DirectoryOf(id), {{"op", "attach"}, {"replay", replay}});
  EXPECT_EQ(answer, json({{"ok", true}}));
  return peer;
}

json MonitoredTest::ExecRequest(const std::vector<std::string>& argv) const {
  return {{"op", "exec"}, {"argv", argv}, {"stdin", false}};
}

StreamPeer MonitoredTest::Exec(const std::string& id, json request) {
  StreamPeer peer;
  const json answer = peer.Open(DirectoryOf(id), request);
  EXPECT_EQ(answer, json({{"ok", true}}));
  return peer;
}

json MonitoredTest::RunIn(const std::string& id, const std::vector<std::string>& argv,
                          std::string* out, std::string* err) {
  StreamPeer peer = Exec(id, ExecRequest(argv));
  json end = peer.End();
  if (out != nullptr) *out = peer.out();
  if (err != nullptr) *err = peer.err() + peer.complaint();
  return end;
}

pid_t MonitoredTest::PidOf(const std::string& id, const std::string& part) {
  return static_cast<pid_t>(std::stol(Inspect(id, part + ".pid")));
}

pid_t MonitoredTest::InitOf(const std::string& id) {
  const std::string broker = std::to_string(PidOf(id, "broker"));
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = ReadWholeFile("/proc/" + pid + "/stat");
    const std::string head = pid + " (session-init) ";
    if (stat.starts_with(head) && stat.substr(head.size() + 2).starts_with(broker + " ")) {
      return static_cast<pid_t>(std::stol(pid));
    }
  }
  return 0;
}

bool MonitoredTest::Appears(const std::string& name) {
  return Eventually([&] { return fs::exists(mount_ + "/" + name); });
}

int MonitoredTest::Descriptors(pid_t pid) {
  return static_cast<int>(std::distance(
      fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd"), fs::directory_iterator()));
}

}  // namespace sessionctl
