// Clients of the control API that are slow, broken or greedy.
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "tests/integration/control_api_test.h"

namespace sessionctl {
namespace {

constexpr size_t kGigabyte = size_t{1} << 30;
constexpr int kMany = 1100;  // more than the server keeps

class ApiClientTest : public ControlApiTest {
 protected:
  void SetUp() override {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    ControlApiTest::SetUp();
  }
};

TEST_F(ApiClientTest, ThatNeverReadsHoldsNobodyUp) {
  const std::string id = SpawnShell("head -c 8000000 /dev/zero; sleep 1000");
  EXPECT_TRUE(Eventually(
      [&] { return Api("GET", "/v1/sessions/" + id + "/logs").body.size() == 8'000'000; }));
  std::vector<OwnedFd> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(Say(Request("GET /v1/sessions/" + id + "/logs?follow=1")));
    clients.push_back(Say(Request("GET /v1/events?follow=1")));
    clients.push_back(Say(Request("GET /v1/metrics")));
  }
  ExpectOthersAreServed();
  // What is produced for them meanwhile is not kept for them.
  const CliResult more = Cli(ShellWords("exit 0", {"--count", "20"}));
  EXPECT_EQ(more.exit_code, 0) << more.err;
  ExpectOthersAreServed();
}

TEST_F(ApiClientTest, WhoSendsHalfARequestIsToldSoAndHoldsNobodyUp) {
  const std::string body = R"({"command":["true"]})";
  const std::string whole =
      Request("POST /v1/sessions", "Content-Length: " + std::to_string(body.size()) + "\r\n") +
      body;
  std::vector<OwnedFd> clients;
  for (size_t size = 0; size < whole.size(); ++size) {
    clients.push_back(Say(std::string_view(whole).substr(0, size)));
  }
  ExpectOthersAreServed();
  EXPECT_EQ(Sessions().size(), 0U);
  const ApiReply late = ReadAnswer(clients.back().get());
  EXPECT_EQ(late.status, 408);
  EXPECT_EQ(late.Json().value("code", ""), "timeout");
  EXPECT_EQ(Sessions().size(), 0U);
}

TEST_F(ApiClientTest, GigabyteThatIsAnnouncedIsRefusedBeforeItComes) {
  const ApiReply reply =
      Ask(Request("POST /v1/sessions", "Content-Length: " + std::to_string(kGigabyte) + "\r\n"));
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.Json().value("code", ""), "too_large");
}

// Sends `piece` until a gigabyte is gone or nobody takes more.
size_t SendGigabyte(int connection, const std::string& piece) {
  size_t sent = 0;
  while (sent < kGigabyte) {
    const ssize_t count = send(connection, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += static_cast<size_t>(count);
  }
  return sent;
}

TEST_F(ApiClientTest, GigabyteThatIsNotAnnouncedIsCutOff) {
  const std::string chunk = "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
  const OwnedFd body = Say(Request("POST /v1/sessions", "Transfer-Encoding: chunked\r\n"));
  EXPECT_LT(SendGigabyte(body.get(), chunk), size_t{8} << 20);
  EXPECT_EQ(ReadAnswer(body.get()).status, 413);
  const OwnedFd header = Say("GET /v1/health HTTP/1.1\r\nX-Long: ");
  EXPECT_LT(SendGigabyte(header.get(), std::string(65536, 'x')), size_t{2} << 20);
  EXPECT_EQ(ReadAnswer(header.get()).status, 431);
  const OwnedFd line = Say("GET /");
  EXPECT_LT(SendGigabyte(line.get(), std::string(65536, 'x')), size_t{2} << 20);
  EXPECT_EQ(ReadAnswer(line.get()).status, 431);
  ExpectOthersAreServed();
}

TEST_F(ApiClientTest, BodiesOfAllTogetherAreBounded) {
  const std::string head = Request("POST /v1/sessions", "Content-Length: 4194304\r\n");
  std::vector<OwnedFd> clients;
  for (int i = 0; i < 30; ++i) clients.push_back(Say(head + std::string(100'000, ' ')));
  const ApiReply refused = Ask(head);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.Json().value("code", ""), "busy");
  ExpectOthersAreServed();
  clients.clear();
  const std::string small = R"({"policy":"extends = [\"default\"]\n"})";
  EXPECT_TRUE(Eventually([&] { return Api("POST", "/v1/policies/check", small).status == 200; }));
}

TEST_F(ApiClientTest, ThousandWhoSayNothingMakeRoomForWhoDoes) {
  std::vector<OwnedFd> clients;
  for (int i = 0; i < kMany; ++i) clients.push_back(ConnectApi());
  ExpectOthersAreServed();
  EXPECT_LE(Look().descriptors, 1024 + 64);
  // Whoever came last is still there.
  SendAll(clients.back().get(), Request("GET /v1/version"));
  EXPECT_EQ(ReadAnswer(clients.back().get()).status, 200);
}

TEST_F(ApiClientTest, ThousandWhoWaitAreTheMost) {
  const std::string id = SpawnShell("sleep 1000");
  std::vector<OwnedFd> clients;
  for (int i = 0; i < kMany; ++i) {
    clients.push_back(Say(Request("GET /v1/sessions/" + id + "/wait")));
  }
  ApiReply refused;
  EXPECT_TRUE(Eventually([&] {
    refused = Api("GET", "/v1/health");
    if (refused.status == 503) return true;
    clients.push_back(Say(Request("GET /v1/sessions/" + id + "/wait")));
    return false;
  }));
  EXPECT_EQ(refused.Json().value("code", ""), "busy");
  clients.resize(100);
  EXPECT_TRUE(Eventually([&] { return Api("GET", "/v1/health").status == 200; }));
  EXPECT_EQ(Api("POST", "/v1/sessions/" + id + "/stop", std::string(R"({"timeout_ms":0})")).status,
            200);
  for (const OwnedFd& client : clients) EXPECT_EQ(ReadAnswer(client.get()).status, 200);
}

TEST_F(ApiClientTest, WhoLeavesWhileItWaitsLeavesNothingBehind) {
  const std::string id = SpawnShell("sleep 1000");
  const Traces before = Look();
  std::vector<OwnedFd> clients;
  for (const char* more : {"", "more than its request", "GET /v1/health HTTP/1.1\r\n\r\n"}) {
    for (const char* headers : {"", "Upgrade: something\r\n"}) {
      for (const char* path : {"/wait", "/logs?follow=1"}) {
        clients.push_back(Say(Request("GET /v1/sessions/" + id + path, headers) + more));
      }
    }
    clients.push_back(Say(Request("GET /v1/events?follow=1") + more));
  }
  ExpectOthersAreServed();
  EXPECT_GE(Look().descriptors, before.descriptors + static_cast<int>(clients.size()));
  clients.clear();
  ExpectTraces(before);
}

TEST_F(ApiClientTest, WhoSendsNoMoreStillGetsTheAnswer) {
  const std::string id = SpawnShell("sleep 1000");
  const OwnedFd client = Say(Request("GET /v1/sessions/" + id + "/wait"));
  ASSERT_EQ(shutdown(client.get(), SHUT_WR), 0);
  ExpectOthersAreServed();
  EXPECT_EQ(Cli({"kill", "-s", "KILL", id}).exit_code, 0);
  EXPECT_EQ(ReadAnswer(client.get()).status, 200);
}

TEST_F(ApiClientTest, StoppedMonitorHoldsUpItsOwnClientsOnly) {
  const std::string stopped = SpawnShell("sleep 1000");
  const std::string other = SpawnShell("sleep 1000");
  const pid_t monitor = PidOf(stopped, "monitor");
  ASSERT_EQ(kill(monitor, SIGSTOP), 0);
  const std::string upgrade =
      "Connection: Upgrade\r\nUpgrade: sessionctl-stream\r\nContent-Length: 2\r\n";
  const auto attach = [&](const std::string& id) {
    return Say(Request("POST /v1/sessions/" + id + "/attach", upgrade) + "{}");
  };
  const OwnedFd waits = attach(stopped);
  const ApiReply check =
      Api("POST", "/v1/policies/check", std::string(R"({"policy":"extends = [\"default\"]\n"})"));
  EXPECT_EQ(check.status, 200);
  EXPECT_EQ(ReadAnswer(attach(other).get()).status, 101);
  EXPECT_EQ(Cli({"exec", other, "sh", "-c", "exit 9"}).exit_code, 9);
  ASSERT_EQ(kill(monitor, SIGCONT), 0);
  EXPECT_EQ(ReadAnswer(waits.get()).status, 101);
}

struct Unknown {
  const char* bytes;
  int status;
  const char* code;
};

TEST_F(ApiClientTest, WhatIsNoRequestOfOursIsRefusedByName) {
  const std::vector<Unknown> table = {
      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_version"},
      {"GET /v2/sessions HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_version"},
      {"GET /V1/sessions HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_version"},
      {"GET http://sessiond/v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_version"},
      {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_version"},
      {"GET /v1/ HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_route"},
      {"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_route"},
      {"GET /v1/sessions/ HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_route"},
      {"GET /v1/sessions/a/b/c HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_route"},
      {"GET /v1//health HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_route"},
      {"GET /v1/../v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no_route"},
      {"GET /v1/sessions/..%2f..%2fetc HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not_found"},
      {"GET /v1/sessions/%00 HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not_found"},
      {"GET /v1/sessions/%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not_found"},
      {"PUT /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n", 405, "no_method"},
      {"DELETE /v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 405, "no_method"},
      {"PATCH /v1/sessions/x HTTP/1.1\r\nHost: x\r\n\r\n", 405, "no_method"},
      {"HEAD /v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 405, "no_method"},
      {"get /v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 405, "no_method"},
      {"GET /v1/health HTTP/1.0\r\nHost: x\r\n\r\n", 505, "http_version"},
      {"GET /v1/health HTTP/2.0\r\nHost: x\r\n\r\n", 400, "malformed"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed"},
      {"\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03", 400, "malformed"},
      {"\r\n\r\n\r\n\r\n", 400, "malformed"},
      {"GET /v1/health\r\n\r\n", 400, "malformed"},
      {"GET /v1/health HTTP/1.1\r\n: x\r\n\r\n", 400, "malformed"},
      {"GET /v1/health HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "malformed"},
      {"GET /v1/health HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "malformed"},
      {"POST /v1/prune HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, "malformed"},
      {"POST /v1/prune HTTP/1.1\r\nExpect: miracles\r\n\r\n", 417, "expectation"},
      {"GET /v1/health?x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid"},
      {"GET /v1/health?=x&&& HTTP/1.1\r\nHost: x\r\n\r\n", 200, ""},
      {"GET /v1/events?follow=0&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid"}};
  for (const Unknown& each : table) {
    const ApiReply reply = Ask(each.bytes);
    EXPECT_EQ(reply.status, each.status) << each.bytes << reply.body;
    if (each.status == 200) continue;
    EXPECT_EQ(reply.content_type, "application/problem+json") << each.bytes;
    EXPECT_EQ(reply.Json().value("code", ""), each.code) << each.bytes << reply.body;
    EXPECT_EQ(reply.Json().value("status", 0), each.status) << each.bytes;
  }
  ExpectOthersAreServed();
}

}  // namespace
}  // namespace sessionctl
