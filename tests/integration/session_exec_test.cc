// What is executed in a running session, and the session's init, which starts it.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/integration/monitored_session.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Where the numbers that processes know themselves by are those out here.
constexpr char kHostView[] = "[filesystem]\nview = \"host\"\n";

class ExecTest : public MonitoredTest {};
class InitTest : public MonitoredTest {};
class HostileInitTest : public MonitoredTest {};
class SessionRecordTest : public MonitoredTest {};

TEST_F(ExecTest, StreamsAreApartAndTheCodeComes) {
  const std::string id = StartShell("exec sleep 1000");
  std::string out, err;
  const json end = RunIn(id, {"sh", "-c", "echo to-out; echo to-err >&2; exit 42"}, &out, &err);
  EXPECT_EQ(end["code"], 42);
  EXPECT_EQ(end["reason"], "exited");
  EXPECT_EQ(out, "to-out\n");
  EXPECT_EQ(err, "to-err\n");
  EXPECT_EQ(RunIn(id, {"sh", "-c", "kill -USR1 $$"})["signal"], SIGUSR1);
  EXPECT_EQ(LogOf(id), "") << "it is not the session's output";
}

TEST_F(ExecTest, LargeOutputIsComplete) {
  const std::string id = StartShell("exec sleep 1000");
  std::string out;
  EXPECT_EQ(RunIn(id, {"seq", "300000"}, &out)["code"], 0);
  EXPECT_EQ(out.size(), 1'988'895U);
}

TEST_F(ExecTest, ArgumentsEnvironmentDirectoryAndPathAreAsAsked) {
  policy_ = "[environment]\nset = { BASE = \"kept\", BOTH = \"old\" }\n";
  const std::string id = StartShell("exec sleep 1000");
  fs::create_directory(mount_ + "/below");
  std::ofstream(mount_ + "/below/tool") << "echo script \"$1\"";
  fs::permissions(mount_ + "/below/tool", fs::perms(0755));
  json request = ExecRequest(
      {"sh", "-c", "echo $BASE $BOTH $NEW; pwd; echo \"$0|$1\"; cat; ulimit -c", "a b", ""});
  request["environment"] = {"BOTH=new", "NEW=x=y"};
  request["workdir"] = mount_ + "/below";
  StreamPeer peer = Exec(id, request);
  EXPECT_EQ(peer.End()["code"], 0);
  EXPECT_TRUE(peer.out().starts_with("kept new x=y\n" + mount_ + "/below\na b|\n")) << peer.out();
  request = ExecRequest({"tool", "arg"});
  request["environment"] = {"PATH=" + mount_ + "/below:/usr/bin:/bin"};
  StreamPeer by_path = Exec(id, request);
  EXPECT_EQ(by_path.End()["code"], 0) << by_path.complaint();
  EXPECT_EQ(by_path.out(), "script arg\n") << "without #! the shell runs it, as execvp does";
}

TEST_F(ExecTest, WhatCannotBeExecutedSaysWhy) {
  const std::string id = StartShell("exec sleep 1000");
  std::string err;
  EXPECT_EQ(RunIn(id, {"no-such-program"}, nullptr, &err)["code"], 127);
  EXPECT_EQ(err, "no-such-program: No such file or directory");
  EXPECT_EQ(RunIn(id, {"/etc/passwd"}, nullptr, &err)["code"], 126);
  EXPECT_EQ(err, "/etc/passwd: Permission denied");
  json request = ExecRequest({"true"});
  request["workdir"] = mount_ + "/missing";
  StreamPeer peer = Exec(id, request);
  EXPECT_EQ(peer.End()["code"], 125);
  EXPECT_EQ(peer.complaint(), "entering the working directory: No such file or directory");
}

TEST_F(ExecTest, InputIsFedAndEnds) {
  const std::string id = StartShell("exec sleep 1000");
  json request = ExecRequest({"sh", "-c", "wc -c; exit 3"});
  request["stdin"] = true;
  StreamPeer peer = Exec(id, request);
  for (int i = 0; i < 10; ++i) peer.Send(kIn, std::string(50'000, 'x'));
  peer.Send(kIn, "");
  EXPECT_EQ(peer.End()["code"], 3);
  EXPECT_EQ(peer.out(), "500000\n");
}

TEST_F(ExecTest, TerminalIsOneForTheProgram) {
  const std::string id = StartShell("exec sleep 1000");
  json request = ExecRequest({"sh", "-c",
                              "trap 'stty size; exit 8' WINCH; stty size; echo by-name > $(tty); "
                              "echo by-dev-tty > /dev/tty; "
                              "echo $TERM; echo go-on; while :; do sleep 0.05; done"});
  request.update({{"terminal", true}, {"rows", 20}, {"cols", 70}, {"stdin", true}});
  StreamPeer peer = Exec(id, request);
  ASSERT_TRUE(peer.See("go-on")) << peer.out() << peer.complaint();
  EXPECT_EQ(peer.out().substr(0, peer.out().find("go-on")),
            "20 70\r\nby-name\r\nby-dev-tty\r\nxterm\r\n");
  peer.Send(kSize, std::string("\0\x15\0\x47", 4));
  EXPECT_EQ(peer.End()["code"], 8) << peer.out();
  EXPECT_TRUE(peer.out().ends_with("21 71\r\n")) << peer.out();
}

TEST_F(ExecTest, LeavingATerminalHangsUp) {
  const std::string id = StartShell("exec sleep 1000");
  json request = ExecRequest(
      {"sh", "-c", "trap ': > hung-up; exit' HUP; : > ready; while :; do sleep 0.05; done"});
  request["terminal"] = true;
  StreamPeer peer = Exec(id, request);
  ASSERT_TRUE(Appears("ready"));
  peer.Close();
  EXPECT_TRUE(Appears("hung-up"));
}

// The same walls, the same broker, the same processes.
TEST_F(ExecTest, IsInTheSession) {
  const std::string id =
      StartShell("echo $$ > number; trap 'exit 21' USR1; : > ready; while :; do sleep 0.05; done");
  ASSERT_TRUE(Appears("ready"));
  std::string err;
  EXPECT_EQ(RunIn(id, {"sh", "-c", "echo x > made"})["code"], 0);
  EXPECT_EQ(ReadWholeFile(mount_ + "/made"), "x\n");
  RunIn(id, {"sh", "-c", "echo x > " + scratch_ + "/escaped"}, nullptr, &err);
  EXPECT_FALSE(fs::exists(scratch_ + "/escaped"));
  std::ofstream(scratch_ + "/secret") << "secret";
  EXPECT_NE(RunIn(id, {"cat", scratch_ + "/secret"}, nullptr, &err)["code"], 0);
  const std::string outside = std::to_string(getpid());
  EXPECT_NE(RunIn(id, {"sh", "-c", "kill -0 " + outside}, nullptr, &err)["code"], 0);
  std::string status;
  RunIn(id, {"cat", "/proc/self/status"}, &status);
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos) << status;
  EXPECT_NE(status.find("Seccomp:\t2"), std::string::npos) << status;
  for (const char* mask : {"CapEff:", "SigBlk:", "SigIgn:", "SigCgt:"}) {
    EXPECT_NE(status.find(std::string(mask) + "\t0000000000000000"), std::string::npos) << status;
  }
  std::string descriptors;
  RunIn(id,
        {"sh", "-c",
         "for n in 0 1 2 3 4 5 6 7 8 9 10 11; do test -e /proc/$$/fd/$n && echo $n; done"},
        &descriptors);
  EXPECT_EQ(descriptors, "0\n1\n2\n");
  EXPECT_EQ(RunIn(id, {"sh", "-c", "read number < number && kill -USR1 $number"})["code"], 0);
  EXPECT_EQ(WaitFor(id), "21\n");
}

TEST_F(ExecTest, LimitsAreTheSessions) {
  policy_ = "[limits]\nopen_files = 33\nfile_size = \"8K\"\n";
  const std::string id = StartShell("exec sleep 1000");
  std::string out;
  RunIn(id, {"sh", "-c", "ulimit -n; ulimit -H -n; ulimit -f"}, &out);
  EXPECT_EQ(out, "33\n33\n16\n");
}

TEST_F(ExecTest, ManyAtOnceAreBoundedAndLeaveNothing) {
  const std::string id = StartShell("exec sleep 1000");
  const pid_t monitor = PidOf(id, "monitor");
  const pid_t init = InitOf(id);
  ASSERT_GT(init, 0);
  const int before = Descriptors(monitor);
  const int before_in_init = Descriptors(init);
  std::vector<StreamPeer> waiting(40);
  int refused = 0;
  for (StreamPeer& peer : waiting) {
    json request = ExecRequest({"cat"});
    request["stdin"] = true;
    const json answer = peer.Open(DirectoryOf(id), request);
    if (answer.contains("error")) {
      EXPECT_EQ(answer["error"]["code"], "too_many");
      ++refused;
    }
  }
  EXPECT_EQ(refused, 8);
  for (StreamPeer& peer : waiting) peer.Send(kIn, "");
  for (StreamPeer& peer : waiting) peer.End();
  for (int i = 0; i < 200; ++i) {
    std::string out;
    ASSERT_EQ(RunIn(id, {"echo", "-n", std::to_string(i)}, &out)["code"], 0) << i;
    ASSERT_EQ(out, std::to_string(i));
  }
  waiting.clear();
  EXPECT_TRUE(Eventually([&] { return Descriptors(monitor) == before; })) << Descriptors(monitor);
  EXPECT_EQ(Descriptors(init), before_in_init);
  const std::string children =
      "/proc/" + std::to_string(init) + "/task/" + std::to_string(init) + "/children";
  EXPECT_EQ(ReadWholeFile(children), "");
  EXPECT_EQ(Inspect(id, "state"), "\"running\"");
}

TEST_F(ExecTest, EndsWithTheSession) {
  policy_ = kHostView;
  const std::string id = StartShell("while ! [ -e go ]; do sleep 0.05; done; exit 0");
  json request =
      ExecRequest({"sh", "-c", "echo $$ > child.new; mv child.new child; exec sleep 1000"});
  StreamPeer peer = Exec(id, request);
  ASSERT_TRUE(Appears("child"));
  const pid_t init = InitOf(id);
  const auto child = static_cast<pid_t>(std::stol(ReadWholeFile(mount_ + "/child")));
  EXPECT_TRUE(Alive(init) && Alive(child));
  std::ofstream(mount_ + "/go") << "";
  EXPECT_EQ(peer.End()["signal"], SIGKILL);
  EXPECT_EQ(WaitFor(id), "0\n");
  EXPECT_FALSE(Alive(init) || Alive(child));
}

TEST_F(ExecTest, StoppedBrokerHoldsUpNeitherTheMonitorNorTheEnd) {
  const std::string id = StartShell("echo ready; exec sleep 1000");
  ASSERT_EQ(kill(PidOf(id, "broker"), SIGSTOP), 0);
  StreamPeer waiting = Exec(id, ExecRequest({"sh", "-c", "echo x > made"}));
  StreamPeer attached = Attach(id);
  EXPECT_TRUE(attached.See("ready\n"));
  ASSERT_EQ(kill(PidOf(id, "monitor"), SIGTERM), 0);
  EXPECT_EQ(WaitFor(id), "137\n");
  // The broker is continued to be ended: the call that waited for it may be served first.
  const json end = waiting.End();
  EXPECT_TRUE(end["signal"] == SIGKILL || end["code"] == 0) << end;
  EXPECT_EQ(attached.End()["reason"], "stopped");
}

TEST_F(InitTest, CommandSeesNothingOfIt) {
  policy_ = kHostView;
  const std::string id = StartShell(
      "echo pid=$$ ppid=$(echo $(ps -o ppid= -p $$)) group=$(echo $(ps -o pgid= -p $$)) "
      "sid=$(echo $(ps -o sid= -p $$)); "
      "cat /proc/$$/task/$$/children; echo; ls /proc/$$/fd | wc -l; ps -o pid= -g $$ | wc -l; "
      "exec sleep 1000");
  ASSERT_TRUE(Eventually([&] {
    const std::string log = LogOf(id);
    return std::count(log.begin(), log.end(), '\n') >= 4;
  })) << LogOf(id);
  const std::string pid = std::to_string(PidOf(id, "process"));
  const std::string broker = std::to_string(PidOf(id, "broker"));
  const std::string log = LogOf(id);
  EXPECT_TRUE(log.starts_with("pid=" + pid + " ppid=" + broker + " group=" + pid + " sid=" + pid))
      << log;
  const pid_t init = InitOf(id);
  ASSERT_GT(init, 0);
  EXPECT_EQ(getsid(init), init);
  EXPECT_EQ(getpgid(init), init);
  EXPECT_EQ(log.find(std::to_string(init)), std::string::npos) << log;
  EXPECT_EQ(Descriptors(static_cast<pid_t>(std::stol(pid))), 3);
  EXPECT_EQ(Descriptors(init), 4) << "/dev/null three times, and the monitor's channel";
}

TEST_F(InitTest, RunHasNone) {
  const CliResult result =
      Cli({"run", "--view", "host", "--", "sh", "-c", "ps -o comm= --ppid $PPID"});
  EXPECT_EQ(result.out, "sh\n") << result.err;
}

TEST_F(InitTest, ReapsWhatItStartedAndItsOrphansGoToTheBroker) {
  policy_ = kHostView;
  const std::string id = StartShell("exec sleep 1000");
  EXPECT_EQ(RunIn(id, {"sh", "-c", "(sleep 0.2; exit 1) & (sleep 0.3) & exit 0"})["code"], 0);
  const std::string broker = std::to_string(PidOf(id, "broker"));
  EXPECT_TRUE(Eventually([&] {
    const std::string children = ReadWholeFile("/proc/" + broker + "/task/" + broker + "/children");
    return std::count(children.begin(), children.end(), ' ') == 2;  // the command and init
  }));
}

TEST_F(InitTest, OtherSignalsToAllDoNotReachIt) {
  const std::string id = StartShell("trap '' HUP; exec sleep 1000");
  RunIn(id, {"sh", "-c", "kill -HUP -1"});
  const pid_t init = InitOf(id);
  EXPECT_GT(init, 0);
  EXPECT_TRUE(Alive(init));
}

TEST_F(InitTest, WhenItIsKilledExecSaysSoAndTheSessionGoesOn) {
  policy_ = kHostView;
  const std::string id = StartShell("while ! [ -e go ]; do sleep 0.05; done; echo on; exit 5");
  StreamPeer running = Exec(id, ExecRequest({"sleep", "1000"}));
  const std::string init = std::to_string(InitOf(id));
  StreamPeer killer = Exec(id, ExecRequest({"sh", "-c", "kill -KILL " + init}));
  const json end = running.End();
  EXPECT_EQ(end["reason"], "init lost");
  EXPECT_NE(running.complaint().find("killed its init"), std::string::npos) << running.complaint();
  killer.End();
  StreamPeer later;
  const json answer = later.Open(DirectoryOf(id), ExecRequest({"true"}));
  EXPECT_EQ(answer["error"]["code"], "not_possible");
  EXPECT_NE(answer["error"]["message"].get<std::string>().find("killed its init"),
            std::string::npos);
  std::ofstream(mount_ + "/go") << "";
  EXPECT_EQ(WaitFor(id), "5\n");
}

TEST_F(InitTest, WhenItIsStoppedExecSaysSoAndTheSessionGoesOn) {
  const std::string id = StartShell("while ! [ -e go ]; do sleep 0.05; done; exit 5");
  ASSERT_EQ(kill(InitOf(id), SIGSTOP), 0);
  StreamPeer peer = Exec(id, ExecRequest({"true"}));
  EXPECT_EQ(peer.End(), nullptr);
  EXPECT_NE(peer.complaint().find("does not answer"), std::string::npos) << peer.complaint();
  std::ofstream(mount_ + "/go") << "";
  EXPECT_EQ(WaitFor(id), "5\n");
}

TEST_F(InitTest, IsNoneOfThePids) {
  policy_ = "[limits]\npids = 1\n";
  const std::string id = StartSession({"sleep", "1"});  // many looks long
  EXPECT_EQ(WaitFor(id), "0\n");
  EXPECT_EQ(Inspect(id, "exit.reason"), "\"exited\"");
  policy_ = "[limits]\npids = 2\n";
  const std::string second = StartSession({"sleep", "1000"});
  StreamPeer one = Exec(second, ExecRequest({"sleep", "1000"}));
  StreamPeer two;
  two.Open(DirectoryOf(second), ExecRequest({"sleep", "1000"}));
  // What was executed is counted: either it is not started, or it ends the session.
  two.End();
  const std::string complaint = two.complaint();
  const bool refused = complaint.find("Resource temporarily unavailable") != std::string::npos;
  if (!refused) {
    EXPECT_EQ(WaitFor(second), "137\n");
    EXPECT_EQ(Inspect(second, "exit.reason"), "\"pids\"");
  }
}

// Whatever an init says that belongs to its session: the monitor goes on, and so does everything
// but exec.
TEST_F(HostileInitTest, HarmsNobody) {
  driver_ = "session_driver_hostile_init";
  for (const char* wish : {"F", "f", "l", "d", "e", "t", "x"}) {
    SCOPED_TRACE(wish);
    std::ofstream(mount_ + "/HOSTILE_INIT") << wish;
    fs::remove(mount_ + "/go");
    const std::string id =
        StartShell("echo ready; while ! [ -e go ]; do sleep 0.05; done; echo on; exit 5");
    const pid_t monitor = PidOf(id, "monitor");
    StreamPeer attached = Attach(id);
    const int before = Descriptors(monitor);
    StreamPeer peer;
    const json answer = peer.Open(DirectoryOf(id), ExecRequest({"true"}));
    if (answer.contains("ok")) {
      const json end = peer.End();
      EXPECT_TRUE(end.is_null() || end["reason"] == "init lost" || end["reason"] == "exited" ||
                  end["reason"] == "signal")
          << end;
    } else {
      EXPECT_EQ(answer["error"]["code"], "not_possible") << answer;
    }
    peer.Close();
    EXPECT_TRUE(attached.See("ready\n"));
    EXPECT_TRUE(Eventually([&] { return Descriptors(monitor) <= before; })) << Descriptors(monitor);
    std::ofstream(mount_ + "/go") << "";
    EXPECT_EQ(attached.End()["code"], 5);
    EXPECT_EQ(WaitFor(id), "5\n");
    EXPECT_EQ(LogOf(id), "ready\non\n");
  }
}

TEST_F(SessionRecordTest, UseIsRecorded) {
  const std::string id = StartShell(
      "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; "
      "(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done) & wait; exit 0");
  EXPECT_EQ(WaitFor(id), "0\n");
  EXPECT_GT(std::stol(Inspect(id, "usage.cpu_user_us")), 10'000);
  EXPECT_GE(std::stol(Inspect(id, "usage.cpu_system_us")), 0);
  EXPECT_GT(std::stol(Inspect(id, "usage.peak_memory_bytes")), 500'000);
}

TEST_F(SessionRecordTest, PolicyThatCannotBeMetIsTheReason) {
  policy_ = "[[mount]]\nhost = \"" + scratch_ + "/missing\"\n";
  const std::string text = TryStart({"true"});
  const std::string id = text.substr(0, 12);
  EXPECT_TRUE(text.substr(13).starts_with("125 ")) << text;
  EXPECT_EQ(Inspect(id, "state"), "\"failed\"");
  EXPECT_TRUE(Inspect(id, "exit.reason").starts_with("\"policy error: ")) << Inspect(id, "exit");
  EXPECT_NE(Inspect(id, "exit.reason").find("missing"), std::string::npos);
}

TEST_F(SessionRecordTest, OptionsOfTheMonitorAreRecordedAndKept) {
  const int lock = open((scratch_ + "/place.lock").c_str(), O_RDWR | O_CREAT, 0600);
  const std::string id = StartShell(
      "umask; exec sleep 1000", {"label=tier=web", "umask=027", "keep=" + std::to_string(lock)});
  EXPECT_EQ(Inspect(id, "labels.tier"), "\"web\"");
  EXPECT_TRUE(Eventually([&] { return LogOf(id) == "0027\n"; })) << LogOf(id);
  const auto holds = [&](const std::string& part) {
    const std::string fds = "/proc/" + std::to_string(PidOf(id, part)) + "/fd";
    for (const auto& entry : fs::directory_iterator(fds)) {
      std::error_code error;
      if (fs::read_symlink(entry.path(), error) == scratch_ + "/place.lock") return true;
    }
    return false;
  };
  EXPECT_TRUE(holds("monitor"));
  EXPECT_FALSE(holds("broker"));
  EXPECT_FALSE(holds("process"));
  close(lock);
}

}  // namespace
}  // namespace sessionctl
