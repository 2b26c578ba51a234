// The terminal side of attach and exec, on a terminal.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "tests/harness/child.h"
#include "tests/integration/monitored_session.h"
#include "tests/integration/terminal.h"

namespace sessionctl {
namespace {

class StreamClientTest : public MonitoredTest {
 protected:
  // A shell on a terminal; $A attaches to the session, $E executes in it.
  std::function<void()> Shell(const std::string& id) {
    return [this, id] {
      setenv("A", (Driver() + " attach " + StateDirectory() + " " + id).c_str(), 1);
      setenv("E", (Driver() + " exec " + StateDirectory() + " " + id).c_str(), 1);
      setenv("PS1", "$ ", 1);
      execlp("bash", "bash", "--norc", "--noprofile", "--noediting", "-i", nullptr);
    };
  }
};

constexpr char kRemember[] = "modes=$(stty -g)\n";
constexpr char kCompare[] = "test \"$modes\" = \"$(stty -g)\" && echo as-it\"\"-was\n";

TEST_F(StreamClientTest, AttachIsTheSessionsTerminalUntilTheDetachKeys) {
  const std::string id = StartSession({"env", "PS1=in: ", "sh", "-i"}, {"terminal=24x80"});
  Terminal terminal(Shell(id));
  terminal.Resize(33, 99);
  terminal.Type(kRemember);
  terminal.Type("$A terminal\n");
  ASSERT_TRUE(terminal.See("in: ")) << terminal.seen();
  terminal.Type("stty size\r");
  ASSERT_TRUE(terminal.See("33 99\r\n")) << terminal.seen();
  terminal.Resize(44, 88);
  terminal.Type("stty size\r");
  ASSERT_TRUE(terminal.See("44 88\r\n")) << terminal.seen();
  terminal.Type("echo sleep\"\"ing; sleep 100\r");
  ASSERT_TRUE(terminal.See("sleeping")) << terminal.seen();
  terminal.Type("\x03");  // to the sleep, not to us
  ASSERT_TRUE(terminal.See("in: ")) << terminal.seen();
  terminal.Type("echo \x10still-\"\"here\r");
  ASSERT_TRUE(terminal.See("still-here")) << terminal.seen();
  terminal.Type("\x10\x10\x11");
  ASSERT_TRUE(terminal.See("detached")) << terminal.seen();
  terminal.Type(kCompare);
  EXPECT_TRUE(terminal.See("as-it-was")) << terminal.seen();
  EXPECT_EQ(Inspect(id, "state"), "\"running\"");
}

TEST_F(StreamClientTest, DetachKeysCanBeChosenOrNone) {
  const std::string id = StartSession({"env", "PS1=in: ", "sh", "-i"}, {"terminal=24x80"});
  Terminal terminal(Shell(id));
  terminal.Type("$A terminal keys=ctrl-a,d\n");
  ASSERT_TRUE(terminal.See("in: ")) << terminal.seen();
  terminal.Type(
      "\x01"
      "d");
  ASSERT_TRUE(terminal.See("detached")) << terminal.seen();
  terminal.Type("$A keys=ctrl-nothing; echo code=$?\n");
  ASSERT_TRUE(terminal.See("is no key")) << terminal.seen();
  ASSERT_TRUE(terminal.See("code=125")) << terminal.seen();
}

TEST_F(StreamClientTest, TerminalIsPutBackWhenTheSessionEnds) {
  const std::string id = StartSession({"env", "PS1=in: ", "sh", "-i"}, {"terminal=24x80"});
  Terminal terminal(Shell(id));
  terminal.Type(kRemember);
  terminal.Type("$A terminal; echo code=$?\n");
  ASSERT_TRUE(terminal.See("in: ")) << terminal.seen();
  terminal.Type("exit 7\r");
  ASSERT_TRUE(terminal.See("code=7")) << terminal.seen();
  terminal.Type(kCompare);
  EXPECT_TRUE(terminal.See("as-it-was")) << terminal.seen();
}

TEST_F(StreamClientTest, TerminalIsPutBackWhenAnythingIsKilled) {
  for (const char* how : {"TERM", "HUP", "INT", "monitor"}) {
    SCOPED_TRACE(how);
    const std::string id = StartSession({"env", "PS1=in: ", "sh", "-i"}, {"terminal=24x80"});
    Terminal terminal(Shell(id));
    terminal.Type(kRemember);
    terminal.Type("$A terminal & echo $! > " + mount_ + "/client; fg; echo code=$?\n");
    ASSERT_TRUE(terminal.See("in: ")) << terminal.seen();
    const auto client = static_cast<pid_t>(std::stol(ReadWholeFile(mount_ + "/client")));
    const std::string name = how;
    if (name == "monitor") {
      kill(PidOf(id, "monitor"), SIGKILL);
      ASSERT_TRUE(terminal.See("code=124")) << terminal.seen();
    } else {
      kill(client, name == "TERM" ? SIGTERM : name == "HUP" ? SIGHUP : SIGINT);
      // A shell takes the end of a job by SIGINT as one of its own command, and prints no code.
      ASSERT_TRUE(terminal.See(name == "TERM"  ? "code=143"
                               : name == "HUP" ? "code=129"
                                               : "$ "))
          << terminal.seen();
    }
    terminal.Type(kCompare);
    EXPECT_TRUE(terminal.See("as-it-was")) << terminal.seen();
  }
}

TEST_F(StreamClientTest, ExecHasATerminalAndItsCode) {
  const std::string id = StartSession({"sleep", "1000"});
  Terminal terminal(Shell(id));
  terminal.Resize(25, 81);
  terminal.Type(
      "$E terminal -- sh -c 'stty size; read line; echo got-$line; exit 9'; echo code=$?\n");
  ASSERT_TRUE(terminal.See("25 81\r\n")) << terminal.seen();
  terminal.Type("typed\r");
  ASSERT_TRUE(terminal.See("got-typed")) << terminal.seen();
  EXPECT_TRUE(terminal.See("code=9")) << terminal.seen();
}

TEST_F(StreamClientTest, WithoutATerminalStreamsAreApartAndInputEnds) {
  const std::string id = StartSession({"sleep", "1000"});
  const harness::Outcome outcome =
      harness::Run({.argv = {"sh", "-c",
                             "seq 100000 | " + Driver() + " exec " + StateDirectory() + " " + id +
                                 " -- sh -c 'cat; echo to-err >&2; exit 3'"}});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.out.size(), 588'895U);
  EXPECT_TRUE(outcome.out.ends_with("\n100000\n"));
  EXPECT_EQ(outcome.err, "to-err\nreason=exited\n");
}

}  // namespace
}  // namespace sessionctl
