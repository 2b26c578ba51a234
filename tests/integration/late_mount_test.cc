// Mounts that a session gets, and loses, while it runs: what works, what is refused, and what a
// session and its neighbours try to make of it.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/integration/late_mount_fixture.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

INSTANTIATE_TEST_SUITE_P(Users, LateMountTest, ::testing::Bool(), NameOfUser);

TEST_P(LateMountTest, WritableMountIsUsedByShellAndPython) {
  const std::string id = Idle();
  EXPECT_EQ(Shell(id, "test -e /mnt/data || echo absent").out, "absent\n");
  const CliResult added = Add(id, shared_ + ":/mnt/data:rw");
  ASSERT_EQ(added.exit_code, 0) << added.err;
  const CliResult shell =
      Shell(id,
            "cd /mnt/data && cat file && echo more >> file && mkdir d && mv file d/g && cat d/g && "
            "pwd; readlink -f d/g");
  EXPECT_EQ(shell.out, "shared\nshared\nmore\n/mnt/data\n/mnt/data/d/g\n") << shell.err;
  const CliResult python =
      Cli({"exec", id, "python3", "-c",
           "import os\nopen('/mnt/data/p','w').write('by python')\nos.chmod('/mnt/data/p', 0o600)\n"
           "os.rename('/mnt/data/p','/mnt/data/q')\nprint(open('/mnt/data/q').read())"});
  EXPECT_EQ(python.out, "by python\n") << python.err;
  EXPECT_EQ(ReadWholeFile(shared_ + "/d/g"), "shared\nmore\n") << "it is the host's directory";
  EXPECT_EQ(Added(id), std::vector<std::string>{"/mnt/data"});
  EXPECT_NE(Cli({"inspect", id}).out.find(shared_), std::string::npos);
}

TEST_P(LateMountTest, ReadOnlyMountIsReadOnly) {
  const std::string id = Idle();
  ASSERT_EQ(Add(id, shared_ + ":/mnt/data:ro").exit_code, 0);
  const CliResult result = Shell(
      id,
      "cat /mnt/data/file; for act in 'echo x > /mnt/data/file' 'echo x > /mnt/data/new' "
      "'mkdir /mnt/data/d' 'rm /mnt/data/file' 'chmod 777 /mnt/data/file' "
      "'mv /mnt/data/file /mnt/data/g'; do (eval \"$act\") 2>/dev/null && echo \"$act\"; done; "
      "echo end");
  EXPECT_EQ(result.out, "shared\nend\n");
  EXPECT_EQ(ReadWholeFile(shared_ + "/file"), "shared\n");
}

TEST_P(LateMountTest, RemovedMountIsGoneAndOpenFilesStay) {
  const std::string id = Idle();
  ASSERT_EQ(Add(id, shared_ + ":/mnt/data").exit_code, 0);
  const pid_t holder = Start({"exec", id, "sh", "-c",
                              "cd /mnt/data; exec 5>>file; touch ready; until test -e " + mount_ +
                                  "/go; do sleep 0.05; done; echo held >&5; "
                                  "(echo x > new) 2>/dev/null && echo written >&5; "
                                  "touch " +
                                  mount_ + "/done"});
  ASSERT_TRUE(Eventually([&] { return fs::exists(shared_ + "/ready"); }));
  const CliResult removed = Remove(id, "/mnt/data");
  ASSERT_EQ(removed.exit_code, 0) << removed.err;
  EXPECT_EQ(Shell(id,
                  "cat /mnt/data/file 2>&1; (echo x > /mnt/data/new) 2>&1; test -e /mnt/data "
                  "|| echo absent")
                .out.find("shared"),
            std::string::npos);
  EXPECT_EQ(Shell(id, "test -e /mnt/data || echo absent").out, "absent\n");
  std::ofstream(mount_ + "/go") << "";
  ASSERT_TRUE(Eventually([&] { return fs::exists(mount_ + "/done"); }));
  EXPECT_EQ(ReadWholeFile(shared_ + "/file"), "shared\nheld\n") << "by its descriptor, not by name";
  EXPECT_FALSE(fs::exists(shared_ + "/new"));
  EXPECT_EQ(Added(id), std::vector<std::string>{});
  AwaitExit(holder);
  ExpectRefused(Remove(id, "/mnt/data"), "no mount was added");
  ASSERT_EQ(Add(id, shared_ + ":/mnt/data:ro").exit_code, 0) << "the place is free again";
  EXPECT_EQ(Shell(id, "tail -1 /mnt/data/file").out, "held\n");
  // What an open of mountinfo tells is of now.
  const char* const count = "grep -c ' / /mnt/data ro,' /proc/self/mountinfo";
  EXPECT_EQ(Shell(id, count).out, "1\n");
  ASSERT_EQ(Remove(id, "/mnt/data").exit_code, 0);
  EXPECT_EQ(Shell(id, count).out, "0\n");
}

TEST_P(LateMountTest, MountsAreIslandsAndRootsStay) {
  const std::string id = Idle();
  const std::string other = MakeShared("other");
  ASSERT_EQ(Add(id, shared_ + ":/mnt/a").exit_code, 0);
  ASSERT_EQ(Add(id, other + ":/mnt/b").exit_code, 0);
  fs::create_symlink("/mnt/b", shared_ + "/link");
  const CliResult result =
      Cli({"exec", id, "python3", "-c",
           "import os,errno\n"
           "def attempt(f, *a):\n"
           "  try: f(*a); print('done', a)\n"
           "  except OSError as e: print(errno.errorcode[e.errno])\n"
           "attempt(os.rename, '/mnt/a/file', '/mnt/b/moved')\n"
           "attempt(os.link, '/mnt/a/file', '/mnt/b/linked')\n"
           "attempt(os.rename, '/mnt/a', '/mnt/c')\n"
           "attempt(os.rmdir, '/mnt/a')\n"
           "attempt(os.open, '/mnt/a/link/planted', os.O_CREAT | os.O_WRONLY)\n"
           "attempt(os.mkdir, '/mnt/new')"});
  EXPECT_EQ(result.out.find("done"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.substr(0, 12), "EXDEV\nEXDEV\n") << result.out;
  EXPECT_FALSE(fs::exists(other + "/planted"));
}

TEST_P(LateMountTest, NestedMountKeepsItsOwnMode) {
  const std::string id = Idle();
  fs::create_directory(shared_ + "/inner");
  fs::permissions(shared_ + "/inner", fs::perms::all);
  std::ofstream(shared_ + "/inner/file") << "inner\n";
  ASSERT_EQ(Add(id, shared_ + ":/mnt/data:rw").exit_code, 0);
  ExpectRefused(Add(id, shared_ + "/inner:/mnt/elsewhere:ro"), "would be seen twice");
  const CliResult nested = Add(id, shared_ + "/inner:/mnt/data/inner:ro");
  ASSERT_EQ(nested.exit_code, 0) << nested.err;
  const CliResult result = Shell(
      id,
      "cat /mnt/data/inner/file; (echo x > /mnt/data/inner/new) 2>/dev/null && echo written; "
      "mv /mnt/data/inner /mnt/data/moved 2>/dev/null && echo moved; echo x > /mnt/data/outer; "
      "echo end");
  EXPECT_EQ(result.out, "inner\nend\n") << result.err;
  EXPECT_TRUE(fs::exists(shared_ + "/outer"));
  ExpectRefused(Remove(id, "/mnt/data"), "lies below");
  EXPECT_EQ(Remove(id, "/mnt/data/inner").exit_code, 0);
  EXPECT_EQ(Shell(id, "echo x > /mnt/data/inner/new; cat /mnt/data/inner/new").out, "x\n");
  EXPECT_EQ(Remove(id, "/mnt/data").exit_code, 0);
}

TEST_P(LateMountTest, WhatAPolicyMayNotSayIsRefused) {
  const std::string id = Idle();
  ASSERT_EQ(Add(id, shared_ + ":/mnt/data").exit_code, 0);
  const std::string other = MakeShared("other");
  ExpectRefused(Add(id, shared_ + ":/mnt/again"), "is a mount already");
  ExpectRefused(Add(id, mount_ + ":/mnt/again"), "is a mount already");
  ExpectRefused(Add(id, other + ":/mnt/data"), "another mount is there already");
  ExpectRefused(Add(id, scratch_ + ":/mnt/around"), "would be seen twice");
  ExpectRefused(Add(id, other + ":/srv/data"), "below /mnt");
  ExpectRefused(Add(id, other + ":/mnt"), "below /mnt");
  ExpectRefused(Add(id, other + ":/mnt/../usr/x"), "below /mnt");
  ExpectRefused(Add(id, other), "below /mnt");
  ExpectRefused(Add(id, scratch_ + "/absent:/mnt/x"), "no such directory");
  ExpectRefused(Add(id, other + "/file:/mnt/x"), "not a directory");
  ExpectRefused(Add(id, "/:/mnt/x"), "the root directory cannot be a mount");
  ExpectRefused(Add(id, "/proc:/mnt/x"), "proc cannot be a mount");
  ExpectRefused(Add(id, other + ":/mnt/x:overlay"), "start only");
  ExpectRefused(Add(id, other + ":/mnt/data/absent/place"), "no place to mount it");
  ExpectRefused(Add("nosuchsession", other + ":/mnt/x"), "nosuchsession");
  EXPECT_EQ(Added(id), std::vector<std::string>{"/mnt/data"});
  EXPECT_EQ(Shell(id, "ls -d /mnt/x /mnt/again /mnt/around 2>/dev/null").out, "");
  EXPECT_EQ(Cli({"stop", id}).exit_code, 0);
  ExpectRefused(Add(id, other + ":/mnt/x"), "has ended");
  EXPECT_EQ(Added(id), std::vector<std::string>{"/mnt/data"}) << "what it had last";
}

TEST_P(LateMountTest, SessionWithoutReserveIsToldWhatItNeeded) {
  const std::string host = Idle({"--view", "host"});
  ExpectRefused(Add(host, shared_ + ":/mnt/data"), "reserve = true");
  ExpectRefused(Add(host, shared_ + ":/mnt/data"), "host's view");
  const std::string view = Idle({"--view", "private"});
  ExpectRefused(Add(view, shared_ + ":/mnt/data"), "reserve = true");
  ExpectRefused(Cli({"run", "--reserve", "--view", "host", "--mount", mount_, "--", "true"}),
                "filesystem.reserve");
}

TEST_P(LateMountTest, RecordsOfSessionsStayHidden) {
  const std::string id = Idle();
  std::string state = set_["SESSIONCTL_STATE_DIR"];
  if (state.empty()) state = set_["XDG_STATE_HOME"] + "/sessionctl";
  ASSERT_TRUE(fs::exists(state + "/" + id));
  ExpectRefused(Add(id, state + "/" + id + ":/mnt/x"), "holds the records of sessions");
  const CliResult around = Add(id, fs::path(state).parent_path().string() + ":/mnt/around");
  if (around.exit_code != 0) return;  // it holds a mount, too, and is refused for that
  EXPECT_EQ(Shell(id, "cat /mnt/around/*/*/state.json /mnt/around/*/state.json 2>/dev/null").out,
            "");
}

// The control: whoever resolves the name again finds the link.
TEST_P(LateMountTest, LinkInPlaceOfTheSourceLeadsNowhere) {
  const std::string id = Idle();
  const std::string vault = MakeShared("vault");
  const std::string victim = MakeShared("victim");
  std::atomic<bool> stop = false;
  std::thread neighbour([&] {
    while (!stop) {
      fs::rename(victim, victim + ".away");
      fs::create_directory_symlink(vault, victim);
      fs::remove(victim);
      fs::rename(victim + ".away", victim);
      usleep(200);
    }
  });
  int mounted = 0, redirected = 0, bare = 0;
  constexpr int kAttempts = 200;  // most of them meet the link, or nothing, and are refused
  for (int i = 0; i < kAttempts && mounted < 5; ++i) {
    for (int look = 0; look < 20'000 && bare == 0; ++look) {
      bare += ReadWholeFile(victim + "/file") == "vault\n" ? 1 : 0;
    }
    if (Add(id, victim + ":/mnt/data").exit_code != 0) continue;
    // A link that stood there when the command began was meant: then the record names the vault.
    const json list = json::parse(Cli({"mount", "ls", id, "--json"}).out, nullptr, false);
    const std::string recorded = list["mounts"].back().value("host", "");
    const std::string seen = Shell(id, "cat /mnt/data/file").out;
    redirected += (seen == "vault\n") != (recorded == vault) ? 1 : 0;
    ++mounted;
    ASSERT_EQ(Remove(id, "/mnt/data").exit_code, 0);
  }
  stop = true;
  neighbour.join();
  EXPECT_GT(bare, 0) << "the control: by its name, the vault is found";
  EXPECT_GT(mounted, 0);
  EXPECT_EQ(redirected, 0) << "of " << mounted;
  RecordProperty("mounted", mounted);
}

TEST_P(LateMountTest, BusySessionGetsAndLosesMounts) {
  const std::string id =
      Spawn({"--reserve", "--mount", mount_, "--cmd", "sh", "--", "-c",
             "for n in 1 2 3 4 5 6 7 8; do (while :; do echo $n > " + mount_ + "/f$n; mv " +
                 mount_ + "/f$n " + mount_ +
                 "/g$n; (echo $n > /mnt/data/f$n) "
                 "2>/dev/null; cat /mnt/data/file >/dev/null 2>&1; done) & done; wait"});
  ASSERT_TRUE(Eventually([&] { return fs::exists(mount_ + "/g8"); }));
  constexpr int kRounds = 8;
  for (int i = 0; i < kRounds; ++i) {
    const CliResult added = Add(id, shared_ + ":/mnt/data");
    ASSERT_EQ(added.exit_code, 0) << added.err;
    ASSERT_TRUE(Eventually([&] { return fs::exists(shared_ + "/f1"); })) << i;
    const CliResult removed = Remove(id, "/mnt/data");
    ASSERT_EQ(removed.exit_code, 0) << removed.err;
    for (int n = 1; n <= 8; ++n) fs::remove(shared_ + "/f" + std::to_string(n));
    usleep(100'000);
    EXPECT_FALSE(fs::exists(shared_ + "/f1")) << "somebody still writes, round " << i;
  }
  EXPECT_EQ(Inspect(id, "state"), "\"running\"");
}

TEST_P(LateMountTest, StoppedBrokerIsAnErrorAndNotAWait) {
  const std::string id = Idle();
  const pid_t broker = std::stoi(Inspect(id, "broker.pid"));
  ASSERT_EQ(kill(broker, SIGSTOP), 0);
  ExpectRefused(Add(id, shared_ + ":/mnt/data"), "does not answer");
  EXPECT_EQ(Added(id), std::vector<std::string>{});
  ASSERT_EQ(kill(broker, SIGCONT), 0);
  EXPECT_EQ(Shell(id, "cat /mnt/data/file 2>/dev/null; echo end").out, "end\n");
  const CliResult added = Add(id, shared_ + ":/mnt/data");
  ASSERT_EQ(added.exit_code, 0) << added.err;
  EXPECT_EQ(Shell(id, "cat /mnt/data/file").out, "shared\n");
}

TEST_P(LateMountTest, RestartedSessionBeginsWithoutThem) {
  const std::string id = Idle();
  ASSERT_EQ(Add(id, shared_ + ":/mnt/data").exit_code, 0);
  std::string again = Cli({"restart", id}).out;
  again = again.substr(0, again.find('\n'));
  ASSERT_FALSE(again.empty());
  EXPECT_EQ(Added(again), std::vector<std::string>{});
  EXPECT_EQ(Shell(again, "test -e /mnt/data || echo absent").out, "absent\n");
  EXPECT_EQ(Add(again, shared_ + ":/mnt/data").exit_code, 0);
}

// From inside, with the same program: the control outside is every other test.
TEST_P(LateMountTest, SessionMountsNothingItself) {
  const std::string id = Idle();
  const CliResult result =
      Shell(id,
            "mount --bind /usr /mnt 2>/dev/null && echo mounted; umount /mnt 2>/dev/null && echo "
            "unmounted; mkdir /mnt/x 2>/dev/null && echo made; python3 -c 'import ctypes\n"
            "c = ctypes.CDLL(None, use_errno=True)\n"
            "for nr in (165, 166, 155, 428, 429, 430, 432, 442, 308):\n"
            "  r = c.syscall(nr, 0, 0, 0, 0, 0)\n"
            "  if r >= 0: print(\"done\", nr)\n"
            "if c.syscall(272, 0x20000) == 0: print(\"unshared\")'; echo end");
  EXPECT_EQ(result.out, "end\n") << result.err;
}

}  // namespace
}  // namespace sessionctl
