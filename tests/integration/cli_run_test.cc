// `sessionctl run`: exit codes, words, streams, signals, terminal.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "nlohmann/json.hpp"
#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

using nlohmann::json;

class RunTest : public CliTest {
 protected:
  CliResult Shell(const std::string& script, const std::string& input = "") {
    return Cli({"run", "--mount", mount_, "--workdir", mount_, "--", "sh", "-c", script}, input);
  }
  bool Appears(const std::string& name) {
    return Eventually([&] { return access((mount_ + "/" + name).c_str(), F_OK) == 0; });
  }
};

TEST_F(RunTest, ExitCodeIsTheCommands) {
  for (const int code : {0, 1, 2, 42, 124, 125, 255}) {
    EXPECT_EQ(Shell("exit " + std::to_string(code)).exit_code, code);
  }
}

TEST_F(RunTest, CommandKilledBySignalIs128PlusN) {
  for (const int number : {SIGKILL, SIGTERM, SIGINT, SIGSEGV}) {
    EXPECT_EQ(Shell("kill -" + std::to_string(number) + " $$").exit_code, 128 + number);
  }
}

TEST_F(RunTest, MissingCommandIs127AndUnexecutableIs126) {
  const CliResult missing = Cli({"run", "no-such-command-here"});
  EXPECT_EQ(missing.exit_code, 127);
  EXPECT_EQ(missing.err.rfind("sessionctl: ", 0), 0U) << missing.err;
  std::ofstream(mount_ + "/plain") << "text";
  EXPECT_EQ(Cli({"run", "--mount", mount_, mount_ + "/plain"}).exit_code, 126);
}

TEST_F(RunTest, OwnFailureIs125) {
  EXPECT_EQ(Cli({"run", "--mount", scratch_ + "/missing", "true"}).exit_code, 125);
  EXPECT_EQ(Cli({"run", "-p", "no-such-profile", "true"}).exit_code, 125);
  EXPECT_EQ(Cli({"run", "--policy", scratch_ + "/missing.toml", "true"}).exit_code, 125);
  EXPECT_EQ(Cli({"run", "--min-landlock-abi", "999", "true"}).exit_code, 125);
  EXPECT_EQ(Cli({"run", "--status-fd", "1000", "true"}).exit_code, 125);
}

TEST_F(RunTest, UsageErrorIs2) {
  EXPECT_EQ(Cli({"run"}).exit_code, 2);
  EXPECT_EQ(Cli({"run", "--no-such-option", "true"}).exit_code, 2);
  EXPECT_EQ(Cli({"run", "--mount"}).exit_code, 2);
  EXPECT_EQ(Cli({"run", "--scope", "nothing", "true"}).exit_code, 2);
  EXPECT_EQ(Cli({"run", "--mount", mount_ + ":rwx", "true"}).exit_code, 2);
  EXPECT_EQ(Cli({"run", "-e", "=x", "true"}).exit_code, 2);
  EXPECT_EQ(Cli({"no-such-verb"}).exit_code, 2);
  EXPECT_EQ(Cli({}).exit_code, 2);
}

TEST_F(RunTest, DestinationOfAMountIsAbsolute) {
  const CliResult result = Cli({"run", "--mount", mount_ + ":elsewhere:ro", "true"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("the destination must be absolute"), std::string::npos) << result.err;
  EXPECT_EQ(Cli({"run", "--mount", mount_ + ":" + mount_ + ":ro,noexec", "true"}).exit_code, 0);
}

TEST_F(RunTest, HelpAndVersionGoToStandardOutput) {
  for (const auto& args : {std::vector<std::string>{"--help"},
                           {"--version"},
                           {"run", "--help"},
                           {"spawn", "--help"},
                           {"policy", "explain", "--help"}}) {
    const CliResult result = Cli(args);
    EXPECT_EQ(result.exit_code, 0) << args[0];
    EXPECT_FALSE(result.out.empty()) << args[0];
    EXPECT_TRUE(result.err.empty()) << args[0];
  }
}

TEST_F(RunTest, OptionsEndAtTheFirstWordThatIsNone) {
  EXPECT_EQ(Cli({"run", "echo", "--help", "-c", "--mount", "--", "x"}).out,
            "--help -c --mount -- x\n");
  EXPECT_EQ(Cli({"run", "-e", "A=1", "sh", "-c", "echo $A; exit 3"}).out, "1\n");
  EXPECT_EQ(Cli({"run", "-eA=2", "sh", "-c", "echo $A"}).out, "2\n");
  EXPECT_EQ(Cli({"run", "--env=A=3", "sh", "-c", "echo $A"}).out, "3\n");
  EXPECT_EQ(Cli({"run", "--best-effort", "echo", "-p", "x"}).out, "-p x\n");
}

TEST_F(RunTest, DoubleDashEndsOptionsOnce) {
  EXPECT_EQ(Cli({"run", "--", "echo", "--", "-e"}).out, "-- -e\n");
  EXPECT_EQ(Cli({"run", "--", "--not-an-option"}).exit_code, 127);
}

TEST_F(RunTest, CmdTakesAllFurtherWordsAsArguments) {
  EXPECT_EQ(Cli({"run", "--cmd", "echo", "--", "-n", "a"}).out, "a");
  EXPECT_EQ(Cli({"run", "--cmd", "echo"}).out, "\n");
}

TEST_F(RunTest, ArgumentsArriveByteForByte) {
  const std::vector<std::string> odd = {"",      " ",     "a b", "'\"$`\\", "\n\t", "\xff\xfe\x80",
                                        "*?[x]", "[a,b]", "{}",  "--",      "-"};
  std::vector<std::string> args = {"run", "--", "printf", "<%s>"};
  args.insert(args.end(), odd.begin(), odd.end());
  std::string expected;
  for (const std::string& word : odd) expected += "<" + word + ">";
  EXPECT_EQ(Cli(args).out, expected);
}

TEST_F(RunTest, GlobFlagInBracketsIsOneGlob) {
  std::ofstream(mount_ + "/a") << "a";
  const CliResult result =
      Cli({"run", "--mount", mount_, "--deny", "[a,b]", "--", "cat", mount_ + "/a"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_EQ(result.out, "");
}

TEST_F(RunTest, StreamsPassStraightThrough) {
  std::string binary;
  for (int i = 0; i < 300000; ++i) binary.push_back(static_cast<char>(i * 7));
  const CliResult result = Shell("cat; echo err >&2", binary);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.out == binary);
  EXPECT_EQ(result.err, "err\n");
}

TEST_F(RunTest, EnvironmentIsCleanButForWhatIsPassed) {
  set_["PASSED"] = "yes";
  set_["SECRET"] = "no";
  const CliResult result =
      Cli({"run", "-e", "PASSED", "-e", "SET=a=b", "--", "sh", "-c", "echo $PASSED,$SET,$SECRET"});
  EXPECT_EQ(result.out, "yes,a=b,\n");
}

TEST_F(RunTest, MountModesHold) {
  std::ofstream(mount_ + "/file") << "data";
  const auto attempt = [&](const std::vector<std::string>& flags, const std::string& script) {
    std::vector<std::string> args = {"run"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--", "sh", "-c", script});
    return Cli(args).exit_code;
  };
  const std::string write = "echo x > " + mount_ + "/new";
  const std::string read = "cat " + mount_ + "/file";
  EXPECT_EQ(attempt({"--mount", mount_}, write), 0);
  EXPECT_EQ(attempt({"--rw", mount_}, write), 0);
  EXPECT_NE(attempt({"--mount", mount_ + ":ro"}, write), 0);
  EXPECT_NE(attempt({"--ro", mount_}, write), 0);
  EXPECT_EQ(attempt({"--ro", mount_}, read), 0);
  EXPECT_EQ(attempt({"--ro", mount_ + "/file"}, read), 0);
  EXPECT_NE(attempt({}, read), 0);
  EXPECT_NE(attempt({"--mount", mount_, "--deny", "file"}, read), 0);
  EXPECT_NE(attempt({"--mount", mount_, "--read-only", "new"}, write), 0);
}

TEST_F(RunTest, StatusFdTellsStartAndEnd) {
  const CliResult result = Cli({"run", "--status-fd", "9", "--", "sh", "-c", "kill -TERM $$"});
  const size_t newline = result.status.find('\n');
  ASSERT_NE(newline, std::string::npos) << result.status;
  const json started = json::parse(result.status.substr(0, newline), nullptr, false);
  const json exited = json::parse(result.status.substr(newline + 1), nullptr, false);
  EXPECT_EQ(started["event"], "started");
  EXPECT_GT(started["pid"], 0);
  EXPECT_EQ(exited["event"], "exited");
  EXPECT_EQ(exited["exit_code"], 128 + SIGTERM);
  EXPECT_EQ(exited["signal"], SIGTERM);
}

TEST_F(RunTest, StatusFdTellsAFailedStartAndStaysOutOfTheSession) {
  const CliResult failed = Cli({"run", "--status-fd", "9", "--", "no-such-command-here"});
  EXPECT_EQ(json::parse(failed.status, nullptr, false)["event"], "failed");
  EXPECT_EQ(json::parse(failed.status, nullptr, false)["exit_code"], 127);
  EXPECT_NE(Cli({"run", "--status-fd", "9", "--", "sh", "-c", "echo x >&9"}).exit_code, 0);
}

TEST_F(RunTest, AuditFileIsNotFollowed) {
  std::ofstream(scratch_ + "/victim") << "precious";
  ASSERT_EQ(symlink((scratch_ + "/victim").c_str(), (scratch_ + "/audit").c_str()), 0);
  EXPECT_EQ(Cli({"run", "--audit", "all", "--audit-file", scratch_ + "/audit", "true"}).exit_code,
            125);
  EXPECT_EQ(ReadWholeFile(scratch_ + "/victim"), "precious");
}

TEST_F(RunTest, SignalsToUsAreForwarded) {
  for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2}) {
    const std::string ready = "ready" + std::to_string(number);
    const pid_t pid = Start({"run", "--mount", mount_, "--workdir", mount_, "--", "sh", "-c",
                             "trap 'exit 33' " + std::to_string(number) + "; : > " + ready +
                                 "; while :; do sleep 0.05; done"});
    ASSERT_TRUE(Appears(ready));
    kill(pid, number);
    EXPECT_EQ(AwaitExit(pid), 33) << number;
  }
}

TEST_F(RunTest, StopOfTheCommandStopsUsAndContinueContinuesBoth) {
  const pid_t pid =
      Start({"run", "--view", "host", "--mount", mount_, "--workdir", mount_, "--", "sh", "-c",
             "echo $$ > pid.new; mv pid.new pid; while ! [ -e go ]; do sleep 0.05; done; exit 5"});
  ASSERT_TRUE(Appears("pid"));
  const pid_t command = static_cast<pid_t>(std::stol(ReadWholeFile(mount_ + "/pid")));
  kill(command, SIGSTOP);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
  ASSERT_TRUE(WIFSTOPPED(status));
  std::ofstream(mount_ + "/go") << "";
  kill(pid, SIGCONT);
  EXPECT_EQ(AwaitExit(pid), 5);
}

TEST_F(RunTest, KilledSessionctlTakesTheWholeTreeAlong) {
  const pid_t pid =
      Start({"run", "--view", "host", "--mount", mount_, "--workdir", mount_, "--", "sh", "-c",
             "setsid sh -c 'echo $$ > pid.new; mv pid.new pid; exec sleep 1000' & wait"});
  ASSERT_TRUE(Appears("pid"));
  const pid_t daemon = static_cast<pid_t>(std::stol(ReadWholeFile(mount_ + "/pid")));
  ASSERT_TRUE(Alive(daemon));
  kill(pid, SIGKILL);
  EXPECT_EQ(AwaitExit(pid), 128 + SIGKILL);
  EXPECT_TRUE(Eventually([&] { return !Alive(daemon); }));
}

}  // namespace
}  // namespace sessionctl
