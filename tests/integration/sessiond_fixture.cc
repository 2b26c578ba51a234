#include "tests/integration/sessiond_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>
#include <utility>

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kPatienceMilliseconds = 60'000;
constexpr int kReadyFd = 3;
// What a sessiond leaves in its state directory on purpose.
const std::set<std::string>& KeptNames() {
  static const auto& names =
      *new std::set<std::string>{"deployments", "sessiond.lock", "sessiond.log", "sessiond.log.1"};
  return names;
}

std::string ReadSome(int fd) {
  pollfd source = {.fd = fd, .events = POLLIN, .revents = 0};
  if (poll(&source, 1, kPatienceMilliseconds) <= 0) return "";
  std::array<char, 65536> buffer;
  const ssize_t count = read(fd, buffer.data(), buffer.size());
  return count > 0 ? std::string(buffer.data(), static_cast<size_t>(count)) : "";
}

std::string HeaderOf(const std::string& head, const std::string& name) {
  for (std::string line : LinesOf(head)) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string key = line.substr(0, colon);
    std::transform(key.begin(), key.end(), key.begin(), ::tolower);
    while (!line.empty() && line.back() == '\r') line.pop_back();
    if (key == name) return line.substr(colon + 2);
  }
  return "";
}

// Takes the chunks that are whole; true at the last one.
bool TakeChunks(std::string& raw, std::string& body) {
  for (size_t end; (end = raw.find("\r\n")) != std::string::npos;) {
    const size_t size = std::strtoul(raw.c_str(), nullptr, 16);
    if (raw.size() < end + 2 + size + 2) return false;
    if (size == 0) return true;
    body += raw.substr(end + 2, size);
    raw.erase(0, end + 2 + size + 2);
  }
  return false;
}

}  // namespace

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

json At(const json& value, const std::string& pointer) {
  const json::json_pointer path(pointer);
  return value.contains(path) ? value.at(path) : json();
}

void SessiondTest::SetUp() {
  CliTest::SetUp();
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  set_["SESSIONCTL_IDLE_EXIT"] = "0";  // one that a verb starts stays until the test ends it
}

void SessiondTest::TearDown() {
  if (IsSkipped()) return CliTest::TearDown();
  if (fs::exists(StateDirectory())) {
    const CliResult stopped = Cli({"stop", "--all", "--timeout", "0"});
    EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
    const CliResult pruned = Cli({"prune"});
    EXPECT_EQ(pruned.exit_code, 0) << pruned.err;
    StopSessiond();
  }
  // Twice: one whose parent dies during the look is not seen below us.
  EXPECT_TRUE(Eventually([this] { return Descendants().empty() && Descendants().empty(); }));
  for (const auto& [pid, name] : Descendants()) {
    ADD_FAILURE() << "left behind: process " << pid << " " << name;
    kill(pid, SIGKILL);
  }
  if (fs::exists(StateDirectory())) {
    for (const auto& entry : fs::directory_iterator(StateDirectory())) {
      const std::string name = entry.path().filename();
      EXPECT_EQ(KeptNames().count(name), 1U) << "left behind: " << name;
    }
  }
  if (HasFailure()) fputs(ServeLog().c_str(), stderr);  // what sessiond says of it
  fs::remove_all(scratch_);
}

std::string SessiondTest::StateDirectory() const {
  return user_.has_value() ? scratch_ + "/xdg/sessionctl" : set_.at("SESSIONCTL_STATE_DIR");
}

pid_t SessiondTest::StartInto(const std::string& file, const std::vector<std::string>& args) {
  const std::string path = scratch_ + "/" + file;
  const int output = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const std::array<int, 2> saved = {dup(1), dup(2)};
  for (const int fd : saved) fcntl(fd, F_SETFD, FD_CLOEXEC);
  dup2(output, 1);
  dup2(output, 2);
  close(output);
  const pid_t child = Start(args);
  for (int i = 0; i < 2; ++i) {
    dup2(saved[static_cast<size_t>(i)], i + 1);
    close(saved[static_cast<size_t>(i)]);
  }
  started_.insert(child);
  return child;
}

pid_t SessiondTest::StartSessiond(const std::vector<std::string>& flags) {
  std::array<int, 2> ready;
  EXPECT_EQ(pipe2(ready.data(), O_CLOEXEC), 0);
  // What is at kReadyFd in the test is out of the way meanwhile.
  const int saved = fcntl(kReadyFd, F_DUPFD_CLOEXEC, 10);
  const int write_end = fcntl(ready[1], F_DUPFD_CLOEXEC, 10);
  const OwnedFd read_end(fcntl(ready[0], F_DUPFD_CLOEXEC, 10));
  close(ready[0]);
  close(ready[1]);
  dup2(write_end, kReadyFd);
  close(write_end);
  std::vector<std::string> args = {"serve", "--ready-fd", std::to_string(kReadyFd)};
  args.insert(args.end(), flags.begin(), flags.end());
  const pid_t pid = StartInto("serve.log", args);
  close(kReadyFd);
  if (saved >= 0) {
    if (saved != kReadyFd) dup3(saved, kReadyFd, O_CLOEXEC);
    close(saved);
  }
  const std::string answer = ReadSome(read_end.get());
  EXPECT_EQ(answer, "ready") << ServeLog();
  started_.erase(pid);
  return pid;
}

pid_t SessiondTest::Sessiond() {
  const json health = Api("GET", "/v1/health").Json();
  return health.is_object() ? health.value("pid", 0) : 0;
}

pid_t SessiondTest::ZygoteOf() {
  const json health = Api("GET", "/v1/health").Json();
  return health.is_object() ? health.value("zygote", 0) : 0;
}

void SessiondTest::KillSessiond() {
  const pid_t pid = Sessiond();
  ASSERT_GT(pid, 0);
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  EXPECT_TRUE(Eventually([pid] { return !Alive(pid); }));
}

void SessiondTest::StopSessiond() {
  const pid_t pid = Sessiond();
  if (pid <= 0) return;
  ASSERT_EQ(kill(pid, SIGTERM), 0);
  EXPECT_TRUE(Eventually([pid] { return !Alive(pid); })) << "sessiond does not leave";
}

OwnedFd SessiondTest::ConnectApi() {
  // By a descriptor of the directory: the path may be longer than an address.
  const OwnedFd directory(open(StateDirectory().c_str(), O_PATH | O_CLOEXEC));
  if (!directory.valid()) return {};
  OwnedFd connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/sessiond.sock",
           directory.get());
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return {};
  return connection;
}

ApiReply SessiondTest::ReadAnswer(int connection) {
  std::string raw;
  ApiReply reply;
  while (raw.find("\r\n\r\n") == std::string::npos) {
    const std::string more = ReadSome(connection);
    if (more.empty()) return reply;
    raw += more;
  }
  const std::string head = raw.substr(0, raw.find("\r\n\r\n"));
  raw.erase(0, head.size() + 4);
  reply.status = static_cast<int>(std::strtol(head.substr(head.find(' ')).c_str(), nullptr, 10));
  reply.content_type = HeaderOf(head, "content-type");
  const bool chunked = HeaderOf(head, "transfer-encoding") == "chunked";
  const std::string length = HeaderOf(head, "content-length");
  const size_t wanted = std::strtoul(length.c_str(), nullptr, 10);
  for (;;) {
    if (!chunked) reply.body = raw;
    reply.complete = chunked ? TakeChunks(raw, reply.body) : reply.body.size() >= wanted;
    if (reply.complete) return reply;
    const std::string more = ReadSome(connection);
    if (more.empty()) return reply;
    raw += more;
  }
}

ApiReply SessiondTest::Api(const std::string& method, const std::string& target,
                           const std::string& body) {
  const OwnedFd connection = ConnectApi();
  if (!connection.valid()) return {};
  const std::string request = method + " " + target +
                              " HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: " +
                              std::to_string(body.size()) + "\r\n\r\n" + body;
  for (size_t sent = 0; sent < request.size();) {
    const ssize_t count =
        send(connection.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += static_cast<size_t>(count);
  }
  return ReadAnswer(connection.get());
}

std::vector<std::string> SessiondTest::ShellWords(const std::string& script,
                                                  std::vector<std::string> flags) const {
  std::vector<std::string> words = {"spawn"};
  words.insert(words.end(), flags.begin(), flags.end());
  words.insert(words.end(), {"--mount", mount_, "--workdir", mount_, "--", "sh", "-c", script});
  return words;
}

std::string SessiondTest::SpawnShell(const std::string& script, std::vector<std::string> flags) {
  const CliResult result = Cli(ShellWords(script, std::move(flags)));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result.out.substr(0, 12);
}

json SessiondTest::Session(const std::string& id) {
  json record = Api("GET", "/v1/sessions/" + id).Json();
  return record.is_object() ? record : json::object();
}

std::string SessiondTest::ReasonOf(const std::string& id) {
  const json reason = At(Session(id), "/exit/reason");
  return reason.is_string() ? reason.get<std::string>() : "none";
}

json SessiondTest::Sessions(const std::string& query) {
  return Api("GET", "/v1/sessions" + query).Json();
}

pid_t SessiondTest::PidOf(const std::string& id, const std::string& part) {
  const json pid = At(Session(id), "/" + part + "/pid");
  return pid.is_number_integer() ? pid.get<pid_t>() : 0;
}

bool SessiondTest::Appears(const std::string& name) {
  return Eventually([&] { return fs::exists(mount_ + "/" + name); });
}

std::vector<std::string> SessiondTest::EventTypes(const std::string& id) {
  std::vector<std::string> types;
  for (const std::string& line : LinesOf(Api("GET", "/v1/events").body)) {
    const json event = json::parse(line, nullptr, false);
    if (id.empty() || event.value("session", "") == id) types.push_back(event.value("type", ""));
  }
  return types;
}

// Zombies that nobody else will await.
void SessiondTest::ReapOrphans() {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = ReadWholeFile("/proc/" + name + "/stat");
    const size_t end = stat.rfind(')');
    if (end == std::string::npos || stat[end + 2] != 'Z') continue;
    const auto pid = static_cast<pid_t>(std::stol(name));
    const auto parent = static_cast<pid_t>(std::stol(stat.substr(end + 4)));
    if (parent == getpid() && started_.count(pid) == 0) waitpid(pid, nullptr, WNOHANG);
  }
}

std::map<pid_t, std::string> SessiondTest::Descendants() {
  ReapOrphans();
  struct Process {
    pid_t parent = 0;
    std::string name;
    bool ended = false;  // or its first thread only: what is below it stays so until the others end
  };
  std::map<pid_t, Process> all;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = ReadWholeFile("/proc/" + name + "/stat");
    const size_t end = stat.rfind(')');
    if (end == std::string::npos) continue;
    const size_t begin = stat.find('(');
    all[static_cast<pid_t>(std::stol(name))] = {
        .parent = static_cast<pid_t>(std::stol(stat.substr(end + 4))),
        .name = stat.substr(begin + 1, end - begin - 1),
        .ended = stat[end + 2] == 'Z' || stat[end + 2] == 'X'};
  }
  std::map<pid_t, std::string> below;
  for (const auto& [pid, process] : all) {
    if (process.ended || started_.count(pid) != 0) continue;
    pid_t above = process.parent;
    while (above != getpid() && all.count(above) != 0) above = all[above].parent;
    if (above == getpid()) below[pid] = process.name;
  }
  return below;
}

Traces SessiondTest::Look() {
  Traces traces;
  // At rest: a zygote that has just started tries the kernel's features in children of its own.
  for (int i = 0; i < 50; ++i) {
    const std::map<pid_t, std::string> before = std::exchange(traces.processes, Descendants());
    if (i > 0 && before == traces.processes) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (const auto& entry : fs::directory_iterator(StateDirectory())) {
    const std::string name = entry.path().filename();
    if (name.find(".log") == std::string::npos) traces.names.insert(name);
  }
  std::error_code gone;
  traces.sessiond = Sessiond();
  const std::string fds = "/proc/" + std::to_string(traces.sessiond) + "/fd";
  traces.descriptors =
      static_cast<int>(std::distance(fs::directory_iterator(fds, gone), fs::directory_iterator()));
  return traces;
}

void SessiondTest::ExpectTraces(const Traces& before) {
  Traces now;
  const bool settled = Eventually([&] {
    now = Look();
    return now.processes.size() == before.processes.size() &&
           (now.descriptors == before.descriptors || now.sessiond != before.sessiond) &&
           now.names == before.names;
  });
  if (settled) return;
  EXPECT_EQ(now.processes, before.processes);
  EXPECT_EQ(now.descriptors, before.descriptors);
  EXPECT_EQ(now.names, before.names);
}

}  // namespace sessionctl
