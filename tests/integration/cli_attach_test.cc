// `attach` and `exec` as a user calls them. What the monitor does for them is
// tested without the command line, in session_console_test.cc and
// session_exec_test.cc.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

class AttachCliTest : public SpawningCliTest {
 protected:
  int Bare(const std::string& script);
  // A session in the mount that runs `script`.
  std::string SpawnShell(const std::string& script, std::vector<std::string> flags = {}) {
    std::vector<std::string> argv = {"--mount", mount_, "--workdir", mount_};
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.insert(argv.end(), {"--", "sh", "-c", script});
    return Spawn(argv);
  }
};

// What `script` ends with, run by the same user without a session.
int AttachCliTest::Bare(const std::string& script) {
  const pid_t child = fork();
  if (child == 0) {
    if (user_.has_value()) BecomeUser();
    execl("/bin/sh", "sh", "-c", (script + " >/dev/null").c_str(), nullptr);
    _exit(127);
  }
  return AwaitExit(child);
}

TEST_P(AttachCliTest, ExecRunsAProgramInTheSession) {
  const std::string id = SpawnShell("echo $$ > pid; exec sleep 1000");
  ASSERT_TRUE(Eventually([this] { return !ReadWholeFile(mount_ + "/pid").empty(); }));
  const CliResult result =
      Cli({"exec", id, "sh", "-c", "pwd; kill -0 $(cat pid) && echo reached; exit 7"});
  EXPECT_EQ(result.exit_code, 7) << result.err;
  EXPECT_EQ(result.out, mount_ + "\nreached\n");
  EXPECT_EQ(Cli({"exec", id, "--", "sh", "-c", "echo error >&2; kill -9 $$"}).exit_code, 137);
  EXPECT_EQ(Cli({"exec", "-e", "A=b c", "--workdir", "/usr", id, "sh", "-c", "echo $A; pwd"}).out,
            "b c\n/usr\n");
  EXPECT_EQ(Inspect(id, "state"), "\"running\"");
}

// The attack succeeds bare; what is executed is as confined as what runs there
// already.
TEST_P(AttachCliTest, ExecGivesNoMoreThanTheSessionHas) {
  const std::string open = scratch_ + "/open";  // to everybody
  ASSERT_EQ(mkdir(open.c_str(), 0700), 0);
  ASSERT_EQ(chmod(open.c_str(), 0777), 0);
  const std::string outside = open + "/outside";
  const std::string attack = "echo x > " + outside + " && echo written";
  ASSERT_EQ(Bare(attack), 0);
  EXPECT_EQ(ReadWholeFile(outside), "x\n");
  unlink(outside.c_str());
  const std::string id = SpawnShell("ln -s " + outside + " link; exec sleep 1000");
  for (const std::string& script : {attack, std::string("echo x > link && echo written")}) {
    const CliResult inside = Cli({"exec", id, "sh", "-c", script});
    EXPECT_NE(inside.exit_code, 0) << script;
    EXPECT_EQ(inside.out, "") << script;
  }
  EXPECT_EQ(access(outside.c_str(), F_OK), -1);
}

TEST_P(AttachCliTest, ExecTellsWhyItCannot) {
  const std::string id = SpawnShell("exec sleep 1000");
  const CliResult missing = Cli({"exec", id, "no-such-program"});
  EXPECT_EQ(missing.exit_code, 127);
  EXPECT_NE(missing.err.find("no-such-program"), std::string::npos) << missing.err;
  EXPECT_EQ(Cli({"exec", id}).exit_code, 2);
  EXPECT_EQ(Cli({"exec", "-e", "NOVALUE", id, "true"}).exit_code, 2);
  EXPECT_EQ(Cli({"exec", "ffffffffffff", "true"}).exit_code, 1);
  EXPECT_EQ(Cli({"exec", "--workdir", "/nonexistent", id, "true"}).exit_code, 125);
  ASSERT_EQ(Cli({"stop", "-t", "0", id}).exit_code, 0);
  const CliResult ended = Cli({"exec", id, "true"});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.err.find("has ended"), std::string::npos) << ended.err;
}

TEST_P(AttachCliTest, ExecPassesInputOnlyWhenAsked) {
  const std::string id = SpawnShell("exec sleep 1000");
  const std::string input(300000, 'x');
  EXPECT_EQ(Cli({"exec", "-i", id, "wc", "-c"}, input).out, "300000\n");
  EXPECT_EQ(Cli({"exec", id, "wc", "-c"}, input).out, "0\n");
}

TEST_P(AttachCliTest, ExecMakesATerminal) {
  const std::string id = SpawnShell("exec sleep 1000");
  EXPECT_EQ(Cli({"exec", "-t", id, "sh", "-c", "test -t 0 && test -t 1 && stty size"}).out,
            "24 80\r\n");
  EXPECT_EQ(Cli({"exec", id, "sh", "-c", "test -t 1 || echo none"}).out, "none\n");
}

TEST_P(AttachCliTest, AttachShowsAllAndEndsWithTheSession) {
  const std::string id = SpawnShell("echo first; read line; echo got $line; exit 5", {"-i"});
  ASSERT_TRUE(Eventually([&] { return Cli({"logs", id}).out == "first\n"; }));
  const CliResult result = Cli({"attach", id}, "hello\n");
  EXPECT_EQ(result.exit_code, 5) << result.err;
  EXPECT_EQ(result.out, "first\ngot hello\n");
  EXPECT_EQ(Cli({"logs", id}).out, "first\ngot hello\n");
  EXPECT_EQ(Cli({"attach", id}).exit_code, 1);
}

TEST_P(AttachCliTest, WithoutInteractiveStandardInputIsTheNullDevice) {
  const std::string id = SpawnShell("readlink /proc/self/fd/0; cat");
  EXPECT_EQ(Cli({"wait", id}).exit_code, 0);
  EXPECT_EQ(Cli({"logs", id}).out, "/dev/null\n");
}

TEST_P(AttachCliTest, SpawnedTerminalIsTheCommands) {
  const std::string id = SpawnShell("test -t 0 && stty size; exit 3", {"--tty"});
  EXPECT_EQ(Cli({"wait", id}).exit_code, 3);
  EXPECT_EQ(Cli({"logs", id}).out, "24 80\r\n");
  EXPECT_EQ(Inspect(id, "terminal"), "true");
}

INSTANTIATE_TEST_SUITE_P(Users, AttachCliTest, ::testing::Bool(), NameOfUser);

}  // namespace
}  // namespace sessionctl
