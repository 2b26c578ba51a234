// Starts a session's monitor with options that the command line does not offer, and is the terminal
// side of attach and exec over its control socket:
//   session_driver start STATE_DIRECTORY ID POLICY_FILE OPTION… -- COMMAND…
//     terminal=ROWSxCOLUMNS  stdin  log=BYTES,FILES  keep=FD  umask=OCTAL  label=K=V
//   session_driver attach|exec STATE_DIRECTORY ID OPTION… [-- COMMAND…]
//     terminal  no-stdin  no-replay  keys=KEYS  workdir=PATH  env=K=V
// `start` prints the monitor's report; attach and exec say how the stream ended on standard error.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "cli/stream_client.h"
#include "policy/policy_parser.h"
#include "sandbox/kernel_features.h"
#include "supervisor/session_control.h"
#include "supervisor/session_monitor.h"
#include "supervisor/session_store.h"

namespace sessionctl {
namespace {

struct Words {
  std::vector<std::string> options, command;
};

[[noreturn]] void Die(const std::string& why) {
  std::cerr << "session_driver: " << why << "\n";
  exit(125);
}

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) Die(value.status().ToString());
  return *std::move(value);
}

// The rest of an option that begins with `key`, in `value`.
bool Is(const std::string& option, const std::string& key, std::string* value) {
  if (!option.starts_with(key + "=")) return false;
  *value = option.substr(key.size() + 1);
  return true;
}

MonitorOptions ReadMonitorOptions(const Words& words) {
  MonitorOptions options;
  options.argv = words.command;
  for (char** entry = environ; *entry != nullptr; ++entry) options.environment.emplace_back(*entry);
  for (const std::string& option : words.options) {
    std::string value;
    TerminalSize size;
    long long bytes = 0;
    int files = 0;
    if (option == "stdin") {
      options.stdin_open = true;
    } else if (Is(option, "terminal", &value) &&
               sscanf(value.c_str(), "%hux%hu", &size.rows, &size.columns) == 2) {
      options.terminal = size;
    } else if (Is(option, "log", &value) && sscanf(value.c_str(), "%lld,%d", &bytes, &files) == 2) {
      options.log = {.max_bytes = bytes, .max_files = files};
    } else if (Is(option, "keep", &value)) {
      options.keep_open.push_back(atoi(value.c_str()));
    } else if (Is(option, "umask", &value)) {
      options.umask = static_cast<mode_t>(strtol(value.c_str(), nullptr, 8));
    } else if (Is(option, "label", &value)) {
      options.labels[value.substr(0, value.find('='))] = value.substr(value.find('=') + 1);
    } else {
      Die("what is " + option + "?");
    }
  }
  return options;
}

int Start(const std::string& state, const std::string& id, const std::string& policy_file,
          const Words& words) {
  const SessionPolicy policy = OrDie(LoadPolicyFile(policy_file));
  const SessionStore store = OrDie(SessionStore::Open(state));
  const KernelFeatures features = ProbeKernelFeatures();
  MonitorOptions options = ReadMonitorOptions(words);
  options.id = id;
  options.policy = &policy;
  options.features = &features;
  std::array<int, 2> pipe;
  if (pipe2(pipe.data(), O_CLOEXEC) != 0) Die("pipe2");
  if (fork() == 0) {
    close(pipe[0]);
    RunMonitor(store, options, OwnedFd(pipe[1]));
  }
  close(pipe[1]);
  MonitorReport report = {};
  if (read(pipe[0], &report, sizeof(report)) != sizeof(report)) Die("no report");
  std::cout << report.exit_code << " " << report.message << "\n";
  return report.exit_code;
}

int Stream(bool exec, const std::string& state, const std::string& id, const Words& words) {
  ControlRequest request;
  StreamOptions options;
  if (exec) request.operation = ControlRequest::Operation::kExec;
  request.argv = words.command;
  for (const std::string& option : words.options) {
    std::string value;
    if (option == "terminal") {
      options.terminal = true;
      request.terminal = OwnTerminalSize().value_or(TerminalSize());
    } else if (option == "no-stdin") {
      options.send_input = request.stdin_open = false;
    } else if (option == "no-replay") {
      request.replay = false;
    } else if (Is(option, "keys", &value)) {
      options.detach_keys = value;
    } else if (Is(option, "workdir", &value)) {
      request.working_directory = value;
    } else if (Is(option, "env", &value)) {
      request.environment.push_back(value);
    } else {
      Die("what is " + option + "?");
    }
  }
  const SessionStore store = OrDie(SessionStore::Open(state));
  const SessionDirectory directory = OrDie(store.Find(id));
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) Die("socketpair");
  const absl::Status handed =
      HandOverStream(directory.fd(), request, ends[1], std::chrono::seconds(30));
  close(ends[1]);
  if (!handed.ok()) Die(handed.ToString());
  const StreamResult result = OrDie(RunStream(OwnedFd(ends[0]), "", options));
  if (!result.message.empty()) std::cerr << "message=" << result.message << "\n";
  switch (result.end) {
    case StreamResult::End::kDetached: std::cerr << "detached\n"; return 0;
    case StreamResult::End::kLost: std::cerr << "lost\n"; return 124;
    case StreamResult::End::kRefused: std::cerr << "refused\n"; return 125;
    case StreamResult::End::kExited: break;
  }
  std::cerr << "reason=" << result.exit.reason << "\n";
  if (result.exit.code.has_value()) return *result.exit.code;
  return result.exit.signal.has_value() ? 128 + *result.exit.signal : 123;
}

int Main(const std::vector<std::string>& args) {
  const bool starts = args.size() > 1 && args[1] == "start";
  const size_t fixed = starts ? 5 : 4;
  if (args.size() < fixed) Die("too few arguments");
  Words words;
  size_t i = fixed;
  while (i < args.size() && args[i] != "--") words.options.push_back(args[i++]);
  for (++i; i < args.size(); ++i) words.command.push_back(args[i]);
  if (starts) return Start(args[2], args[3], args[4], words);
  return Stream(args[1] == "exec", args[2], args[3], words);
}

}  // namespace
}  // namespace sessionctl

int main(int argc, char** argv) {
  return sessionctl::Main(std::vector<std::string>(argv, argv + argc));
}
