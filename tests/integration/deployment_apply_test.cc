// Deployments: applied, applied again, changed, scaled, taken down.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/deployment_fixture.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class DeploymentApply : public DeploymentTest {};

constexpr char kSleep[] = "exec sleep 1000";

TEST_F(DeploymentApply, AppliedAgainChangesNothing) {
  const std::string file = WriteDeployment(Head() + ShellSession("a", kSleep, "replicas = 3\n"));
  const CliResult first = Up(file);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_NE(first.out.find("+ start"), std::string::npos) << first.out;
  const auto ids = Places("id");
  EXPECT_EQ(ids.size(), 3U);
  EXPECT_EQ(Sessions("?deployment=d").size(), 3U);
  const CliResult second = Up(file);
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_NE(second.out.find("nothing to do"), std::string::npos) << second.out;
  EXPECT_EQ(Places("id"), ids);
  EXPECT_EQ(Sessions("?deployment=d").size(), 3U);
  EXPECT_EQ(Deployment().value("version", 0), 2);
}

TEST_F(DeploymentApply, ChangeOfOneSessionReplacesThatOneOnly) {
  const auto text = [&](const std::string& of_b) {
    return Head() + ShellSession("a", kSleep, "replicas = 2\n") + ShellSession("b", of_b) +
           ShellSession("c", kSleep);
  };
  ASSERT_EQ(Up(WriteDeployment(text(kSleep))).exit_code, 0);
  const auto before = Places("id");
  const CliResult up = Up(WriteDeployment(text("exec sleep 1001")));
  ASSERT_EQ(up.exit_code, 0) << up.err;
  EXPECT_NE(up.out.find("~ replace"), std::string::npos) << up.out;
  EXPECT_NE(up.out.find("command"), std::string::npos) << up.out;
  auto after = Places("id");
  EXPECT_NE(after["b.1"], before.at("b.1"));
  after["b.1"] = before.at("b.1");
  EXPECT_EQ(after, before);
  EXPECT_EQ(Living(), (std::map<std::string, int>{{"a.1", 1}, {"a.2", 1}, {"b.1", 1}, {"c.1", 1}}));
  EXPECT_EQ(StateOf(before.at("b.1")), "exited");  // what it left can still be looked at
}

TEST_F(DeploymentApply, ChangeForTheSupervisorAloneReplacesNothing) {
  ASSERT_EQ(Up(WriteDeployment(Head() + ShellSession("a", kSleep))).exit_code, 0);
  const auto before = Places("id");
  const CliResult up =
      Up(WriteDeployment(Head() + ShellSession("a", kSleep, "restart = \"always\"\n")));
  EXPECT_NE(up.out.find("~ update"), std::string::npos) << up.out;
  EXPECT_EQ(Places("id"), before);
}

TEST_F(DeploymentApply, ScalesUpAndDown) {
  ASSERT_EQ(Up(WriteDeployment(Head() + ShellSession("a", kSleep, "replicas = 2\n") +
                               ShellSession("b", kSleep)))
                .exit_code,
            0);
  const auto two = Places("id");
  const CliResult dry = Cli({"scale", "--dry-run", "a=4"});
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
  EXPECT_EQ(Places("id"), two);
  const CliResult up = Cli({"scale", "a=4"});
  ASSERT_EQ(up.exit_code, 0) << up.err;
  const auto four = Places("id");
  EXPECT_EQ(four.size(), 5U);
  for (const auto& [place, id] : two) EXPECT_EQ(four.at(place), id);
  ASSERT_EQ(Cli({"scale", "d/a=1", "d/b=0"}).exit_code, 0);
  EXPECT_TRUE(Eventually([&] {
    return Places("id") == std::map<std::string, std::string>{{"a.1", two.at("a.1")}} &&
           Sessions("?deployment=d").size() == 1;
  }));
  // What was stopped by scaling down is started by scaling up, though it was asked to stop.
  ASSERT_EQ(Cli({"scale", "a=2"}).exit_code, 0);
  EXPECT_EQ(Place("a.2", "state"), "running");
  EXPECT_EQ(Cli({"scale", "nosuch=2"}).exit_code, 1);
  EXPECT_EQ(Cli({"scale", "a=-1"}).exit_code, 2);
  EXPECT_EQ(Cli({"scale", "a=20000"}).exit_code, 1);
}

TEST_F(DeploymentApply, DryRunChangesNothing) {
  const std::string file = WriteDeployment(Head() + ShellSession("a", kSleep));
  const Traces before = Look();
  const CliResult dry = Up(file, {"--dry-run"});
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
  EXPECT_NE(dry.out.find("+ start"), std::string::npos) << dry.out;
  EXPECT_EQ(Api("GET", "/v1/deployments/d").status, 404);
  ExpectTraces(before);
  ASSERT_EQ(Up(file).exit_code, 0);
  const json applied = Deployment();
  const CliResult changed =
      Up(WriteDeployment(Head() + ShellSession("a", "exec sleep 7") + ShellSession("b", kSleep)),
         {"--dry-run", "--json"});
  const json plan = json::parse(changed.out, nullptr, false);
  EXPECT_EQ(At(plan, "/plan/0/action"), "replace");
  EXPECT_EQ(At(plan, "/plan/1/action"), "start");
  EXPECT_EQ(Deployment(), applied);
}

TEST_F(DeploymentApply, DownLeavesNothing) {
  const Traces before = Look();
  ASSERT_EQ(Up(WriteDeployment(Head() + ShellSession("a", kSleep, "replicas = 3\n") +
                               ShellSession("done", "exit 0") +
                               ShellSession("deaf", "trap '' TERM; while :; do sleep 1; done",
                                            "stop_timeout = \"200ms\"\n")))
                .exit_code,
            0);
  const CliResult down = Cli({"down", "d"});
  ASSERT_EQ(down.exit_code, 0) << down.err;
  EXPECT_EQ(Api("GET", "/v1/deployments/d").status, 404);
  EXPECT_EQ(Sessions().size(), 0U);
  EXPECT_TRUE(fs::is_empty(StateDirectory() + "/deployments"));
  std::set<std::string> names = before.names;
  Traces expected = before;
  expected.names.insert("deployments");
  Traces now = Look();
  EXPECT_EQ(now.names, expected.names);
  EXPECT_EQ(Cli({"down", "d"}).exit_code, 1);
}

struct BadFile {
  const char* text;
  const char* message;  // all of it that matters
};

TEST_F(DeploymentApply, BadFilesAreRefusedByLineAndKey) {
  const std::vector<BadFile> files = {
      {"version = 1\n[deployment]\nname = \"d\"\n[[session]]\nname = \"a\"\n",
       "bad.toml:4:1: session.command"},
      {"[deployment]\nname = \"d\"\n[[session]]\nname = \"a\"\ncommand = [\"x\"]\nreplica = 3\n",
       "bad.toml:6:1: session.replica"},
      {"[deployment]\nname = \"d\"\n[[session]]\nname = \"a\"\ncommand = [\"x\"]\nrestart = "
       "\"sometimes\"\n",
       "bad.toml:6:11: session.restart"},
      {"[deployment]\nname = \"d/e\"\n[[session]]\nname = \"a\"\ncommand = [\"x\"]\n",
       "bad.toml:2:8: deployment.name"},
      {"[[mount]]\nhost = \"/srv\"\n", "there is no [deployment] in it"},
      {"[deployment\n", "bad.toml:1:"}};
  for (const BadFile& file : files) {
    const CliResult up = Up(WriteDeployment(file.text, "bad.toml"));
    EXPECT_EQ(up.exit_code, 1) << file.text;
    EXPECT_NE(up.err.find(file.message), std::string::npos) << up.err;
    const ApiReply reply = Api("POST", "/v1/deployments", json{{"deployment", file.text}});
    EXPECT_EQ(reply.status, 400) << file.text;
    EXPECT_EQ(reply.Json().value("field", ""), "deployment");
    EXPECT_EQ(reply.Json().value("code", ""), "policy");
  }
  EXPECT_EQ(Api("GET", "/v1/deployments").Json().size(), 0U);
  EXPECT_EQ(Sessions().size(), 0U);
  // Sound as a file, but no session could ever be started with it.
  const CliResult up = Up(WriteDeployment(Head() + "[[mount]]\nhost = \"/etc/{nothing}\"\n" +
                                          ShellSession("a", kSleep)));
  EXPECT_EQ(up.exit_code, 1);
  EXPECT_NE(up.err.find("{nothing}"), std::string::npos) << up.err;
}

TEST_F(DeploymentApply, RequestsAreChecked) {
  const std::string sound = Head() + ShellSession("a", kSleep);
  const auto field = [&](const std::string& path, const json& body) {
    const ApiReply reply = Api("POST", path, body);
    EXPECT_EQ(reply.status, 400) << body;
    return reply.Json().value("field", "none");
  };
  EXPECT_EQ(field("/v1/deployments", {{"deployment", sound}, {"dry", true}}), "dry");
  EXPECT_EQ(field("/v1/deployments", {{"deployment", sound}, {"dry_run", 1}}), "dry_run");
  EXPECT_EQ(field("/v1/deployments", {{"deployment", sound}, {"environment", {{"A", 1}}}}),
            "environment.A");
  EXPECT_EQ(field("/v1/deployments", json::object()), "deployment");
  ASSERT_EQ(Api("POST", "/v1/deployments", json{{"deployment", sound}}).status, 200);
  EXPECT_EQ(field("/v1/deployments/d/scale", {{"replicas", {{"a", -1}}}}), "replicas.a");
  EXPECT_EQ(field("/v1/deployments/d/scale", json::object()), "replicas");
  EXPECT_EQ(Api("POST", "/v1/deployments/e/scale", json{{"replicas", {{"a", 1}}}}).status, 404);
  EXPECT_EQ(Api("DELETE", "/v1/deployments/e").status, 404);
  EXPECT_EQ(Api("PUT", "/v1/deployments/d").status, 405);
}

TEST_F(DeploymentApply, EachSessionHasItsOwnIdentity) {
  const std::string text =
      Head() + "[audit]\nlevel = \"all\"\n" +
      ShellSession("a",
                   "echo $ID > private/$ID/own; echo x > /etc/nothing.$ID; echo $ID $REPLICA $IN "
                   "> by.$REPLICA; exec sleep 1000",
                   "replicas = 3\nlabels = { tier = \"own\", kind = \"session\" }\nenvironment = "
                   "{ ID = \"{session}\", REPLICA = \"{replica}\", IN = \"{deployment}\" }\n"
                   "[[session.mount]]\nhost = \"MOUNT/private/{session}\"\ncreate = true\n");
  const std::string labelled = "labels = { tier = \"file\", fleet = \"f\" }\n";
  std::string file = text;
  file.insert(file.find("[process]"), labelled);
  fs::create_directory(mount_ + "/private");
  const CliResult up = Up(WriteDeployment(file));
  ASSERT_EQ(up.exit_code, 0) << up.err;
  for (const auto& [place, id] : Places("id")) {
    const std::string replica = place.substr(2);
    ASSERT_TRUE(Appears("by." + replica));
    ASSERT_TRUE(Eventually([&] { return !Mounted("by." + replica).empty(); }));
    EXPECT_EQ(Mounted("by." + replica), id + " " + replica + " d\n");
    EXPECT_EQ(Mounted("private/" + id + "/own"), id + "\n");
    const json record = Session(id);
    EXPECT_EQ(record.value("name", ""), "d.a." + replica);
    EXPECT_EQ(record.at("labels"), (json{{"tier", "own"}, {"fleet", "f"}, {"kind", "session"}}));
    const std::string audit = Cli({"logs", "--audit", "d.a." + replica}).out;
    ASSERT_FALSE(audit.empty());
    for (const std::string& line : LinesOf(audit)) {
      EXPECT_EQ(json::parse(line, nullptr, false).value("session", ""), id) << line;
    }
    EXPECT_NE(audit.find("/etc/nothing." + id), std::string::npos) << audit;
  }
  EXPECT_EQ(Sessions("?label=fleet%3Df").size(), 3U);
}

TEST_F(DeploymentApply, StopSignalAndTimeoutAreTheSessions) {
  ASSERT_EQ(Up(WriteDeployment(
                   Head() +
                   ShellSession("polite",
                                "trap 'echo usr1 > polite; exit 0' USR1; trap '' TERM; "
                                "echo > polite.up; while :; do sleep 0.02; done",
                                "stop_signal = \"USR1\"\n") +
                   ShellSession("deaf", "trap '' TERM; echo > deaf.up; while :; do sleep 1; done",
                                "stop_timeout = \"100ms\"\n")))
                .exit_code,
            0);
  ASSERT_TRUE(Appears("polite.up") && Appears("deaf.up"));
  EXPECT_EQ(Cli({"down", "d"}).exit_code, 0);
  EXPECT_EQ(Mounted("polite"), "usr1\n");
}

TEST_F(DeploymentApply, StandardInputIsOpenWhereTheFileSaysSo) {
  const std::string script = "read line; echo got:$line";
  ASSERT_EQ(Up(WriteDeployment(Head() + ShellSession("closed", script) +
                               ShellSession("open", script, "stdin = true\n")))
                .exit_code,
            0);
  EXPECT_TRUE(Becomes("closed.1", "completed"));
  EXPECT_EQ(Place("open.1", "state"), "running");
  EXPECT_EQ(Cli({"attach", "d.open.1"}, "hello\n").out, "got:hello\n");
  EXPECT_TRUE(Becomes("open.1", "completed"));
}

TEST_F(DeploymentApply, WaitsUntilSessionsAreReady) {
  const std::string text =
      Head() +
      ShellSession("file",
                   "while ! [ -e go ]; do sleep 0.02; done; echo > ready.$ID; exec sleep 1000",
                   "environment = { ID = \"{session}\" }\nready = { file = "
                   "\"MOUNT/ready.{session}\" }\n") +
      ShellSession(
          "line",
          "while ! [ -e go ]; do sleep 0.02; done; echo 'is listening now'; exec sleep 1000",
          "ready = { output = \"listening\" }\n") +
      ShellSession(
          "link", "while ! [ -e go ]; do sleep 0.02; done; ln -s /etc/passwd link; exec sleep 1000",
          "ready = { file = \"MOUNT/link\" }\n");
  const CliResult up = Up(WriteDeployment(text), {"--no-wait"});
  ASSERT_EQ(up.exit_code, 0) << up.err;
  for (const char* place : {"file.1", "line.1", "link.1"}) EXPECT_TRUE(Becomes(place, "starting"));
  std::ofstream(mount_ + "/go") << "";
  EXPECT_TRUE(Becomes("file.1", "running"));
  EXPECT_TRUE(Becomes("line.1", "running"));
  // What the session planted leads out of its mount: that is no readiness.
  ASSERT_TRUE(Eventually([&] { return fs::is_symlink(mount_ + "/link"); }));
  EXPECT_EQ(Place("link.1", "state"), "starting");
  // It is remembered: a new supervisor does not begin to wait again.
  fs::remove(mount_ + "/ready." + Place("file.1", "id"));
  KillSessiond();
  StartSessiond();
  EXPECT_EQ(Place("file.1", "state"), "running");
}

TEST_F(DeploymentApply, RefusesMoreThanThereIsRoomFor) {
  StopSessiond();
  StartSessiond({"--max-sessions", "3"});
  const std::string file = WriteDeployment(Head() + ShellSession("a", kSleep, "replicas = 4\n"));
  const CliResult refused = Up(file);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("configured maximum"), std::string::npos) << refused.err;
  EXPECT_EQ(Api("GET", "/v1/deployments").Json().size(), 0U);
  ASSERT_EQ(Up(WriteDeployment(Head() + ShellSession("a", kSleep, "replicas = 3\n"))).exit_code, 0);
  EXPECT_EQ(Cli({"scale", "a=4"}).exit_code, 1);
  EXPECT_EQ(Places("id").size(), 3U);
}

TEST_F(DeploymentApply, ListsShowPlacesAndWhatTheyUse) {
  ASSERT_EQ(Up(WriteDeployment(Head() + ShellSession("busy", "while :; do echo x > f; done", "") +
                               ShellSession("done", "exit 0")))
                .exit_code,
            0);
  ASSERT_TRUE(Becomes("done.1", "completed"));
  const std::string places = Cli({"ps", "--deployment", "d"}).out;
  EXPECT_NE(places.find("busy"), std::string::npos) << places;
  EXPECT_NE(places.find("completed"), std::string::npos) << places;
  const std::string deployments = Cli({"ps", "--deployments"}).out;
  EXPECT_NE(deployments.find("d  "), std::string::npos) << deployments;
  json usage;
  ASSERT_TRUE(Eventually([&] {
    usage = json::parse(Cli({"top", "--json", "--deployment", "d"}).out, nullptr, false);
    return usage.size() == 1 && usage[0].value("mediated_calls", 0) > 50 &&
           usage[0].value("cpu_us", 0) > 0;  // which is counted in ticks of 10 ms
  })) << usage;
  EXPECT_GT(usage[0].value("memory_bytes", 0), 0);
  EXPECT_EQ(usage[0].value("denials", 1), 0);
  const std::string once = Cli({"top", "--once"}).out;
  EXPECT_NE(once.find("d.busy.1"), std::string::npos) << once;
  // A broker that is killed does not take its counts along.
  const std::string id = Place("busy.1", "id");
  ASSERT_EQ(kill(PidOf(id, "broker"), SIGKILL), 0);
  ASSERT_TRUE(Becomes("busy.1", "failed"));
  EXPECT_GT(Session(id).value("mediated_calls", 0), 50);
}

}  // namespace
}  // namespace sessionctl
