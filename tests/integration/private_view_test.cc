// Sessions with a root of their own: mounts at guest paths, process ids, what of the host is there,
// and attacks on all of it, each with its bare control.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class PrivateViewTest : public SpawningCliTest {
 protected:
  void SetUp() override {
    SpawningCliTest::SetUp();
    std::ofstream(scratch_ + "/secret") << "secret\n";
    chmod((scratch_ + "/secret").c_str(), 0644);
  }
  std::vector<std::string> Inside(const std::string& script,
                                  std::vector<std::string> flags = {}) const {
    std::vector<std::string> args = {"run", "--mount", mount_ + ":/mnt/data", "--workdir",
                                     "/mnt/data"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--", "sh", "-c", script});
    return args;
  }
  // The mount at the host's path, and reads native.
  CliResult InNativeView(const std::vector<std::string>& command) {
    const std::string policy = scratch_ + "/policy.toml";
    std::ofstream(policy) << "version = 1\nextends = [\"default\"]\n[filesystem]\n"
                             "view = \"private\"\ntmp = \"none\"\n";
    chmod(policy.c_str(), 0644);
    std::vector<std::string> args = {"run", "--policy", policy, "--mount", mount_, "--"};
    args.insert(args.end(), command.begin(), command.end());
    return Cli(args);
  }
  CliResult Shell(const std::string& script, const std::vector<std::string>& flags = {}) {
    return Cli(Inside(script, flags));
  }
};

INSTANTIATE_TEST_SUITE_P(Users, PrivateViewTest, ::testing::Bool(), NameOfUser);

TEST_P(PrivateViewTest, MountIsSeenAtItsGuestPath) {
  const CliResult result = Shell(
      "pwd; echo hello > f; mkdir d; mv f d/g; cat /mnt/data/d/g; readlink -f d/g; "
      "readlink /proc/self/cwd; cp /bin/true t; ./t && /mnt/data/t && echo executed");
  EXPECT_EQ(result.out, "/mnt/data\nhello\n/mnt/data/d/g\n/mnt/data\nexecuted\n") << result.err;
  EXPECT_EQ(ReadWholeFile(mount_ + "/d/g"), "hello\n") << "it is the host's directory";
}

TEST_P(PrivateViewTest, NothingElseOfTheHostIsThere) {
  const std::string script = "cat " + scratch_ + "/secret; test -e " + scratch_ + " || echo absent";
  const CliResult result = Shell(script);
  EXPECT_EQ(result.out, "absent\n") << result.err;
  EXPECT_EQ(ReadWholeFile(scratch_ + "/secret"), "secret\n") << "the control: it can be read";
  EXPECT_EQ(Shell("ls " + mount_).exit_code, 2) << "not even the mount by the host's name";
  EXPECT_EQ(Shell("test -e /home || test -e /root || test -e /boot || echo none").out, "none\n");
}

// The control is the host's view of the same directory, where the way there is told.
TEST_P(PrivateViewTest, HostsPathsAreNotTold) {
  const std::string name = fs::path(mount_).filename();
  const std::string script =
      "for f in self thread-self 1 $$/task/$$ self/cwd/../../proc/self; do "
      "cat /proc/$f/mountinfo; done; cat /proc/mounts; cat /proc/self/mountstats; "
      "cat /proc/self/maps; pwd; df . > /dev/null && echo df";
  const CliResult result = Shell(script, {"--rox", "/usr/bin"});
  EXPECT_EQ(result.out.find(scratch_), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("/" + name + " "), std::string::npos) << result.out;
  EXPECT_TRUE(result.out.ends_with("df\n")) << result.out << result.err;
  EXPECT_NE(result.out.find(" /mnt/data "), std::string::npos) << "its guest path is told";
  // Each of them shows the mount, by another name of the same file, too.
  const CliResult counted = Shell(
      "for f in self thread-self 1 $$/task/$$ self/cwd/../../proc/self; do "
      "grep -c ' / /mnt/data ' /proc/$f/mountinfo; done; exec 5< /proc/self/mountinfo; "
      "grep -c ' / /mnt/data ' /proc/self/fd/5; grep -c ' / /mnt/data ' <&5; "
      "for to in /proc/self/mountinfo /proc/self/fd/5; do "
      "(echo x > $to) 2>/dev/null && echo written; (echo x >> $to) 2>/dev/null && echo written; "
      "done; chmod 777 /proc/self/fd/5 2>/dev/null && echo changed; findmnt -no TARGET -T .");
  EXPECT_EQ(counted.out, "1\n1\n1\n1\n1\n1\n1\n/mnt/data\n") << counted.err;
  const CliResult control = InNativeView({"cat", "/proc/self/mountinfo"});
  EXPECT_NE(control.out.find("/" + name + " "), std::string::npos) << control.out << control.err;
}

TEST_P(PrivateViewTest, DirectoriesOnTheWayAreListed) {
  const CliResult result = Shell("ls / > top; ls /mnt; grep -cx usr top; ls -a / | grep -c home");
  EXPECT_EQ(result.out, "data\n1\n0\n") << result.err;
  const CliResult native = InNativeView({"sh", "-c", "ls / | grep -x usr"});
  EXPECT_EQ(native.out, "usr\n") << native.err;
}

// The rule names it by the host's path, through a link too.
TEST_P(PrivateViewTest, NamedSocketIsThere) {
  const std::string script =
      "import socket,sys\n"
      "s=socket.socket(socket.AF_UNIX)\n"
      "try: s.connect(sys.argv[1]); print('connected')\n"
      "except OSError as e: print(e.strerror)";
  const std::string path = scratch_ + "/socket";
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(server, 8), 0);
  chmod(path.c_str(), 0666);
  const auto connect = [&](std::vector<std::string> flags) {
    std::vector<std::string> args = {"run", "--mount", mount_ + ":/mnt/data"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--", "python3", "-c", script, path});
    return Cli(args).out;
  };
  EXPECT_EQ(connect({}), "No such file or directory\n");
  EXPECT_EQ(connect({"--unix", path}), "connected\n");
  close(server);
}

TEST_P(PrivateViewTest, ProcessIdsAreTheSessionsOwn) {
  const CliResult result = Shell(
      "readlink /proc/self > self; echo $$; ls -d /proc/[0-9]* | wc -l; cat /proc/1/comm; "
      "kill -9 1; kill -0 1 2>/dev/null; cat self; tr -d '\\0' < /proc/1/cmdline");
  std::istringstream lines(result.out);
  int shell = 0;
  int seen = 0;
  std::string reaper;
  int self = 0;
  lines >> shell >> seen >> reaper >> self;
  EXPECT_EQ(shell, 2) << result.out << result.err;
  EXPECT_LE(seen, 5) << "other processes of the machine are not seen";
  EXPECT_EQ(reaper, "session-reaper");
  EXPECT_GT(self, 2) << "it went on after the attack on the first process";
  std::string words;
  lines >> words;
  EXPECT_EQ(words, "") << "what sessionctl was called with, the host's paths too, is not told";
}

TEST_P(PrivateViewTest, DaemonsEndWithTheCommand) {
  const CliResult result = Shell(
      "setsid sh -c 'trap \"\" TERM HUP; (while :; do echo alive >> log; sleep 0.05; done) & "
      "sleep 1000' & while ! [ -s log ]; do sleep 0.02; done");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto size = fs::file_size(mount_ + "/log");
  EXPECT_GT(size, 0U);
  usleep(300'000);
  EXPECT_EQ(fs::file_size(mount_ + "/log"), size) << "somebody still writes";
}

TEST_P(PrivateViewTest, TemporaryFilesAreTheSessionsOwn) {
  const std::string name = "/tmp/sessionctl-view-" + std::to_string(getpid());
  const CliResult result =
      Shell("echo $TMPDIR; echo mine > " + name + "; cat " + name + "; ls /tmp | wc -l");
  EXPECT_EQ(result.out, "/tmp\nmine\n1\n") << result.err;
  EXPECT_FALSE(fs::exists(name));
}

TEST_P(PrivateViewTest, RootIsReadOnlyAndSystemTreesAre) {
  const CliResult result = Shell(
      "for d in / /usr /etc /mnt /dev; do (echo x > $d/made) 2>/dev/null && echo made in $d; done; "
      "mv /mnt/data /mnt/other 2>/dev/null && echo moved; rmdir /mnt/data 2>/dev/null && echo "
      "gone; "
      "echo done");
  EXPECT_EQ(result.out, "done\n") << result.err;
}

TEST_P(PrivateViewTest, RenameAndLinkAcrossMountsAreRefused) {
  const CliResult result = Shell(
      "echo x > f; python3 -c 'import os,errno\n"
      "for act in (os.rename, os.link):\n"
      "  try: act(\"f\", \"/tmp/f\"); print(\"done\")\n"
      "  except OSError as e: print(errno.errorcode[e.errno])'");
  EXPECT_EQ(result.out, "EXDEV\nEXDEV\n") << result.err;
}

// A neighbour exchanges a directory of the shared mount for a link that leads out of the view, to
// the session's own /tmp, and to where the host's path would be.
TEST_P(PrivateViewTest, LinksLeadNeitherOutOfTheViewNorIntoTmp) {
  for (const std::string& target :
       {scratch_ + "/outside", std::string("/tmp"), std::string("/etc"), std::string("../../..")}) {
    fs::remove(mount_ + "/link");
    fs::create_symlink(target, mount_ + "/link");
    const CliResult result = Shell("echo x > link/planted; echo $?; ls /tmp | wc -l");
    EXPECT_EQ(result.out.substr(result.out.find('\n') + 1), "0\n") << target << result.err;
    EXPECT_NE(result.out.substr(0, 1), "0") << target;
  }
  EXPECT_FALSE(fs::exists(scratch_ + "/outside/planted"));
}

// Bare, a descriptor of a directory leads everywhere that its user may go.
TEST_P(PrivateViewTest, DescriptorOfTheHostLeadsNowhere) {
  const std::string attack = "cat /proc/self/fd/8" + scratch_ +
                             "/secret; (cd /proc/self/fd/8 && cat ." + scratch_ +
                             "/secret); echo end";
  const std::string bare = "exec 8</; " + attack;
  FILE* control = popen(("sh -c '" + bare + "'").c_str(), "r");
  ASSERT_NE(control, nullptr);
  std::string told;
  char buffer[256];
  while (fgets(buffer, sizeof(buffer), control) != nullptr) told += buffer;
  pclose(control);
  EXPECT_EQ(told, "secret\nsecret\nend\n") << "the control";
  std::vector<std::string> args = Inside(attack, {"--keep-fd", "8"});
  const int root = open("/", O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(dup2(root, 8), 8);
  const CliResult result = Cli(args);
  close(8);
  close(root);
  EXPECT_EQ(result.out, "end\n") << result.err;
}

TEST_P(PrivateViewTest, NamespacesCannotBeMadeOrLeft) {
  const CliResult result = Shell(
      "unshare -m true 2>/dev/null && echo unshared; mount -t tmpfs none /tmp 2>/dev/null && echo "
      "mounted; nsenter -t 1 -m true 2>/dev/null && echo entered; umount /usr 2>/dev/null && echo "
      "unmounted; chroot /proc/1/root true 2>/dev/null && echo chrooted; echo end");
  EXPECT_EQ(result.out, "end\n");
}

TEST_P(PrivateViewTest, ProgramsStartInSpawnedSessionsToo) {
  const std::string id = Spawn({"--mount", mount_ + ":/mnt/data", "--workdir", "/mnt/data", "--cmd",
                                "sh", "--", "-c", "echo $$ > first; exec sleep 1000"});
  ASSERT_TRUE(Eventually([&] { return fs::exists(mount_ + "/first"); }));
  const CliResult result = Cli({"exec", id, "sh", "-c", "pwd; cat first"});
  EXPECT_EQ(result.out, "/mnt/data\n2\n") << result.err;
  EXPECT_EQ(Cli({"stop", id}).exit_code, 0);
  EXPECT_EQ(Inspect(id, "state"), "\"exited\"");
}

TEST_P(PrivateViewTest, KilledBrokerOrMonitorTakesTheWholeTreeAlong) {
  for (const char* guard : {"broker.pid", "monitor.pid"}) {
    SCOPED_TRACE(guard);
    const std::string id = Spawn({"--mount", mount_ + ":/mnt/data", "--workdir", "/mnt/data",
                                  "--cmd", "sh", "--", "-c",
                                  std::string("setsid sh -c 'while :; do echo alive >> ") + guard +
                                      "; sleep 0.05; done' & sleep 1000"});
    const std::string log = mount_ + "/" + guard;
    ASSERT_TRUE(Eventually([&] { return fs::exists(log); }));
    ASSERT_EQ(kill(std::stoi(Inspect(id, guard)), SIGKILL), 0);
    ASSERT_TRUE(Eventually([&] { return Inspect(id, "state") == "\"lost\""; }));
    const auto size = fs::file_size(log);
    usleep(300'000);
    EXPECT_EQ(fs::file_size(log), size);
  }
}

TEST_P(PrivateViewTest, TasksOfTheSessionAreChangedByItsOwnNumbers) {
  const CliResult result = Shell(
      "sleep 100 & python3 -c 'import os,sys\n"
      "os.setpriority(os.PRIO_PROCESS, int(sys.argv[1]), 7)\n"
      "print(os.getpriority(os.PRIO_PROCESS, int(sys.argv[1])))\n"
      "try: os.setpriority(os.PRIO_PROCESS, 99999, 7); print(\"done\")\n"
      "except ProcessLookupError: print(\"none\")\n"
      "try: os.setpriority(os.PRIO_PROCESS, 1, 7); print(\"done\")\n"
      "except PermissionError: print(\"refused\")' $!; kill $!");
  EXPECT_EQ(result.out, "7\nnone\nrefused\n") << result.err;
}

TEST_P(PrivateViewTest, RoomOfRemovedFilesIsGivenBack) {
  const std::string path = scratch_ + "/policy.toml";
  std::ofstream(path) << "extends = [\"default\"]\n[[mount]]\nhost = \"" << mount_
                      << "\"\nguest = \"/mnt/data\"\nmax_bytes = \"4M\"\n[process]\n"
                      << "working_directory = \"/mnt/data\"\n";
  chmod(path.c_str(), 0644);
  const CliResult result =
      Cli({"run", "--policy", path, "--", "sh", "-c",
           "i=0; while head -c 900000 /dev/zero > f$i; do i=$((i+1)); done 2>/dev/null; rm f*; "
           "(echo room > g) && cat g"});
  EXPECT_EQ(result.out, "room\n") << result.err;
}

TEST_P(PrivateViewTest, RaceForALinkIsWonBareAndNeverInside) {
  fs::create_directory(scratch_ + "/victim");
  fs::permissions(scratch_ + "/victim", fs::perms::all);
  const std::string loop =
      "i=0; while [ $i -lt 400 ]; do (echo x > results.json) 2>/dev/null; i=$((i+1)); done";
  const auto attacked = [&](const std::function<void()>& work) {
    std::atomic<bool> stop = false;
    std::thread neighbour([&] {
      while (!stop) {
        symlink((scratch_ + "/victim/pwned").c_str(), (mount_ + "/results.json").c_str());
        unlink((mount_ + "/results.json").c_str());
      }
    });
    work();
    stop = true;
    neighbour.join();
    const bool lost = fs::exists(scratch_ + "/victim/pwned");
    fs::remove(scratch_ + "/victim/pwned");
    return lost;
  };
  bool control = false;
  for (int round = 0; round < 20 && !control; ++round) {
    control = attacked([&] { ASSERT_EQ(system(("cd " + mount_ + " && " + loop).c_str()), 0); });
  }
  EXPECT_TRUE(control) << "bare, one of 400 writes a round is redirected";
  EXPECT_FALSE(attacked([&] { EXPECT_EQ(Shell(loop + "; echo end").out, "end\n"); }))
      << "one of 400 writes was redirected";
}

}  // namespace
}  // namespace sessionctl
