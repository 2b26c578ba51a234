#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/deployment_keys.h"
#include "policy/deployment_policy.h"
#include "policy/policy_parser.h"

namespace sessionctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

Deployment ParseText(const std::string& text) {
  absl::StatusOr<Deployment> deployment = ParseDeployment(text, "d.toml");
  EXPECT_TRUE(deployment.ok()) << deployment.status() << "\n" << text;
  return deployment.ok() ? *deployment : Deployment();
}

constexpr const char* kFullDeployment = R"(version = 1

[deployment]
name = "lab"
labels = { team = "a" }

[environment]
set = { MODE = "base" }

[limits]
memory = "1G"

[[mount]]
host = "/srv/shared"

[[session]]
name = "python"
command = ["python3", "-u", "-u", "job.py"]
replicas = 150
restart = "on-failure"
restart_delay = "500ms"
restart_delay_max = "30s"
restart_limit = 5
healthy_after = "20s"
environment = { REPLICA = "{replica} of {deployment}", MODE = "own" }
stdin = true
labels = { tier = "x" }
start_timeout = "15s"
ready = { file = "/srv/shared/{session}/ready" }
stop_signal = "int"
stop_timeout = "3s"
limits = { memory = "256M", grace = "10s" }

[[session.mount]]
host = "/srv/private/{session}-{replica}"
create = true

[[session]]
name = "watch"
command = ["true"]
ready = { output = "listening" }
)";

// The errors: what is added to a sound file, and the message.
struct ErrorCase {
  const char* name;
  const char* text;  // in place of the whole file, from its second line on
  const char* message;
};

std::string OneSession(const std::string& entries) {
  return absl::StrCat("[deployment]\nname = \"d\"\n[[session]]\n", entries);
}

class DeploymentErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(DeploymentErrors, NamesLineColumnAndKey) {
  const absl::Status status = ParseDeployment(GetParam().text, "d.toml").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), GetParam().message);
  // What reads the policy alone checks the same.
  EXPECT_EQ(ParsePolicy(GetParam().text, "d.toml").status(), status);
}

#define HEAD "[deployment]\nname = \"d\"\n[[session]]\n"
#define SOUND "name = \"a\"\ncommand = [\"true\"]\n"

INSTANTIATE_TEST_SUITE_P(
    All, DeploymentErrors,
    ::testing::Values(
        ErrorCase{"DeploymentNoTable", "deployment = 1\n",
                  "d.toml:1:14: deployment: expected a table, written [deployment]"},
        ErrorCase{"DeploymentUnknownKey", "[deployment]\nname = \"d\"\nnmae = \"d\"\n",
                  "d.toml:3:1: deployment.nmae: unknown key; there are name, labels"},
        ErrorCase{"DeploymentWithoutName", "[deployment]\n",
                  "d.toml:1:1: deployment.name: is missing"},
        ErrorCase{"DeploymentNameEmpty", "[deployment]\nname = \"\"\n",
                  "d.toml:2:8: deployment.name: \"\": is empty"},
        ErrorCase{"DeploymentNameOdd", "[deployment]\nname = \"../x\"\n",
                  "d.toml:2:8: deployment.name: \"../x\": is no name: letters, digits, and from "
                  "the second on also _ and -"},
        ErrorCase{"DeploymentWithoutSessions", "[deployment]\nname = \"d\"\n",
                  "d.toml:1:1: deployment: has no [[session]]"},
        ErrorCase{"SessionWithoutDeployment", "[[session]]\n" SOUND,
                  "d.toml:1:1: session: needs a [deployment] with a name"},
        ErrorCase{"SessionNoList", "[session]\n",
                  "d.toml:1:1: session: expected a list of tables, written [[session]]"},
        ErrorCase{"SessionNoTable", "session = [1]\n",
                  "d.toml:1:12: session: expected a table, written [[session]]"},
        ErrorCase{"SessionWithoutName", HEAD "command = [\"true\"]\n",
                  "d.toml:3:1: session.name: is missing"},
        ErrorCase{"SessionWithoutCommand", HEAD "name = \"a\"\n",
                  "d.toml:3:1: session.command: is missing"},
        ErrorCase{"SessionNameOdd", HEAD "name = \"a b\"\ncommand = [\"true\"]\n",
                  "d.toml:4:8: session.name: \"a b\": is no name: letters, digits, and from the "
                  "second on also _ and -"},
        ErrorCase{"CommandEmpty", HEAD "name = \"a\"\ncommand = []\n",
                  "d.toml:5:11: session.command: names no program"},
        ErrorCase{"CommandNoProgram", HEAD "name = \"a\"\ncommand = [\"\", \"x\"]\n",
                  "d.toml:5:11: session.command: names no program"},
        ErrorCase{"CommandNoList", HEAD "name = \"a\"\ncommand = \"true\"\n",
                  "d.toml:5:11: session.command: expected a list of strings, found a string"},
        ErrorCase{"SameNameTwice", HEAD SOUND "[[session]]\n" SOUND,
                  "d.toml:7:8: session.name: there is another session \"a\""},
        ErrorCase{"ReplicasBelow", HEAD SOUND "replicas = -1\n",
                  "d.toml:6:12: session.replicas: -1 is not between 0 and 10000"},
        ErrorCase{"ReplicasAbove", HEAD SOUND "replicas = 10001\n",
                  "d.toml:6:12: session.replicas: 10001 is not between 0 and 10000"},
        ErrorCase{"ReplicasInAll",
                  HEAD SOUND "replicas = 10000\n[[session]]\nname = \"b\"\ncommand = [\"true\"]\n",
                  "d.toml:3:1: session.replicas: 10001 sessions in all are more than 10000"},
        ErrorCase{"RestartUnknown", HEAD SOUND "restart = \"sometimes\"\n",
                  "d.toml:6:11: session.restart: \"sometimes\" is not one of never, on-failure, "
                  "always"},
        ErrorCase{"DelayNoTime", HEAD SOUND "restart_delay = \"0s\"\n",
                  "d.toml:6:17: session.restart_delay: \"0s\": is no time at all"},
        ErrorCase{"DelayAboveMaximum", HEAD SOUND "restart_delay = \"2m\"\n",
                  "d.toml:3:1: session.restart_delay: is longer than restart_delay_max"},
        ErrorCase{"RestartLimitBelow", HEAD SOUND "restart_limit = -1\n",
                  "d.toml:6:17: session.restart_limit: -1 is not between 0 and 1000000"},
        ErrorCase{"EnvironmentName", HEAD SOUND "environment = { \"A=B\" = \"x\" }\n",
                  "d.toml:6:17: session.environment.A=B: has an = in its name"},
        ErrorCase{"EnvironmentValue", HEAD SOUND "environment = { A = 1 }\n",
                  "d.toml:6:21: session.environment.A: expected a string, found an integer"},
        ErrorCase{"LabelEmpty", HEAD SOUND "labels = { \"\" = \"x\" }\n",
                  "d.toml:6:12: session.labels.\"\": is empty"},
        ErrorCase{"StdinNoBoolean", HEAD SOUND "stdin = \"yes\"\n",
                  "d.toml:6:9: session.stdin: expected a boolean, found a string"},
        ErrorCase{"StopSignalUnknown", HEAD SOUND "stop_signal = \"STOPP\"\n",
                  "d.toml:6:15: session.stop_signal: \"STOPP\": is no signal, as \"TERM\" or "
                  "\"INT\""},
        ErrorCase{"ReadyNoTable", HEAD SOUND "ready = true\n",
                  "d.toml:6:9: session.ready: expected a table, written [session.ready]"},
        ErrorCase{"ReadyEmpty", HEAD SOUND "ready = {}\n",
                  "d.toml:6:9: session.ready: give one of file, output"},
        ErrorCase{"ReadyTwo", HEAD SOUND "ready = { file = \"/a\", output = \"x\" }\n",
                  "d.toml:6:9: session.ready: give one of file, output"},
        ErrorCase{"ReadyFileRelative", HEAD SOUND "ready = { file = \"a\" }\n",
                  "d.toml:6:18: session.ready.file: \"a\": is not an absolute path"},
        ErrorCase{"ReadyOutputEmpty", HEAD SOUND "ready = { output = \"\" }\n",
                  "d.toml:6:20: session.ready.output: \"\": is empty"},
        ErrorCase{"ReadyUnknownKey", HEAD SOUND "ready = { port = 1 }\n",
                  "d.toml:6:11: session.ready.port: unknown key; there are file, output"},
        ErrorCase{"LimitsNoTable", HEAD SOUND "limits = 1\n",
                  "d.toml:6:10: session.limits: expected a table, written [session.limits]"},
        ErrorCase{"LimitsValue", HEAD SOUND "limits = { memory = \"x\" }\n",
                  "d.toml:6:21: session.limits.memory: \"x\": is not a size: a whole number, with "
                  "K, M, G or T, as \"512M\""},
        ErrorCase{"MountNoList", HEAD SOUND "mount = {}\n",
                  "d.toml:6:9: session.mount: expected a list of tables, written "
                  "[[session.mount]]"},
        ErrorCase{"MountWithoutHost", HEAD SOUND "[[session.mount]]\nmode = \"ro\"\n",
                  "d.toml:6:1: session.mount.host: is missing"},
        ErrorCase{"MountHostRelative", HEAD SOUND "[[session.mount]]\nhost = \"a\"\n",
                  "d.toml:7:8: session.mount.host: \"a\": is not an absolute path"}),
    [](const auto& test) { return test.param.name; });

#undef HEAD
#undef SOUND

std::string DeploymentError(const std::string& text) {
  return std::string(ParseDeployment(text, "d.toml").status().message());
}

TEST(DeploymentParser, UnknownKeyOfASessionNamesThoseThereAre) {
  const std::string message =
      DeploymentError(OneSession("name = \"a\"\ncommand = [\"true\"]\nreplica = 2\n"));
  EXPECT_THAT(message, HasSubstr("d.toml:6:1: session.replica: unknown key; there are name"));
  EXPECT_THAT(message, HasSubstr("ready, limits, mount"));
}

TEST(DeploymentParser, UnknownLimitOfASessionIsAnError) {
  EXPECT_THAT(DeploymentError(
                  OneSession("name = \"a\"\ncommand = [\"true\"]\nlimits = { mem = \"1M\" }\n")),
              HasSubstr("d.toml:6:12: session.limits.mem: unknown key; there are memory"));
}

TEST(DeploymentParser, UnknownTopLevelKeyNamesTheTables) {
  EXPECT_THAT(DeploymentError("sesion = 1\n"), HasSubstr("mount, deployment, session"));
}

TEST(DeploymentParser, FullFileIsRead) {
  const Deployment deployment = ParseText(kFullDeployment);
  EXPECT_EQ(deployment.name, "lab");
  EXPECT_THAT(deployment.labels, ElementsAre(Pair("team", "a")));
  EXPECT_EQ(deployment.policy.mounts.size(), 1U);
  ASSERT_EQ(deployment.sessions.size(), 2U);
  const DeploymentSession& python = deployment.sessions[0];
  EXPECT_EQ(python.name, "python");
  EXPECT_THAT(python.command, ElementsAre("python3", "-u", "-u", "job.py"));  // no set of words
  EXPECT_EQ(python.replicas, 150);
  EXPECT_EQ(python.restart.when, RestartWhen::kOnFailure);
  EXPECT_EQ(python.restart.delay, 500);
  EXPECT_EQ(python.restart.delay_max, 30'000);
  EXPECT_EQ(python.restart.limit, 5);
  EXPECT_EQ(python.restart.healthy_after, 20'000);
  EXPECT_TRUE(python.stdin_open);
  EXPECT_THAT(python.labels, ElementsAre(Pair("tier", "x")));
  EXPECT_EQ(python.start_timeout, 15'000);
  EXPECT_EQ(python.ready.file, "/srv/shared/{session}/ready");
  EXPECT_EQ(python.stop_signal, "int");
  EXPECT_EQ(python.stop_timeout, 3'000);
  EXPECT_EQ(python.mounts.size(), 1U);
  EXPECT_EQ(python.where.line, 16);
  EXPECT_EQ(deployment.sessions[1].ready.output, "listening");
}

TEST(DeploymentParser, DefaultsAreThoseOfTheDocumentation) {
  const Deployment deployment = ParseText(OneSession("name = \"a\"\ncommand = [\"true\"]\n"));
  const DeploymentSession& session = deployment.sessions.at(0);
  EXPECT_EQ(session.replicas, 1);
  EXPECT_EQ(session.restart.when, RestartWhen::kNever);
  EXPECT_EQ(session.start_timeout, kUnlimited);
  EXPECT_EQ(session.stop_signal, "TERM");
  EXPECT_FALSE(session.stdin_open);
}

TEST(DeploymentParser, FileWithoutDeploymentHasNoName) {
  EXPECT_EQ(ParseText("version = 1\n").name, "");
}

TEST(DeploymentParser, PolicyOfTheFileLeavesTheDeploymentOut) {
  const absl::StatusOr<SessionPolicy> policy = ParsePolicy(kFullDeployment, "d.toml");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(PolicyToToml(*policy), PolicyToToml(ParseText(kFullDeployment).policy));
}

TEST(DeploymentParser, WrittenFileReadsBackTheSame) {
  const Deployment deployment = ParseText(kFullDeployment);
  const std::string text = DeploymentToToml(deployment);
  const Deployment again = ParseText(text);
  EXPECT_EQ(DeploymentToToml(again), text);
  ASSERT_EQ(again.sessions.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(DefinitionId(again, again.sessions[i]),
              DefinitionId(deployment, deployment.sessions[i]));
    EXPECT_THAT(ChangedKeys(deployment, deployment.sessions[i], again, again.sessions[i], false),
                IsEmpty());
  }
}

TEST(DeploymentParser, SchemaHasEveryKey) {
  const nlohmann::json schema = nlohmann::json::parse(PolicyJsonSchema());
  const nlohmann::json& session = schema["properties"]["session"]["items"];
  for (const PolicyKey<DeploymentSession>& key : DeploymentSessionKeys()) {
    const nlohmann::json& table =
        key.section.empty() ? session : session["properties"][key.section];
    EXPECT_TRUE(table["properties"].contains(key.name)) << key.name;
    EXPECT_EQ(table["additionalProperties"], false);
  }
  EXPECT_EQ(session["required"], nlohmann::json({"name", "command"}));
  EXPECT_TRUE(session["properties"]["limits"]["properties"].contains("memory"));
  EXPECT_TRUE(session["properties"]["mount"]["items"]["properties"].contains("host"));
  EXPECT_TRUE(schema["properties"]["deployment"]["properties"].contains("labels"));
}

TEST(DeploymentPolicy, SessionWinsOverTheFile) {
  const Deployment deployment = ParseText(kFullDeployment);
  const SessionPolicy policy = PolicyOf(deployment, deployment.sessions[0], 7);
  EXPECT_EQ(policy.limits.memory, 256 << 20);
  EXPECT_EQ(policy.environment.set.at("MODE"), "own");
  EXPECT_EQ(PolicyOf(deployment, deployment.sessions[1], 1).limits.memory, 1 << 30);
  EXPECT_EQ(PolicyOf(deployment, deployment.sessions[1], 1).environment.set.at("MODE"), "base");
}

TEST(DeploymentPolicy, LimitWithItsDefaultValueStillWins) {
  const Deployment deployment =
      ParseText("[limits]\ngrace = \"1s\"\n" +
                OneSession("name = \"a\"\ncommand = [\"true\"]\nlimits = { grace = \"10s\" }\n"));
  EXPECT_EQ(PolicyOf(deployment, deployment.sessions[0], 1).limits.grace, 10'000);
}

TEST(DeploymentPolicy, VariablesExpandButForTheCompilers) {
  const Deployment deployment = ParseText(kFullDeployment);
  const SessionPolicy policy = PolicyOf(deployment, deployment.sessions[0], 7);
  EXPECT_EQ(policy.environment.set.at("REPLICA"), "7 of lab");
  EXPECT_EQ(policy.mounts.at(1).host, "/srv/private/{session}-7");
}

TEST(DeploymentPolicy, MountOfTheSameHostReplacesTheFiles) {
  const Deployment deployment = ParseText(
      "[[mount]]\nhost = \"/srv/a\"\n" +
      OneSession("name = \"a\"\ncommand = [\"true\"]\n[[session.mount]]\nhost = \"/srv/a\"\nmode = "
                 "\"ro\"\n"));
  const SessionPolicy policy = PolicyOf(deployment, deployment.sessions[0], 1);
  ASSERT_EQ(policy.mounts.size(), 1U);
  EXPECT_EQ(policy.mounts[0].mode, MountMode::kReadOnly);
}

TEST(DeploymentPolicy, ExtendedFileMayNotBeADeployment) {
  // The profile `default` is no deployment; a file that is one cannot be extended.
  const std::string path = ::testing::TempDir() + "/extended_deployment.toml";
  FILE* file = fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  fputs(kFullDeployment, file);
  fclose(file);
  const absl::Status status =
      ParseDeployment(absl::StrCat("extends = [\"", path, "\"]\n"), "d.toml").status();
  unlink(path.c_str());
  EXPECT_EQ(
      status.message(),
      absl::StrCat(path, ":3:2: deployment: a file that another one extends is no deployment"));
}

// What is written in place of the full file's text, and whether that replaces the sessions.
struct ChangeCase {
  const char* name;
  const char* from;
  const char* to;
  bool replaces;
  const char* key;
};

class DeploymentChanges : public ::testing::TestWithParam<ChangeCase> {};

TEST_P(DeploymentChanges, MakeANewDefinitionOnlyWhereTheSessionWouldDiffer) {
  const ChangeCase& change = GetParam();
  std::string text = kFullDeployment;
  const size_t at = text.find(change.from);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, std::string(change.from).size(), change.to);
  const Deployment before = ParseText(kFullDeployment);
  const Deployment after = ParseText(text);
  const DeploymentSession& was = before.sessions[0];
  const DeploymentSession& is = after.sessions[0];
  EXPECT_EQ(DefinitionId(before, was) != DefinitionId(after, is), change.replaces);
  EXPECT_THAT(ChangedKeys(before, was, after, is, change.replaces), ElementsAre(change.key));
  EXPECT_THAT(ChangedKeys(before, was, after, is, !change.replaces), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    All, DeploymentChanges,
    ::testing::Values(ChangeCase{"Command", "job.py", "jobs.py", true, "command"},
                      ChangeCase{"Environment", "\"own\"", "\"other\"", true, "environment.set"},
                      ChangeCase{"Limit", "256M", "512M", true, "limits.memory"},
                      ChangeCase{"FilesMount", "host = \"/srv/shared\"", "host = \"/srv/other\"",
                                 true, "mount"},
                      ChangeCase{"OwnMount", "/srv/private", "/srv/mine", true, "mount"},
                      ChangeCase{"Stdin", "stdin = true", "stdin = false", true, "stdin"},
                      ChangeCase{"Label", "tier = \"x\"", "tier = \"y\"", true, "labels"},
                      ChangeCase{"DeploymentLabel", "team = \"a\"", "team = \"b\"", true, "labels"},
                      ChangeCase{"StopSignal", "\"int\"", "\"hup\"", true, "stop_signal"},
                      ChangeCase{"Replicas", "replicas = 150", "replicas = 3", false, "replicas"},
                      ChangeCase{"Restart", "\"on-failure\"", "\"always\"", false, "restart"},
                      ChangeCase{"RestartLimit", "restart_limit = 5", "restart_limit = 6", false,
                                 "restart_limit"},
                      ChangeCase{"Ready", "{session}/ready", "{session}/up", false, "ready.file"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace sessionctl
