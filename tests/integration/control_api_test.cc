#include "tests/integration/control_api_test.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>

namespace sessionctl {
namespace {

// What the allocator may keep of what was freed.
constexpr long kMemorySlack = 24 * 1024;

}  // namespace

void ControlApiTest::SetUp() {
  SessiondTest::SetUp();
  sessiond_ = StartSessiond();
  ExpectOthersAreServed();
  before_ = Look();
  memory_ = Memory();
}

void ControlApiTest::TearDown() {
  if (!IsSkipped() && Alive(sessiond_)) {
    Cli({"stop", "--all", "--timeout", "0"});
    Cli({"prune"});
    ExpectTraces(before_);
    EXPECT_LT(Memory(), memory_ + kMemorySlack);
  }
  SessiondTest::TearDown();
}

size_t ControlApiTest::SendAll(int connection, std::string_view bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += static_cast<size_t>(count);
  }
  return sent;
}

OwnedFd ControlApiTest::Say(std::string_view bytes) {
  OwnedFd connection = ConnectApi();
  EXPECT_TRUE(connection.valid());
  SendAll(connection.get(), bytes);
  return connection;
}

void ControlApiTest::ExpectOthersAreServed() {
  const ApiReply health = Api("GET", "/v1/health");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(health.Json().value("pid", 0), sessiond_);
}

long ControlApiTest::Memory() const {
  std::ifstream status("/proc/" + std::to_string(sessiond_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::strtol(line.c_str() + 6, nullptr, 10);
  }
  return 0;
}

std::string Request(const std::string& line, const std::string& headers) {
  return line + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n";
}

int InChildProcess(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work());
  return AwaitExit(child);
}

int StatusAt(const std::string& path) {
  const OwnedFd connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof(address.sun_path), "%s", path.c_str());
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return 0;
  const std::string request = Request("GET /v1/health");
  send(connection.get(), request.data(), request.size(), MSG_NOSIGNAL);
  std::array<char, 16> answer = {};
  if (recv(connection.get(), answer.data(), answer.size() - 1, MSG_WAITALL) < 12) return 0;
  return static_cast<int>(std::strtol(answer.data() + 9, nullptr, 10));
}

}  // namespace sessionctl
