// A session's life through the control socket: every verb, and what is said of each end.
#include <signal.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/integration/sessiond_fixture.h"

namespace sessionctl {
namespace {

using nlohmann::json;

class SessiondLife : public SessiondTest {
 protected:
  void SetUp() override {
    SessiondTest::SetUp();
    StartSessiond();
  }
};

TEST_F(SessiondLife, SessionIsListedInspectedAwaitedAndDeleted) {
  const Traces before = Look();
  const std::string id = SpawnShell("echo out; while ! [ -e go ]; do sleep 0.05; done; exit 9",
                                    {"--name", "life", "--label", "team=a"});
  EXPECT_EQ(StateOf(id), "running");
  EXPECT_EQ(Session("life").value("id", ""), id);
  EXPECT_EQ(Sessions("?label=team%3Da").size(), 1U);
  EXPECT_EQ(Sessions("?label=team%3Db").size(), 0U);
  EXPECT_EQ(Sessions("?state=ended").size(), 0U);
  EXPECT_EQ(Api("GET", "/v1/sessions/" + id + "/wait?timeout_ms=50").status, 504);
  EXPECT_EQ(Api("DELETE", "/v1/sessions/" + id).status, 409) << "it runs";
  std::ofstream(mount_ + "/go") << "";
  const ApiReply ended = Api("GET", "/v1/sessions/" + id + "/wait");
  EXPECT_EQ(ended.status, 200);
  EXPECT_EQ(At(ended.Json(), "/exit/code"), 9);
  EXPECT_EQ(ReasonOf(id), "exited");
  EXPECT_EQ(Api("GET", "/v1/sessions/" + id + "/logs").body, "out\n");
  EXPECT_EQ(Api("DELETE", "/v1/sessions/" + id).status, 204);
  EXPECT_EQ(Api("GET", "/v1/sessions/" + id).status, 404);
  EXPECT_EQ(EventTypes(id), (std::vector<std::string>{"session.starting", "session.started",
                                                      "session.ended", "session.removed"}));
  ExpectTraces(before);
}

TEST_F(SessiondLife, InspectTellsWhatWasUsed) {
  const std::string id = SpawnShell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; (: > a)");
  ASSERT_EQ(Api("GET", "/v1/sessions/" + id + "/wait").status, 200);
  const json record = Session(id);
  EXPECT_GT(At(record, "/usage/cpu_user_us"), 0) << record.dump(1);
  EXPECT_GT(At(record, "/usage/peak_memory_bytes"), 100'000) << record.dump(1);
  EXPECT_GT(At(record, "/mediated_calls"), 0);
  EXPECT_LE(At(record, "/created"), At(record, "/started"));
  EXPECT_LE(At(record, "/started"), At(record, "/ended"));
}

// The stop signal first; whoever listens ends in his own way.
TEST_F(SessiondLife, StopIsPoliteAndKillIsASignal) {
  const std::string polite =
      SpawnShell("trap 'exit 21' TERM; : > ready; while :; do sleep 0.05; done");
  ASSERT_TRUE(Appears("ready"));
  const ApiReply stopped = Api("POST", "/v1/sessions/" + polite + "/stop");
  EXPECT_EQ(stopped.status, 200);
  EXPECT_EQ(At(stopped.Json(), "/exit/code"), 21);
  EXPECT_EQ(At(stopped.Json(), "/exit/reason"), "stopped") << "it ended because it was asked to";
  const std::string plain = SpawnShell("exec sleep 1000");
  EXPECT_EQ(Cli({"stop", plain}).exit_code, 0);
  EXPECT_EQ(At(Session(plain), "/exit/signal"), SIGTERM);
  EXPECT_EQ(ReasonOf(plain), "stopped");
  const std::string killed = SpawnShell("exec sleep 1000");
  EXPECT_EQ(Cli({"kill", killed}).exit_code, 0);
  EXPECT_EQ(Cli({"wait", killed}).out, "143\n");
  EXPECT_EQ(ReasonOf(killed), "signal") << "nobody stopped it";
}

TEST_F(SessiondLife, StopKillsTheWholeTreeAfterItsGrace) {
  const Traces before = Look();
  const std::string id = SpawnShell(
      "trap '' TERM; setsid sh -c 'trap \"\" TERM; : > daemon; while :; do sleep 1; done' & "
      "while :; do sleep 1; done");
  ASSERT_TRUE(Appears("daemon"));
  const ApiReply stopped = Api("POST", "/v1/sessions/" + id + "/stop", json({{"timeout_ms", 200}}));
  EXPECT_EQ(stopped.status, 200);
  EXPECT_EQ(At(stopped.Json(), "/exit/reason"), "stopped");
  EXPECT_EQ(At(stopped.Json(), "/exit/signal"), SIGKILL);
  EXPECT_EQ(Cli({"prune"}).out, id + "\n");
  ExpectTraces(before);
}

// A second, shorter stop makes the first one shorter.
TEST_F(SessiondLife, LaterStopShortensTheGrace) {
  const std::string id = SpawnShell("trap '' TERM; : > ready; while :; do sleep 0.1; done");
  ASSERT_TRUE(Appears("ready"));
  EXPECT_EQ(Api("POST", "/v1/sessions/" + id + "/stop",
                json({{"timeout_ms", 3'600'000}, {"wait", false}}))
                .status,
            202);
  EXPECT_EQ(Cli({"stop", "-t", "0", id}).exit_code, 0);
  EXPECT_EQ(ReasonOf(id), "stopped");
}

TEST_F(SessiondLife, EachEndHasItsReason) {
  const std::string signalled = SpawnShell("kill -9 $$");
  const std::string timed = SpawnShell("sleep 1000", {"--timeout", "1s"});
  const std::string lost = SpawnShell("exec sleep 1000");
  ASSERT_EQ(kill(PidOf(lost, "broker"), SIGKILL), 0);
  EXPECT_EQ(Cli({"wait", signalled, timed, lost}).out, "137\n124\n125\n");
  EXPECT_EQ(ReasonOf(signalled), "signal");
  EXPECT_EQ(At(Session(signalled), "/exit/signal"), SIGKILL);
  EXPECT_EQ(ReasonOf(timed), "wall_time");
  EXPECT_EQ(ReasonOf(lost), "broker lost");
  EXPECT_EQ(StateOf(lost), "lost");
  const CliResult missing = Cli({"spawn", "--json", "--", "no-such-command"});
  EXPECT_EQ(missing.exit_code, 127);
  const json failed = json::parse(missing.out, nullptr, false);
  EXPECT_EQ(ReasonOf(failed["id"]).find("start failed: "), 0U) << ReasonOf(failed["id"]);
  EXPECT_EQ(StateOf(failed["id"]), "failed");
}

TEST_F(SessiondLife, RestartStopsAndStartsTheSame) {
  const std::string first = SpawnShell("echo $$ >> pids; exec sleep 1000", {"--name", "again"});
  ASSERT_TRUE(Appears("pids"));
  const ApiReply reply = Api("POST", "/v1/sessions/" + first + "/restart");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::string second = At(reply.Json(), "/id");
  EXPECT_NE(first, second);
  EXPECT_EQ(At(reply.Json(), "/exit_code"), 0);
  EXPECT_EQ(StateOf(first), "exited");
  EXPECT_EQ(ReasonOf(first), "stopped");
  EXPECT_EQ(StateOf(second), "running");
  EXPECT_EQ(At(Session(second), "/name"), "again");
  EXPECT_TRUE(Eventually([&] { return LinesOf(ReadWholeFile(mount_ + "/pids")).size() == 2; }));
}

TEST_F(SessiondLife, AttachAndExecReachTheSession) {
  const std::string id = SpawnShell("read line; echo got $line; exit 5", {"-i"});
  EXPECT_EQ(Cli({"exec", id, "sh", "-c", "echo inside; exit 7"}).exit_code, 7);
  const CliResult attached = Cli({"attach", id}, "hello\n");
  EXPECT_EQ(attached.exit_code, 5) << attached.err;
  EXPECT_EQ(attached.out, "got hello\n");
  EXPECT_EQ(Api("POST", "/v1/sessions/" + id + "/exec", json({{"command", {"true"}}})).status, 426)
      << "without an upgrade";
}

// Many lives leave nothing: neither descriptors of sessiond nor processes nor directories.
TEST_F(SessiondLife, ManyLivesLeaveNothing) {
  Cli({"wait", SpawnShell("true")});
  Cli({"prune"});
  const Traces before = Look();
  const CliResult spawned = Cli({"spawn", "--count", "40", "--", "true"});
  EXPECT_EQ(spawned.exit_code, 0) << spawned.err;
  const std::vector<std::string> ids = LinesOf(spawned.out);
  std::vector<std::string> wait = {"wait"};
  wait.insert(wait.end(), ids.begin(), ids.end());
  EXPECT_EQ(Cli(wait).exit_code, 0);
  EXPECT_EQ(LinesOf(Cli({"prune"}).out).size(), 40U);
  ExpectTraces(before);
}

}  // namespace
}  // namespace sessionctl
