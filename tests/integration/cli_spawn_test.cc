// Detached sessions: spawn, ps, inspect, logs, wait, stop, kill, prune, and what happens when a
// part is killed.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A grandchild that left the command's process group and terminal session, as a daemon does.
constexpr char kDaemonScript[] =
    "setsid sh -c 'echo $$ > daemon.new; mv daemon.new daemon; exec sleep 1000' & "
    "(sh -c 'echo $$ > child.new; mv child.new child; exec sleep 1000') & wait";

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class SpawnTest : public SpawningCliTest {
 protected:
  std::string StateDirectory() const {
    return GetParam() ? scratch_ + "/xdg/sessionctl" : scratch_ + "/state";
  }
  std::string SpawnShell(const std::string& script, std::vector<std::string> flags = {}) {
    flags.insert(flags.end(),
                 {"--mount", mount_, "--workdir", mount_, "--cmd", "sh", "--", "-c", script});
    return Spawn(flags);
  }
  bool Appears(const std::string& name) {
    return Eventually([&] { return fs::exists(mount_ + "/" + name); });
  }
  pid_t PidIn(const std::string& name) {
    return static_cast<pid_t>(std::stol(ReadWholeFile(mount_ + "/" + name)));
  }
  pid_t PidOf(const std::string& id, const std::string& part) {
    return static_cast<pid_t>(std::stol(Inspect(id, part + ".pid")));
  }
  std::string Wait(const std::string& id) { return Cli({"wait", id}).out; }
};

INSTANTIATE_TEST_SUITE_P(Users, SpawnTest, ::testing::Bool(), NameOfUser);

TEST_P(SpawnTest, SessionLivesItsLife) {
  const std::string id = SpawnShell(
      "echo out; echo err >&2; while ! [ -e go ]; do sleep 0.05; done; exit 9", {"--name", "life"});
  EXPECT_EQ(Inspect(id, "state"), "\"running\"");
  EXPECT_EQ(Inspect("life", "id"), "\"" + id + "\"");
  EXPECT_EQ(Inspect(id.substr(0, 6), "name"), "\"life\"");
  std::ofstream(mount_ + "/go") << "";
  const CliResult waited = Cli({"wait", id});
  EXPECT_EQ(waited.out, "9\n");
  EXPECT_EQ(waited.exit_code, 9);
  EXPECT_EQ(Inspect(id, "state"), "\"exited\"");
  EXPECT_EQ(Inspect(id, "exit.code"), "9");
  EXPECT_EQ(Inspect(id, "exit.reason"), "\"exited\"");
  EXPECT_EQ(Cli({"logs", id}).out, "out\nerr\n");
  EXPECT_EQ(Cli({"prune"}).out, id + "\n");
  EXPECT_EQ(Cli({"inspect", id}).exit_code, 1);
  std::set<std::string> left;
  for (const auto& entry : fs::directory_iterator(StateDirectory())) {
    left.insert(entry.path().filename());
  }
  EXPECT_EQ(left, (std::set<std::string>{"deployments", "sessiond.lock", "sessiond.log",
                                         "sessiond.sock"}));
}

TEST_P(SpawnTest, FilesOfASessionArePrivateAndComplete) {
  const std::string id = SpawnShell("sleep 1000");
  const fs::path directory = fs::path(StateDirectory()) / id;
  EXPECT_EQ(fs::status(directory).permissions(), fs::perms(0700));
  for (const char* name : {"state.json", "lock", "output.log", "audit.jsonl", "policy.toml"}) {
    struct stat st;
    ASSERT_EQ(lstat((directory / name).c_str(), &st), 0) << name;
    EXPECT_TRUE(S_ISREG(st.st_mode)) << name;
    EXPECT_EQ(st.st_mode & 07777, 0600U) << name;
  }
  EXPECT_EQ(Cli({"policy", "check", directory / "policy.toml"}).exit_code, 0);
}

TEST_P(SpawnTest, StartErrorsGiveTheirCodeAndTheSession) {
  const CliResult missing = Cli({"spawn", "--", "no-such-command-here"});
  EXPECT_EQ(missing.exit_code, 127);
  EXPECT_EQ(missing.out, "");
  EXPECT_NE(missing.err.find("sessionctl: session "), std::string::npos) << missing.err;
  const CliResult listed = Cli({"ps", "--json"});
  EXPECT_EQ(json::parse(listed.out, nullptr, false)[0]["state"], "failed");
  EXPECT_EQ(Cli({"spawn", "--", "/etc/passwd"}).exit_code, 126);
  EXPECT_EQ(Cli({"spawn", "--mount", scratch_ + "/missing", "--", "true"}).exit_code, 125);
  EXPECT_EQ(Cli({"spawn"}).exit_code, 2);
  EXPECT_EQ(Cli({"spawn", "--count", "0", "true"}).exit_code, 2);
}

TEST_P(SpawnTest, CountStartsThatManyWithNames) {
  const CliResult spawned =
      Cli({"spawn", "--count", "20", "--name", "many", "--mount", mount_, "--workdir", mount_,
           "--cmd", "sh", "--", "-c", "mktemp f.XXXXXX; sleep 1000"});
  ASSERT_EQ(spawned.exit_code, 0) << spawned.err;
  const std::vector<std::string> ids = Lines(spawned.out);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 20U);
  EXPECT_EQ(Inspect("many-20", "state"), "\"running\"");
  EXPECT_TRUE(Eventually([&] {
    return std::distance(fs::directory_iterator(mount_), fs::directory_iterator()) == 20;
  }));
  EXPECT_EQ(Cli({"stop", "--all"}).exit_code, 0);
  for (const json& session : json::parse(Cli({"ps", "--json"}).out, nullptr, false)) {
    EXPECT_EQ(session["state"], "exited");
  }
  EXPECT_EQ(Lines(Cli({"prune"}).out).size(), 20U);
}

TEST_P(SpawnTest, PrivateDirectoryForEachSession) {
  const CliResult spawned = Cli({"spawn", "--count", "3", "--mount",
                                 mount_ + "/work-{session}:rw,create", "--", "sleep", "1000"});
  ASSERT_EQ(spawned.exit_code, 0) << spawned.err;
  for (const std::string& id : Lines(spawned.out)) {
    EXPECT_TRUE(fs::is_directory(mount_ + "/work-" + id));
    EXPECT_EQ(fs::status(mount_ + "/work-" + id).permissions(), fs::perms(0700));
  }
}

TEST_P(SpawnTest, FollowedLogsEndWithTheSession) {
  const std::string id =
      SpawnShell("for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done; : > done");
  const CliResult logs = Cli({"logs", "-f", id});
  EXPECT_EQ(logs.out, "line 1\nline 2\nline 3\nline 4\nline 5\n");
  EXPECT_TRUE(fs::exists(mount_ + "/done"));
}

TEST_P(SpawnTest, StopIsPoliteFirst) {
  const std::string id = SpawnShell("trap 'exit 21' TERM; : > ready; while :; do sleep 0.05; done");
  ASSERT_TRUE(Appears("ready"));
  EXPECT_EQ(Cli({"stop", id}).exit_code, 0);
  EXPECT_EQ(Wait(id), "21\n");
  EXPECT_EQ(Cli({"stop", id}).exit_code, 0) << "an ended session is stopped";
}

TEST_P(SpawnTest, StopEndsTheWholeTreeOfWhoDoesNotListen) {
  const std::string id =
      SpawnShell(std::string("trap '' TERM; ") + kDaemonScript, {"--view", "host"});
  ASSERT_TRUE(Appears("daemon") && Appears("child"));
  EXPECT_EQ(Cli({"stop", "--timeout", "0.2", id}).exit_code, 0);
  EXPECT_EQ(Inspect(id, "state"), "\"exited\"");
  EXPECT_EQ(Inspect(id, "exit.reason"), "\"stopped\"");
  EXPECT_EQ(Wait(id), "137\n");
  EXPECT_FALSE(Alive(PidIn("daemon")));
  EXPECT_FALSE(Alive(PidIn("child")));
}

TEST_P(SpawnTest, StopReachesAStoppedCommand) {
  const std::string id = SpawnShell("exec sleep 1000");
  EXPECT_EQ(Cli({"kill", "-s", "STOP", id}).exit_code, 0);
  EXPECT_EQ(Cli({"stop", id}).exit_code, 0);
  EXPECT_EQ(Wait(id), "143\n");
}

TEST_P(SpawnTest, KillSendsTheSignal) {
  const std::string id = SpawnShell("trap 'exit 33' USR1; : > ready; while :; do sleep 0.05; done");
  ASSERT_TRUE(Appears("ready"));
  EXPECT_EQ(Cli({"kill", "-s", "SIGUSR1", id}).exit_code, 0);
  EXPECT_EQ(Wait(id), "33\n");
  EXPECT_EQ(Cli({"kill", id}).exit_code, 1) << "it has ended";
  EXPECT_EQ(Cli({"kill", "-s", "NOSUCH", id}).exit_code, 2);
}

TEST_P(SpawnTest, DaemonsEndWithTheCommand) {
  const std::string id = SpawnShell(
      "setsid sh -c 'echo $$ > daemon.new; mv daemon.new daemon; exec sleep 1000' & "
      "while ! [ -e daemon ]; do sleep 0.05; done; exit 0",
      {"--view", "host"});
  EXPECT_EQ(Wait(id), "0\n");
  EXPECT_FALSE(Alive(PidIn("daemon")));
}

TEST_P(SpawnTest, KilledBrokerTakesTheWholeTreeAlong) {
  const std::string id = SpawnShell(kDaemonScript, {"--view", "host"});
  ASSERT_TRUE(Appears("daemon") && Appears("child"));
  const pid_t command = PidOf(id, "process");
  ASSERT_EQ(kill(PidOf(id, "broker"), SIGKILL), 0);
  EXPECT_EQ(Wait(id), "125\n");
  EXPECT_EQ(Inspect(id, "state"), "\"lost\"");
  EXPECT_EQ(Inspect(id, "exit.reason"), "\"broker lost\"");
  for (const pid_t pid : {command, PidIn("daemon"), PidIn("child")}) EXPECT_FALSE(Alive(pid));
}

TEST_P(SpawnTest, KilledMonitorTakesTheWholeTreeAlong) {
  const std::string id = SpawnShell(kDaemonScript, {"--view", "host"});
  ASSERT_TRUE(Appears("daemon") && Appears("child"));
  const pid_t command = PidOf(id, "process");
  ASSERT_EQ(kill(PidOf(id, "monitor"), SIGKILL), 0);
  for (const pid_t pid : {command, PidIn("daemon"), PidIn("child")}) {
    EXPECT_TRUE(Eventually([pid] { return !Alive(pid); }));
  }
  EXPECT_TRUE(Eventually([&] { return Inspect(id, "state") == "\"lost\""; }));
  EXPECT_EQ(Inspect(id, "exit.reason"), "\"monitor lost\"");
  EXPECT_EQ(Wait(id), "125\n");
  EXPECT_EQ(Cli({"prune"}).out, id + "\n");
}

TEST_P(SpawnTest, MonitorIgnoresWhatATerminalSends) {
  const std::string id = SpawnShell("sleep 1000");
  const pid_t monitor = PidOf(id, "monitor");
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTSTP}) ASSERT_EQ(kill(monitor, number), 0);
  EXPECT_EQ(Inspect(id, "state"), "\"running\"");
  EXPECT_TRUE(Alive(monitor));
}

TEST_P(SpawnTest, CommandDoesNotInheritSignalSettingsOrDescriptors) {
  const pid_t command = PidOf(Spawn({"--", "sleep", "1000"}), "process");
  const std::string proc = "/proc/" + std::to_string(command);
  const std::string status = ReadWholeFile(proc + "/status");
  for (const char* mask : {"SigBlk:", "SigIgn:", "SigCgt:"}) {
    EXPECT_NE(status.find(std::string(mask) + "\t0000000000000000"), std::string::npos) << status;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(proc + "/fd"), fs::directory_iterator()), 3);
}

TEST_P(SpawnTest, UnknownAndAmbiguousSessionsAre1) {
  for (const char* verb : {"inspect", "logs", "wait", "stop", "kill"}) {
    const CliResult result = Cli({verb, "no-such-session"});
    EXPECT_EQ(result.exit_code, 1) << verb;
    EXPECT_NE(result.err.find("no-such-session"), std::string::npos) << verb;
  }
  SpawnShell("sleep 1000", {"--name", "twin"});
  SpawnShell("sleep 1000", {"--name", "twin"});
  EXPECT_EQ(Cli({"inspect", "twin"}).exit_code, 1);
  EXPECT_EQ(Cli({"stop"}).exit_code, 2);
}

TEST_P(SpawnTest, PruneLeavesRunningSessions) {
  const std::string running = SpawnShell("sleep 1000");
  const std::string ended = SpawnShell("true");
  Wait(ended);
  EXPECT_EQ(Cli({"prune"}).out, ended + "\n");
  EXPECT_EQ(Inspect(running, "state"), "\"running\"");
}

TEST_P(SpawnTest, ListingShowsNoControlCharacters) {
  const std::string id = Spawn({"--", "sh", "-c", "sleep 1000 # \x1b[31mred"});
  const std::string listing = Cli({"ps"}).out;
  EXPECT_EQ(listing.find('\x1b'), std::string::npos);
  EXPECT_NE(listing.find(id), std::string::npos);
  const CliResult refused = Cli({"spawn", "--name", "\x1b[31mred", "--", "sleep", "1000"});
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_NE(refused.err.find("name: a name holds no control characters"), std::string::npos);
}

// CWE-61 against ourselves: who can write below the state directory plants links where we create
// files.
class StateAttackTest : public CliTest {};

TEST_F(StateAttackTest, StateDirectoryThatIsALinkIsRefused) {
  fs::create_directory(scratch_ + "/victim");
  fs::create_directory_symlink(scratch_ + "/victim", scratch_ + "/planted");
  set_["SESSIONCTL_STATE_DIR"] = scratch_ + "/planted";
  EXPECT_EQ(Cli({"spawn", "--", "true"}).exit_code, 125);
  EXPECT_EQ(Cli({"ps"}).exit_code, 125);
  EXPECT_TRUE(fs::is_empty(scratch_ + "/victim"));
}

TEST_F(StateAttackTest, StateDirectoryThatOthersMayWriteIsRefused) {
  fs::create_directory(scratch_ + "/open");
  fs::permissions(scratch_ + "/open", fs::perms(0777));
  set_["SESSIONCTL_STATE_DIR"] = scratch_ + "/open";
  EXPECT_EQ(Cli({"spawn", "--", "true"}).exit_code, 125);
  EXPECT_TRUE(fs::is_empty(scratch_ + "/open"));
}

TEST_F(StateAttackTest, LinksPlantedInASessionAreNotFollowed) {
  const std::string id = Spawn({"--", "sleep", "1000"});
  const std::string directory = scratch_ + "/state/" + id;
  const auto monitor = static_cast<pid_t>(std::stol(Inspect(id, "monitor.pid")));
  const auto command = static_cast<pid_t>(std::stol(Inspect(id, "process.pid")));
  std::ofstream(scratch_ + "/secret") << "secret";
  for (const char* name : {"lock", "output.log", "state.json"}) {
    fs::remove(directory + "/" + name);
    fs::create_symlink(scratch_ + "/secret", directory + "/" + name);
  }
  EXPECT_EQ(Cli({"logs", id}).out.find("secret"), std::string::npos);
  EXPECT_NE(Cli({"inspect", id}).exit_code, 0);
  Cli({"prune"});
  // Nobody finds the session by its lock any more; its monitor still ends it.
  ASSERT_EQ(kill(command, SIGKILL), 0);
  EXPECT_TRUE(Eventually([&] { return !Alive(monitor); }));
  EXPECT_EQ(ReadWholeFile(scratch_ + "/secret"), "secret");
}

TEST_F(StateAttackTest, MonitorReplacesAPlantedStateFileInsteadOfWritingThroughIt) {
  const std::string id = Spawn({"--", "sleep", "1000"});
  const std::string state = scratch_ + "/state/" + id + "/state.json";
  const json record = json::parse(ReadWholeFile(state), nullptr, false);
  std::ofstream(scratch_ + "/secret") << "secret";
  fs::remove(state);
  fs::create_symlink(scratch_ + "/secret", state);
  ASSERT_EQ(kill(record["process"]["pid"].get<pid_t>(), SIGKILL), 0);
  EXPECT_TRUE(Eventually([&] { return !fs::is_symlink(state); }));
  EXPECT_EQ(Inspect(id, "exit.signal"), "9");
  EXPECT_EQ(ReadWholeFile(scratch_ + "/secret"), "secret");
}

TEST_F(StateAttackTest, PruneDoesNotFollowLinks) {
  const std::string id = Spawn({"--", "true"});
  Cli({"wait", id});
  fs::create_directory(scratch_ + "/victim");
  std::ofstream(scratch_ + "/victim/file") << "kept";
  fs::create_directory_symlink(scratch_ + "/victim", scratch_ + "/state/" + id + "/link");
  EXPECT_EQ(Cli({"prune"}).out, id + "\n");
  EXPECT_EQ(ReadWholeFile(scratch_ + "/victim/file"), "kept");
}

}  // namespace
}  // namespace sessionctl
