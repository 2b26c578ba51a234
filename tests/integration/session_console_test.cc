// A spawned session's streams: its log, its terminal, its input, and who is attached to them.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/integration/monitored_session.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class SessionLogsTest : public MonitoredTest {};
class AttachTest : public MonitoredTest {};
class ControlSocketTest : public MonitoredTest {};

std::string NumberedLines(int count) {
  std::string lines;
  for (int i = 1; i <= count; ++i) lines += "line " + std::to_string(i) + "\n";
  return lines;
}

TEST_F(SessionLogsTest, BothStreamsAreInOneOrder) {
  const std::string id =
      StartShell("i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done");
  EXPECT_EQ(WaitFor(id), "0\n");
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    expected += "out " + std::to_string(i) + "\nerr " + std::to_string(i) + "\n";
  }
  EXPECT_EQ(LogOf(id), expected);
  EXPECT_EQ(Inspect(id, "output_bytes"), std::to_string(expected.size()));
  EXPECT_EQ(Inspect(id, "output_lost_bytes"), "0");
}

TEST_F(SessionLogsTest, NothingIsLostAtARotation) {
  const std::string id = StartShell(
      "while ! [ -e go ]; do sleep 0.05; done; seq -f 'line %.0f' 30000", {"log=65536,20"});
  CliResult followed;
  std::thread follower([&] { followed = Cli({"logs", "-f", id}); });
  std::ofstream(mount_ + "/go") << "";
  EXPECT_EQ(WaitFor(id), "0\n");
  follower.join();
  const std::string expected = NumberedLines(30000);
  EXPECT_EQ(LogOf(id), expected);
  EXPECT_EQ(followed.out, expected) << "a follower sees the rotations no more than others";
  std::string pieces;
  for (int number = 5; number >= 0; --number) {
    const std::string name =
        DirectoryOf(id) + "/output.log" + (number > 0 ? "." + std::to_string(number) : "");
    const std::string piece = ReadWholeFile(name);
    EXPECT_LE(piece.size(), 65536U) << name;
    pieces += piece;
  }
  EXPECT_EQ(pieces, expected);
}

TEST_F(SessionLogsTest, SizeIsBoundedAndTheOldestGoes) {
  const std::string id = StartShell("seq -f 'line %.0f' 30000; exit 3", {"log=8192,2"});
  EXPECT_EQ(WaitFor(id), "3\n");
  const std::string log = LogOf(id);
  EXPECT_LE(log.size(), 2 * 8192U);
  EXPECT_GT(log.size(), 8192U);
  const std::string all = NumberedLines(30000);
  EXPECT_EQ(log, all.substr(all.size() - log.size()));
  EXPECT_FALSE(fs::exists(DirectoryOf(id) + "/output.log.2"));
  EXPECT_EQ(Inspect(id, "output_bytes"), std::to_string(all.size()));
}

TEST_F(SessionLogsTest, FullDiskLosesLinesAndNotTheSession) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a small file system";
  fs::create_directory(StateDirectory());
  if (mount("none", StateDirectory().c_str(), "tmpfs", 0, "size=96k,mode=0700") != 0) {
    GTEST_SKIP() << "needs the right to mount";
  }
  const std::string id = StartShell("seq -f 'line %.0f' 100000; exit 7");
  EXPECT_EQ(WaitFor(id), "7\n");
  EXPECT_EQ(Inspect(id, "state"), "\"exited\"") << "the last record has its place";
  const size_t lost = std::stoul(Inspect(id, "output_lost_bytes"));
  const size_t kept = std::stoul(Inspect(id, "output_bytes"));
  const std::string all = NumberedLines(100000);
  EXPECT_GT(lost, 0U);
  EXPECT_EQ(lost + kept, all.size());
  EXPECT_EQ(LogOf(id), all.substr(0, kept));
  umount2(StateDirectory().c_str(), MNT_DETACH);
}

TEST_F(SessionLogsTest, LimitOfTheCallersFilesIsNotTheLogs) {
  rlimit old, small;
  getrlimit(RLIMIT_FSIZE, &old);
  small = {.rlim_cur = 4096, .rlim_max = old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string id = StartShell("seq 10000");
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(WaitFor(id), "0\n");
  EXPECT_EQ(Inspect(id, "output_bytes"), "48894");
}

TEST_F(SessionLogsTest, CommandMayOpenItsOutputAnew) {
  const std::string id = StartShell("echo one > /dev/stdout; echo two > /dev/stderr");
  EXPECT_EQ(WaitFor(id), "0\n");
  EXPECT_EQ(LogOf(id), "one\ntwo\n");
}

// The streams are made by one user and used by another.
TEST_F(SessionLogsTest, AnotherUsersSessionMayOpenItsStreamsAnew) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to run a session as another user";
  policy_ = "[process]\nuser = \"nobody\"\n";
  fs::permissions(scratch_, fs::perms(0755));
  const std::string script =
      "echo out > /dev/stdout; echo err > /dev/stderr; echo tty > /dev/tty; echo $(id -un)";
  const std::string piped = StartShell(script);
  EXPECT_EQ(WaitFor(piped), "0\n");
  EXPECT_TRUE(LogOf(piped).starts_with("out\nerr\n")) << LogOf(piped);
  EXPECT_TRUE(LogOf(piped).ends_with("nobody\n")) << LogOf(piped);
  const std::string terminal = StartShell("echo name > $(tty); " + script, {"terminal=24x80"});
  EXPECT_EQ(WaitFor(terminal), "0\n");
  EXPECT_EQ(LogOf(terminal), "name\r\nout\r\nerr\r\ntty\r\nnobody\r\n");
}

TEST_F(AttachTest, SeesWhatWasAndWhatComesAndTheEnd) {
  const std::string id =
      StartShell("echo before; while ! [ -e go ]; do sleep 0.05; done; echo after; exit 9");
  ASSERT_TRUE(Eventually([&] { return LogOf(id) == "before\n"; }));
  StreamPeer first = Attach(id);
  StreamPeer second = Attach(id, /*replay=*/false);
  ASSERT_TRUE(first.See("before\n"));
  std::ofstream(mount_ + "/go") << "";
  const json end = first.End();
  EXPECT_EQ(end["code"], 9);
  EXPECT_EQ(end["reason"], "exited");
  EXPECT_EQ(first.out(), "before\nafter\n");
  EXPECT_EQ(second.End(), end);
  EXPECT_EQ(second.out(), "after\n");
  EXPECT_EQ(Inspect(id, "state"), "\"exited\"");
}

TEST_F(AttachTest, ReplayIsTheTailOfTheLog) {
  const std::string id = StartShell("seq -f 'line %.0f' 30000; exec sleep 1000", {"log=32768,20"});
  const std::string all = NumberedLines(30000);
  ASSERT_TRUE(Eventually([&] { return LogOf(id).size() == all.size(); }));
  StreamPeer peer = Attach(id);
  ASSERT_TRUE(peer.See("line 30000\n"));
  EXPECT_EQ(peer.out(), all.substr(all.size() - 65536));
}

TEST_F(AttachTest, InputIsFedAndEnds) {
  const std::string id = StartShell("cat; echo end; exit 4", {"stdin"});
  StreamPeer peer = Attach(id);
  peer.Send(kIn, "one\n");
  ASSERT_TRUE(peer.See("one\n"));
  const std::string large(300'000, 'x');
  for (size_t at = 0; at < large.size(); at += 50'000) peer.Send(kIn, large.substr(at, 50'000));
  peer.Send(kIn, "");
  const json end = peer.End();
  EXPECT_EQ(end["code"], 4);
  EXPECT_EQ(peer.out(), "one\n" + large + "end\n");
}

TEST_F(AttachTest, InputOfOneThatDoesNotReadHoldsUpNobody) {
  const std::string id =
      StartShell("echo ready; while ! [ -e go ]; do sleep 0.05; done; echo on; exit 0", {"stdin"});
  StreamPeer flooding = Attach(id);
  StreamPeer watching = Attach(id);
  // More than the pipe, the frame and the socket hold: the rest waits at the client.
  std::thread flood([&] {
    for (int i = 0; i < 40; ++i) flooding.Send(kIn, std::string(60'000, 'y'));
  });
  ASSERT_TRUE(watching.See("ready\n"));
  std::ofstream(mount_ + "/go") << "";
  EXPECT_EQ(watching.End()["code"], 0);
  flood.join();
}

TEST_F(AttachTest, WithoutInputStandardInputIsEmpty) {
  const std::string id = StartShell("cat; echo end");
  EXPECT_EQ(WaitFor(id), "0\n");
  EXPECT_EQ(LogOf(id), "end\n");
}

TEST_F(AttachTest, TerminalIsOneForTheCommand) {
  const std::string id = StartShell(
      "trap 'stty size; exit 8' WINCH; test -t 0 && test -t 1 && test -t 2 && echo is-a-tty; "
      "stty size; echo by-name > $(tty); echo by-dev-tty > /dev/tty; echo $TERM; "
      "test $(ps -o sid= -p $$) = $$ && echo leads; echo go-on; while :; do sleep 0.05; done",
      {"terminal=31x117"});
  StreamPeer peer = Attach(id);
  ASSERT_TRUE(peer.See("go-on")) << peer.out();
  EXPECT_EQ(peer.out().substr(0, peer.out().find("go-on")),
            "is-a-tty\r\n31 117\r\nby-name\r\nby-dev-tty\r\nxterm\r\nleads\r\n");
  peer.Send(kSize, std::string("\0\x2a\0\x5d", 4));
  ASSERT_TRUE(peer.See("42 93\r\n")) << peer.out();
  EXPECT_EQ(peer.End()["code"], 8);
  EXPECT_EQ(Inspect(id, "terminal"), "true");
}

TEST_F(AttachTest, KeysOfATerminalAreSignalsAndTheEndOfInput) {
  const std::string id = StartShell(
      "trap 'echo got-it' INT; echo ready; cat; cat; echo end; exit 5", {"terminal=24x80"});
  StreamPeer peer = Attach(id);
  ASSERT_TRUE(peer.See("ready"));
  peer.Send(kIn, "typed\r");
  ASSERT_TRUE(peer.See("typed\r\ntyped\r\n")) << peer.out();
  peer.Send(kIn, "\x03");
  ASSERT_TRUE(peer.See("got-it")) << peer.out();
  peer.Send(kIn, "");  // the second cat
  EXPECT_EQ(peer.End()["code"], 5);
}

TEST_F(AttachTest, DetachingLeavesTheSession) {
  const std::string id = StartShell("cat; echo end", {"stdin"});
  StreamPeer peer = Attach(id);
  peer.Send(kLeave, "");
  EXPECT_EQ(peer.End(), nullptr);
  StreamPeer again = Attach(id);
  again.Send(kIn, "still here\n");
  EXPECT_TRUE(again.See("still here\n"));
}

TEST_F(AttachTest, ClientThatNeverReadsIsDroppedAndHoldsUpNobody) {
  const std::string id = StartShell(
      "while ! [ -e go ]; do sleep 0.05; done; seq 1000000; echo all-written; "
      "while ! [ -e done ]; do sleep 0.05; done",
      {"log=65536,2"});
  const pid_t monitor = PidOf(id, "monitor");
  StreamPeer silent = Attach(id);
  StreamPeer reading = Attach(id);
  const int before = Descriptors(monitor);
  std::ofstream(mount_ + "/go") << "";
  ASSERT_TRUE(Eventually([&] { return LogOf(id).ends_with("all-written\n"); }));
  // It has lost its place in the log when it can be sent something again.
  while (silent.Next().has_value()) {
  }
  EXPECT_TRUE(silent.ended());
  EXPECT_NE(silent.complaint().find("too slow"), std::string::npos) << silent.complaint();
  EXPECT_LT(silent.out().size(), size_t{6} << 20);
  EXPECT_LT(Descriptors(monitor), before + 1);
  EXPECT_EQ(Inspect(id, "state"), "\"running\"");
}

TEST_F(AttachTest, SlowClientMissesNothing) {
  const std::string id = StartShell("while ! [ -e go ]; do sleep 0.05; done; seq 1000000; exit 6");
  StreamPeer slow = Attach(id);
  std::ofstream(mount_ + "/go") << "";
  EXPECT_EQ(WaitFor(id), "6\n") << "the session does not wait for it";
  const json end = slow.End();
  EXPECT_EQ(end["code"], 6);
  std::string expected;
  for (int i = 1; i <= 1'000'000; ++i) expected += std::to_string(i) + "\n";
  EXPECT_TRUE(slow.out() == expected) << slow.out().size() << " of " << expected.size();
}

TEST_F(AttachTest, WhatIsNoFrameIsToldAndDropsTheClientOnly) {
  const std::string id = StartShell("cat; echo end", {"stdin"});
  const std::vector<std::string> bad = {
      "GET / HTTP/1.1\r\n\r\n",
      std::string("\x09\0\0\0\0\0\0\0", 8),        // no such type
      std::string("\x00\x01\0\0\0\0\0\0", 8),      // not zero
      std::string("\0\0\0\0\x40\0\0\0", 8),        // 1 GiB announced
      std::string("\0\0\0\0\xff\xff\xff\xff", 8),  // more
      std::string("\x03\0\0\0\0\0\0\x03"
                  "abc",
                  11),                          // a size of three bytes
      std::string("\x01\0\0\0\0\0\0\x01x", 9),  // only a session sends this
  };
  for (const std::string& bytes : bad) {
    StreamPeer peer = Attach(id);
    peer.SendBytes(bytes);
    EXPECT_EQ(peer.End(), nullptr);
    EXPECT_TRUE(peer.ended());
    EXPECT_NE(peer.complaint(), "") << json(bytes).dump(-1, ' ', true);
  }
  StreamPeer half = Attach(id);
  half.SendBytes(std::string("\0\0\0\0\0\0\x10\0half", 12));
  half.Close();
  StreamPeer good = Attach(id);
  good.Send(kIn, "still here\n");
  EXPECT_TRUE(good.See("still here\n"));
}

TEST_F(AttachTest, SessionThatIsStoppedTellsItsClients) {
  const std::string id = StartShell("exec sleep 1000");
  StreamPeer peer = Attach(id);
  EXPECT_EQ(Cli({"stop", "-t", "5", id}).exit_code, 0);
  EXPECT_EQ(peer.End()["signal"], SIGTERM);
}

TEST_F(AttachTest, KilledMonitorEndsTheStream) {
  const std::string id = StartShell("exec sleep 1000");
  StreamPeer peer = Attach(id);
  ASSERT_EQ(kill(PidOf(id, "monitor"), SIGKILL), 0);
  EXPECT_EQ(peer.End(), nullptr);
  EXPECT_TRUE(peer.ended());
}

TEST_F(AttachTest, KilledBrokerIsTheEndThatIsTold) {
  const std::string id = StartShell("exec sleep 1000");
  StreamPeer peer = Attach(id);
  ASSERT_EQ(kill(PidOf(id, "broker"), SIGKILL), 0);
  EXPECT_EQ(peer.End()["reason"], "broker lost");
}

TEST_F(ControlSocketTest, BadRequestsGetTheirReason) {
  const std::string id = StartShell("exec sleep 1000");
  std::array<int, 2> ends;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const struct {
    std::string message;
    int descriptor;
  } bad[] = {
      {"{}", ends[0]},
      {"not json", ends[0]},
      {R"({"op":"attach"})", -1},
      {R"({"op":"attach"})", null},
      {R"({"op":"attach","early":"?"})", ends[0]},
      {R"({"op":"attach","rows":-1})", ends[0]},
      {R"({"op":"attach","rows":70000})", ends[0]},
      {R"({"op":"exec"})", ends[0]},
      {R"({"op":"exec","argv":[]})", ends[0]},
      {R"({"op":"exec","argv":[""]})", ends[0]},
      {R"({"op":"exec","argv":["true"],"environment":["novalue"]})", ends[0]},
      {R"({"op":"exec","argv":["true","a\u0000b"]})", ends[0]},
      {R"({"op":"exec","argv":["true",)" + std::string(140'000, ' ') + "\"x\"]}", ends[0]},
  };
  for (const auto& each : bad) {
    const int socket = ConnectToMonitor(DirectoryOf(id));
    ASSERT_GE(socket, 0);
    const json answer = AskMonitor(socket, each.message, each.descriptor);
    EXPECT_EQ(answer["error"]["code"], "bad_request") << each.message.substr(0, 100) << answer;
    close(socket);
  }
  close(null);
  for (const int fd : ends) close(fd);
  EXPECT_EQ(Inspect(id, "state"), "\"running\"");
}

TEST_F(ControlSocketTest, ThousandSilentConnectionsKeepNobodyOut) {
  const std::string id = StartShell("echo ready; exec sleep 1000");
  const pid_t monitor = PidOf(id, "monitor");
  const int before = Descriptors(monitor);
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  std::vector<int> sockets;
  for (int i = 0; i < 1000; ++i) {
    const int socket = ConnectToMonitor(DirectoryOf(id));
    ASSERT_GE(socket, 0);
    sockets.push_back(socket);
  }
  StreamPeer peer = Attach(id);
  EXPECT_TRUE(peer.See("ready\n"));
  EXPECT_LT(Descriptors(monitor), before + 64);
  for (const int socket : sockets) close(socket);
  peer.Close();
  EXPECT_TRUE(Eventually([&] { return Descriptors(monitor) == before; }));
}

TEST_F(ControlSocketTest, ClientsAreBounded) {
  const std::string id = StartShell("exec sleep 1000");
  std::vector<StreamPeer> peers;
  json answer;
  for (int i = 0; i < 70; ++i) {
    peers.emplace_back();
    answer = peers.back().Open(DirectoryOf(id), {{"op", "attach"}});
  }
  EXPECT_EQ(answer["error"]["code"], "too_many");
  peers.clear();
  EXPECT_TRUE(Eventually([&] {
    StreamPeer peer;
    return peer.Open(DirectoryOf(id), {{"op", "attach"}}) == json({{"ok", true}});
  }));
}

// The exit code of `in_child` in a child of the test.
int InChild(const std::function<int()>& in_child) {
  const pid_t child = fork();
  if (child == 0) _exit(in_child());
  return AwaitExit(child);
}

// 0: attached, 1: refused as not ours, 2: not even connected, 3: something else.
int TryToAttach(const std::string& directory) {
  const int socket = ConnectToMonitor(directory);
  if (socket < 0) return 2;
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) return 3;
  const json answer = AskMonitor(socket, R"({"op":"attach"})", ends[0]);
  if (answer.is_object() && answer.contains("ok")) return 0;
  // It may have been closed before it was asked.
  if (answer.is_null()) return 1;
  return answer["error"]["code"] == "not_yours" ? 1 : 3;
}

TEST_F(ControlSocketTest, AnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const std::string id = StartShell("exec sleep 1000");
  const auto other = [&] {
    return setresuid(12345, 12345, 12345) == 0 ? TryToAttach(DirectoryOf(id)) : 3;
  };
  EXPECT_EQ(InChild(other), 2) << "by the modes of the files";
  for (const std::string& path :
       {StateDirectory(), DirectoryOf(id), DirectoryOf(id) + "/control"}) {
    ASSERT_EQ(chmod(path.c_str(), 0777), 0);
  }
  EXPECT_EQ(InChild(other), 1) << "and by who it is";
  ASSERT_EQ(chmod(StateDirectory().c_str(), 0700), 0);
}

// A broker that was taken over can connect to any socket file of its user: Landlock has no right
// for that. It must not have something started outside.
TEST_F(ControlSocketTest, WhoIsConfinedMoreThanTheMonitorIsRefused) {
  const std::string id = StartShell("exec sleep 1000");
  EXPECT_EQ(InChild([&] { return TryToAttach(DirectoryOf(id)); }), 0);
  EXPECT_EQ(InChild([&] {
              sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
              const sock_fprog program = {.len = 1, .filter = &allow};
              if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
                return 3;
              }
              return TryToAttach(DirectoryOf(id));
            }),
            1);
}

TEST_F(ControlSocketTest, GoesWithTheSession) {
  const std::string id = StartShell("exit 0");
  WaitFor(id);
  EXPECT_TRUE(Eventually([&] { return !fs::exists(DirectoryOf(id) + "/control"); }));
  StreamPeer peer;
  EXPECT_EQ(peer.Open(DirectoryOf(id), {{"op", "attach"}}), nullptr);
  EXPECT_EQ(Cli({"prune"}).out, id + "\n");
}

}  // namespace
}  // namespace sessionctl
