// Terminals: the one that a session shares with its caller, and those that it makes itself.
#include "tests/integration/terminal.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <string>

#include "tests/integration/bare_and_inside.h"
#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

class TerminalTest : public CliTest {
 protected:
  // bash, without its files; $S is sessionctl.
  std::function<void()> Bash() {
    return [this] {
      BecomeUser();
      const char* chosen = getenv("SESSIONCTL");
      setenv("S", chosen != nullptr ? chosen : SESSIONCTL_BUILT, 1);
      setenv("PS1", "$ ", 1);
      execlp("bash", "bash", "--norc", "--noprofile", "--noediting", "-i", nullptr);
    };
  }
};

TEST_F(TerminalTest, CommandSeesTheTerminal) {
  Terminal terminal(Bash());
  terminal.Type("$S run -- sh -c 'test -t 0 && test -t 1 && echo is-\"\"a-tty'\n");
  EXPECT_TRUE(terminal.See("is-a-tty")) << terminal.seen();
}

TEST_F(TerminalTest, InterruptKeyReachesTheCommandOnce) {
  Terminal terminal(Bash());
  terminal.Type(
      "$S run -- sh -c 'trap \"n=x\\$n\" INT; echo go-\"\"on; until test \"$n\"; do sleep 0.1; "
      "done; sleep 0.5; echo got=$n; exit 4'; echo code=$?\n");
  ASSERT_TRUE(terminal.See("go-on")) << terminal.seen();
  terminal.Type("\x03");
  ASSERT_TRUE(terminal.See("got=x\r\n")) << terminal.seen();
  EXPECT_TRUE(terminal.See("code=4")) << terminal.seen();
}

TEST_F(TerminalTest, InterruptKeyEndsACommandThatDoesNotCatchIt) {
  Terminal terminal(Bash());
  terminal.Type("$S run -- sh -c 'echo go-\"\"on; exec sleep 1000'\n");
  ASSERT_TRUE(terminal.See("go-on")) << terminal.seen();
  terminal.Type("\x03");
  terminal.Type("echo code=$?\n");
  EXPECT_TRUE(terminal.See("code=130")) << terminal.seen();
}

TEST_F(TerminalTest, SuspendKeyStopsTheJobAndForegroundResumesIt) {
  Terminal terminal(Bash());
  terminal.Type("$S run -- sh -c 'echo go-\"\"on; read line; echo line=$line; exit 6'\n");
  ASSERT_TRUE(terminal.See("go-on")) << terminal.seen();
  terminal.Type("\x1a");
  ASSERT_TRUE(terminal.See("Stopped")) << terminal.seen();
  terminal.Type("jobs; echo shell-\"\"is-back\n");
  ASSERT_TRUE(terminal.See("shell-is-back")) << terminal.seen();
  terminal.Type("fg\n");
  ASSERT_TRUE(terminal.See("run -- sh")) << terminal.seen();
  terminal.Type("typed\n");
  ASSERT_TRUE(terminal.See("line=typed")) << terminal.seen();
  terminal.Type("echo code=$?\n");
  EXPECT_TRUE(terminal.See("code=6")) << terminal.seen();
}

TEST_F(TerminalTest, QuitKeyEndsACommand) {
  Terminal terminal(Bash());
  terminal.Type("ulimit -c 0; $S run -- sh -c 'echo go-\"\"on; exec sleep 1000'\n");
  ASSERT_TRUE(terminal.See("go-on")) << terminal.seen();
  terminal.Type("\x1c");
  terminal.Type("echo code=$?\n");
  EXPECT_TRUE(terminal.See("code=131")) << terminal.seen();
}

TEST_F(TerminalTest, HangUpAndTerminationReachACommand) {
  for (const char* signal : {"HUP", "TERM"}) {
    Terminal terminal(Bash());
    terminal.Type(std::string("$S run -- sh -c 'trap \"exit 44\" ") + signal +
                  "; echo go-\"\"on; while :; do sleep 0.05; done' &\n");
    ASSERT_TRUE(terminal.See("go-on")) << terminal.seen();
    terminal.Type(std::string("kill -") + signal + " %1; wait %1; echo code=$?\n");
    EXPECT_TRUE(terminal.See("code=44")) << terminal.seen();
  }
}

TEST_F(TerminalTest, WindowSizeIsSeenAndItsChangeTold) {
  Terminal terminal(Bash());
  terminal.Resize(31, 117);
  terminal.Type(
      "$S run -- bash -c 'trap \"stty size; exit 8\" WINCH; stty size; echo go-\"\"on; "
      "while :; do sleep 0.05; done'; echo code=$?\n");
  ASSERT_TRUE(terminal.See("31 117\r\n")) << terminal.seen();
  ASSERT_TRUE(terminal.See("go-on")) << terminal.seen();
  terminal.Resize(42, 93);
  EXPECT_TRUE(terminal.See("42 93\r\n")) << terminal.seen();
  EXPECT_TRUE(terminal.See("code=8")) << terminal.seen();
}

TEST_F(TerminalTest, ModesAreThoseThatTheCommandLeft) {
  Terminal terminal(Bash());
  terminal.Type(
      "a=$(stty -g); $S run -- true; test \"$a\" = \"$(stty -g)\" && echo un\"\"touched\n");
  EXPECT_TRUE(terminal.See("untouched")) << terminal.seen();
  terminal.Type(
      "$S run -- sh -c 'stty -echoctl < /dev/tty'; stty -a | grep -q -e -echoctl && "
      "echo chan\"\"ged\n");
  EXPECT_TRUE(terminal.See("changed")) << terminal.seen();
}

TEST_F(TerminalTest, BackgroundJobIsStoppedWhenItReads) {
  Terminal terminal(Bash());
  terminal.Type("$S run -- sh -c 'read line; echo line=$line; exit 6' &\n");
  terminal.Type("until jobs -s | grep -q Stopped; do sleep 0.05; done; echo stop\"\"ped\n");
  ASSERT_TRUE(terminal.See("stopped")) << terminal.seen();
  terminal.Type("fg\n");
  ASSERT_TRUE(terminal.See("run -- sh")) << terminal.seen();
  terminal.Type("typed\n");
  ASSERT_TRUE(terminal.See("line=typed")) << terminal.seen();
  terminal.Type("echo code=$?\n");
  EXPECT_TRUE(terminal.See("code=6")) << terminal.seen();
}

TEST_F(TerminalTest, ShellInsideControlsItsOwnJobs) {
  Terminal terminal(Bash());
  terminal.Type("$S run -- env PS1='in$ ' bash --norc --noprofile --noediting -i\n");
  ASSERT_TRUE(terminal.See("in$ ")) << terminal.seen();
  // The caller's terminal has a name there, by which it is neither opened nor changed.
  terminal.Type(
      "cat < /dev/console || echo not-\"\"read; echo x > /dev/console || echo not-\"\"written; "
      "chmod 666 /dev/console || echo not-\"\"changed\n");
  for (const char* refused : {"not-read", "not-written", "not-changed"}) {
    ASSERT_TRUE(terminal.See(refused)) << terminal.seen();
  }
  ASSERT_TRUE(terminal.See("in$ ")) << terminal.seen();
  terminal.Type(
      "tty; sh -c 'trap \"echo back-\"\"again\" CONT; echo go-\"\"on; while :; do sleep 0.05; "
      "done'\n");
  ASSERT_TRUE(terminal.See("/dev/console")) << terminal.seen();
  ASSERT_TRUE(terminal.See("go-on")) << terminal.seen();
  terminal.Type("\x1a");
  ASSERT_TRUE(terminal.See("Stopped")) << terminal.seen();
  ASSERT_TRUE(terminal.See("in$ ")) << terminal.seen();
  terminal.Type("fg\n");
  // The shell gives it the terminal, then has it go on.
  ASSERT_TRUE(terminal.See("back-again\r\n")) << terminal.seen();
  terminal.Type("\x03");
  ASSERT_TRUE(terminal.See("in$ ")) << terminal.seen();
  terminal.Type("echo inner=$?; exit 12\n");
  ASSERT_TRUE(terminal.See("inner=130")) << terminal.seen();
  terminal.Type("echo code=$?\n");
  EXPECT_TRUE(terminal.See("code=12")) << terminal.seen();
}

// python's pty, script, tmux and ssh make terminals of their own.
TEST(OwnTerminalTest, WorksAsBare) {
  ExpectSameScript({"/usr/bin/python3"}, R"py(
import os, pty, sys, fcntl, termios, struct, signal
sys.stdout.reconfigure(line_buffering=True)
m, s = os.openpty()
print(os.ttyname(s).startswith("/dev/pts/"), os.isatty(s))
fcntl.ioctl(s, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
print(struct.unpack("HHHH", fcntl.ioctl(m, termios.TIOCGWINSZ, b"\0"*8))[:2])
os.write(m, b"typed\n"); print(os.read(s, 100))
again = os.open(os.ttyname(s), os.O_RDWR | os.O_NOCTTY); print(os.isatty(again)); os.close(again)
name = os.ttyname(s); os.close(s); os.close(m)
try: os.open(name, os.O_RDWR | os.O_NOCTTY); print("opened")
except OSError as e: print(e.errno)
pid, fd = pty.fork()
if pid == 0:
    t = os.open("/dev/tty", os.O_RDWR); os.write(t, b"by dev tty\n"); print(os.getsid(0) == os.getpid(), flush=True); os.execlp("sh", "sh", "-c", "tty | cut -c1-9; stty size; stty -echo; stty -a | grep -c -- -echo; exit 3")
out = b""
while True:
    try: d = os.read(fd, 1000)
    except OSError: break
    if not d: break
    out += d
print(out, os.waitpid(pid, 0)[1])
)py");
  ExpectSameScript(
      {"/bin/sh"},
      "script -qec 'echo in script; tty | cut -c1-8; stty size' /dev/null < /dev/null");
}

class OthersTerminalTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    script_ = R"sh(
      n=$(python3 -c 'import os; m, s = os.openpty(); print(os.ttyname(s))')
      echo "$n" > made.new; mv made.new made
      while ! [ -e outside ]; do sleep 0.01; done
      for flags in '>' '<' '<>'; do
        if eval "true $flags \"$(cat outside)\"" 2> /dev/null; then echo opened; else echo refused; fi
      done)sh";
  }
  std::string script_;
};

// Its number was the session's own before: that does not make it so.
TEST_F(OthersTerminalTest, IsRefusedUnderWhateverNumber) {
  Terminal watcher([this] {
    BecomeUser();
    execl("/bin/sh", "sh", "-c",
          ("cd " + mount_ +
           "; while ! [ -e made ]; do sleep 0.01; done; stty -echo; tty > "
           "outside.new; mv outside.new outside; exec sleep 1000")
              .c_str(),
          nullptr);
  });
  const CliResult inside =
      Cli({"run", "--mount", mount_, "--workdir", mount_, "--", "sh", "-c", script_});
  EXPECT_EQ(inside.out, "refused\nrefused\nrefused\n") << inside.err;
  int master = -1;
  int other_end = -1;
  std::string name(64, '\0');
  ASSERT_EQ(openpty(&master, &other_end, name.data(), nullptr, nullptr), 0);
  const int bare = open(name.c_str(), O_RDWR | O_NOCTTY);
  EXPECT_GE(bare, 0);  // the user could, but for the session
  for (const int fd : {bare, master, other_end}) close(fd);
}

// The number of a terminal that the session made and closed is given to the next one, outside.
TEST_F(OthersTerminalTest, IsRefusedUnderANumberThatWasTheSessions) {
  const pid_t session = Start({"run", "--mount", mount_, "--workdir", mount_, "--", "sh", "-c",
                               "(" + script_ + ") > result.new; mv result.new result"});
  ASSERT_TRUE(Eventually([&] { return access((mount_ + "/made").c_str(), F_OK) == 0; }));
  std::string made = ReadWholeFile(mount_ + "/made");
  made.pop_back();
  int master = -1;
  int other_end = -1;
  char name[64];
  ASSERT_EQ(openpty(&master, &other_end, name, nullptr, nullptr), 0);
  if (made != name) std::cout << "another number this time: " << made << ", " << name << "\n";
  std::ofstream(mount_ + "/outside.new") << name;
  ASSERT_EQ(rename((mount_ + "/outside.new").c_str(), (mount_ + "/outside").c_str()), 0);
  EXPECT_EQ(AwaitExit(session), 0);
  EXPECT_EQ(ReadWholeFile(mount_ + "/result"), "refused\nrefused\nrefused\n");
  close(master);
  close(other_end);
}

}  // namespace
}  // namespace sessionctl
