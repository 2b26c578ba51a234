// Whom a session runs as, and everything else that a process inherits and nobody thinks of: seen
// from inside.
#include <gtest/gtest.h>
#include <linux/keyctl.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

constexpr char kStatusLines[] =
    "grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Umask|SigBlk|SigIgn|Cpus_allowed_list):' "
    "/proc/self/status";

std::string Line(const std::string& text, const std::string& name) {
  const size_t at = text.find(name + ":\t");
  if (at == std::string::npos) return "no " + name + " in: " + text;
  const size_t begin = at + name.size() + 2;
  return text.substr(begin, text.find('\n', begin) - begin);
}

class IdentityTest : public CliTest {
 protected:
  // A shell's script in a session with the mount and these flags.
  CliResult Inside(const std::string& script, std::vector<std::string> flags = {}) {
    std::vector<std::string> args = {"run", "--mount", mount_, "--workdir", mount_};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--", "sh", "-c", script});
    return Cli(args);
  }
  // The same with a policy file that has this [process] section.
  CliResult InsideWith(const std::string& process, const std::string& script) {
    const std::string file = scratch_ + "/policy.toml";
    std::ofstream(file) << "[process]\n" << process << "\n";
    return Inside(script, {"--policy", file});
  }
};

class RootIdentityTest : public IdentityTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    IdentityTest::SetUp();
  }
};

TEST_F(RootIdentityTest, StaysRootWithoutCapabilities) {
  const CliResult result = Inside(kStatusLines);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Line(result.out, "Uid"), "0\t0\t0\t0");
  EXPECT_EQ(Line(result.out, "CapEff"), "0000000000000000");
  EXPECT_EQ(Line(result.out, "CapBnd"), "0000000000000000");
  EXPECT_EQ(result.err, "") << "standard error is the command's own";
}

TEST_F(RootIdentityTest, RunsAsTheNamedUserWithItsGroups) {
  const CliResult result =
      Inside(std::string("echo x > f; echo $USER; ") + kStatusLines, {"--user", "daemon"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out.substr(0, 7), "daemon\n");
  EXPECT_EQ(Line(result.out, "Uid"), "1\t1\t1\t1");
  EXPECT_EQ(Line(result.out, "Gid"), "1\t1\t1\t1");
  EXPECT_EQ(Line(result.out, "Groups"), "1 ");
  EXPECT_EQ(Line(result.out, "CapBnd"), "0000000000000000");
  EXPECT_EQ(Line(result.out, "NoNewPrivs"), "1");
  struct stat info;
  ASSERT_EQ(stat((mount_ + "/f").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 1U);
  EXPECT_EQ(info.st_gid, 1U);
}

TEST_F(RootIdentityTest, UserGroupAndGroupsMayBeNumbers) {
  const CliResult result = InsideWith(
      "user = \"123456\"\ngroup = \"654321\"\ngroups = [\"77\", \"daemon\"]\numask = \"027\"",
      std::string("touch f; ") + kStatusLines);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Line(result.out, "Uid"), "123456\t123456\t123456\t123456");
  EXPECT_EQ(Line(result.out, "Gid"), "654321\t654321\t654321\t654321");
  EXPECT_EQ(Line(result.out, "Groups"), "1 77 ");
  EXPECT_EQ(Line(result.out, "Umask"), "0027");
  struct stat info;
  ASSERT_EQ(stat((mount_ + "/f").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 123456U);
  EXPECT_EQ(info.st_mode & 0777, 0640U);
}

TEST_F(RootIdentityTest, KeptCapabilitiesAreAllThereIs) {
  for (const std::string user : {"root", "daemon"}) {
    const CliResult result = Inside(kStatusLines, {"--user", user, "--capability", "chown",
                                                   "--capability", "net_bind_service"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    for (const char* set : {"CapPrm", "CapEff", "CapBnd"}) {
      EXPECT_EQ(Line(result.out, set), "0000000000000401") << user << " " << set;
    }
  }
}

TEST_F(RootIdentityTest, CreatedMountBelongsToTheSessionsUser) {
  const std::string made = scratch_ + "/made";
  const std::vector<std::string> args = {"run",    "--mount", made + ":rw,create",
                                         "--user", "daemon",  "--",
                                         "sh",     "-c",      "echo x >> " + made + "/f"};
  for (int round = 0; round < 2; ++round) {
    const CliResult result = Cli(args);
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
  struct stat info;
  ASSERT_EQ(stat(made.c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 1U);
  EXPECT_EQ(info.st_mode & 07777, 0700U);
  // Somebody else's is refused as ever.
  ASSERT_EQ(chown(made.c_str(), 3000, 3000), 0);
  const CliResult refused = Cli(args);
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_NE(refused.err.find("belongs to uid 3000"), std::string::npos) << refused.err;
}

TEST_F(RootIdentityTest, MountThatTheUserCannotEnterIsAnError) {
  ASSERT_EQ(chmod(mount_.c_str(), 0700), 0);
  const CliResult result = Inside("true", {"--user", "daemon"});
  EXPECT_EQ(result.exit_code, 125);
  EXPECT_NE(result.err.find("user daemon cannot enter it"), std::string::npos) << result.err;
}

TEST_F(RootIdentityTest, SharedMemoryIsTheUsersOwn) {
  const CliResult result = Inside("echo x > /dev/shm/a && ls -ln /dev/shm/ >&2; : > /dev/shm/a",
                                  {"--user", "daemon", "--scope", "all"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(RootIdentityTest, ConsoleOfASpawnedSessionStaysReadable) {
  const std::string id = Spawn({"--user", "daemon", "--mount", mount_, "--cmd", "sh", "--", "-c",
                                "echo out; echo err > /dev/stderr"});
  EXPECT_EQ(Cli({"wait", id}).out, "0\n");
  EXPECT_EQ(Cli({"logs", id}).out, "out\nerr\n");
  EXPECT_EQ(Inspect(id, "user"), "\"daemon\"");
  EXPECT_EQ(Inspect(id, "warnings"), "[]");
}

TEST_F(RootIdentityTest, KeepingRootIsSaid) {
  if (getpwnam("sessionctl") != nullptr) GTEST_SKIP() << "this machine has a user for it";
  const CliResult warned = Cli({"spawn", "--", "true"});
  EXPECT_NE(warned.err.find("warning: the session runs as root"), std::string::npos) << warned.err;
  const std::string id = warned.out.substr(0, 12);
  EXPECT_NE(Inspect(id, "warnings").find("runs as root"), std::string::npos);
  EXPECT_EQ(Inspect(id, "user"), "\"root\"");
  const CliResult meant = Cli({"spawn", "--user", "root", "--capability", "chown", "--", "true"});
  EXPECT_EQ(meant.err, "");
  const std::string second = meant.out.substr(0, 12);
  EXPECT_EQ(Inspect(second, "warnings"), "[]");
  EXPECT_EQ(Inspect(second, "capabilities"), "[\"chown\"]");
  const CliResult run = Cli({"run", "--status-fd", "9", "--", "true"});
  EXPECT_NE(run.status.find("runs as root"), std::string::npos) << run.status;
  const CliResult silent = Cli({"run", "--user", "root", "--status-fd", "9", "--", "true"});
  EXPECT_EQ(silent.status.find("warnings"), std::string::npos) << silent.status;
}

// Neither root nor the session's first user: its own /proc, which belongs to root, must stay open
// to it.
TEST_F(RootIdentityTest, AnyUserThatMayChangeUsersIsServedAsWhomItBecomes) {
  const std::string script =
      "import os\n"
      "os.setgroups([]); os.setresgid(65533, 65533, 65533); os.setresuid(65534, 65534, 65534)\n"
      "fd = os.open('f', os.O_RDWR | os.O_CREAT, 0o600)\n"
      "print(os.fstat(fd).st_uid, os.fstat(fd).st_gid)\n"
      "os.open('/proc/self/fd/%d' % fd, os.O_RDWR); os.open('/proc/self/cwd/f', os.O_RDWR)\n"
      "os.unlink('f')\n";
  std::ofstream(mount_ + "/change.py") << script;
  for (const char* user : {"root", "daemon"}) {
    const CliResult result = Inside(
        "python3 change.py", {"--user", user, "--capability", "setuid", "--capability", "setgid"});
    EXPECT_EQ(result.exit_code, 0) << user << ": " << result.err;
    EXPECT_EQ(result.out, "65534 65533\n") << user;
  }
}

TEST_F(RootIdentityTest, SpawnedSessionsRunAsTheMachinesUserForThem) {
  // The user database of this test alone.
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    GTEST_SKIP() << "needs a mount namespace";
  }
  const std::string database = scratch_ + "/passwd";
  std::ofstream(database) << ReadWholeFile("/etc/passwd")
                          << "sessionctl:x:61234:61234::/nonexistent:/usr/sbin/nologin\n";
  ASSERT_EQ(mount(database.c_str(), "/etc/passwd", nullptr, MS_BIND, nullptr), 0);
  const CliResult spawned = Cli({"spawn", "--mount", mount_, "--cmd", "id", "--", "-u"});
  EXPECT_EQ(spawned.err, "");
  const std::string id = spawned.out.substr(0, 12);
  Cli({"wait", id});
  EXPECT_EQ(Cli({"logs", id}).out, "61234\n");
  EXPECT_EQ(Inspect(id, "user"), "\"sessionctl\"");
  // Whoever names a user is asked nothing, and run is as it was.
  EXPECT_EQ(Cli({"run", "--mount", mount_, "--", "id", "-u"}).out, "0\n");
}

TEST_F(RootIdentityTest, OrdinaryUserMayNotNameAnotherNorKeepACapability) {
  user_ = 1000;
  const CliResult other = Inside("true", {"--user", "root"});
  EXPECT_EQ(other.exit_code, 125);
  EXPECT_NE(other.err.find("process.user: only root can start a session as another user"),
            std::string::npos)
      << other.err;
  const CliResult keeps = Inside("true", {"--capability", "chown"});
  EXPECT_EQ(keeps.exit_code, 125);
  EXPECT_NE(keeps.err.find("process.capabilities: chown"), std::string::npos) << keeps.err;
}

TEST_F(RootIdentityTest, ProcessesOfOtherUsersInsideEndWithTheSession) {
  // Started by what became somebody else: root without CAP_KILL could not end them.
  const CliResult result =
      Inside("setpriv --reuid 65534 --regid 65534 --clear-groups sleep 1000 & echo $!",
             {"--view", "host", "--capability", "setuid", "--capability", "setgid"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_FALSE(Alive(static_cast<pid_t>(std::stol(result.out))));
}

TEST_F(IdentityTest, CapabilityThatCannotBeKeptIsAnErrorWithItsPlace) {
  const CliResult refused = InsideWith("\n\ncapabilities = [\"sys_admin\"]", "true");
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_NE(refused.err.find("policy.toml:4:17: process.capabilities: \"sys_admin\": cannot be "
                             "kept: it takes every wall down"),
            std::string::npos)
      << refused.err;
  EXPECT_EQ(Inside("true", {"--capability", "CAP_CHOWN"}).exit_code, 2);
  EXPECT_EQ(Inside("true", {"--user", "root:"}).exit_code, 2);
}

TEST_F(IdentityTest, NiceAndOomScoreAreRaised) {
  const int nice = getpriority(PRIO_PROCESS, 0);
  const CliResult result =
      InsideWith("nice = 3\noom_score_adj = 700", "nice; cat /proc/self/oom_score_adj");
  EXPECT_EQ(result.out, std::to_string(std::min(nice + 3, 19)) + "\n700\n") << result.err;
}

TEST_F(IdentityTest, CallersOwnHigherOomScoreStays) {
  const std::string before = ReadWholeFile("/proc/self/oom_score_adj");
  std::ofstream("/proc/self/oom_score_adj") << "900" << std::flush;
  const CliResult result = InsideWith("oom_score_adj = 700", "cat /proc/self/oom_score_adj");
  std::ofstream("/proc/self/oom_score_adj") << before << std::flush;
  EXPECT_EQ(result.out, "900\n") << result.err;
}

TEST_F(IdentityTest, PersonalityAndTimerSlackAreThoseOfANewProcess) {
  const int slack = prctl(PR_GET_TIMERSLACK);
  ASSERT_GE(personality(ADDR_NO_RANDOMIZE), 0);
  ASSERT_EQ(prctl(PR_SET_TIMERSLACK, 777), 0);
  const CliResult result = Inside("cat /proc/self/personality /proc/self/timerslack_ns");
  personality(PER_LINUX);
  prctl(PR_SET_TIMERSLACK, slack);
  EXPECT_EQ(result.out, "00000000\n50000\n") << result.err;
}

TEST_F(IdentityTest, CallersProcessorsMaskAndIgnoredSignalsAreInherited) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  sigset_t mask;
  sigset_t old;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigprocmask(SIG_BLOCK, &mask, &old);
  signal(SIGUSR2, SIG_IGN);
  const CliResult result = Inside(std::string("exec ") + kStatusLines);
  signal(SIGUSR2, SIG_DFL);
  sigprocmask(SIG_SETMASK, &old, nullptr);
  sched_setaffinity(0, sizeof(before), &before);
  EXPECT_EQ(Line(result.out, "SigBlk"), "0000000000000200") << result.err;
  EXPECT_EQ(std::stoull(Line(result.out, "SigIgn"), nullptr, 16) & 0xfff, 0x800U);
  EXPECT_EQ(Line(result.out, "Cpus_allowed_list").find_first_not_of("0123456789"),
            std::string::npos)
      << result.out;
}

TEST_F(IdentityTest, CallersKeysAreNotPossessed) {
  const long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  const long key =
      syscall(SYS_add_key, "user", "sessionctl-canary", "x", 1, KEY_SPEC_SESSION_KEYRING);
  if (ring < 0 || key < 0) GTEST_SKIP() << "needs keyctl";
  constexpr long kPossessorOnly = 0x3f000000;
  ASSERT_EQ(syscall(SYS_keyctl, KEYCTL_SETPERM, key, kPossessorOnly), 0);
  ASSERT_NE(ReadWholeFile("/proc/keys").find("sessionctl-canary"), std::string::npos);
  const CliResult result = Inside("cat /proc/keys");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out.find("sessionctl-canary"), std::string::npos) << result.out;
}

TEST_F(IdentityTest, SpawnedSessionHasNoTerminalAndIsItsOwnLeader) {
  // proc_pid_stat(5): pid, name, state, parent, group, session, terminal.
  const std::string id = Spawn({"--cmd", "cat", "--", "/proc/self/stat"});
  Cli({"wait", id});
  int pid;
  int group;
  int session;
  int terminal;
  const std::string stat = Cli({"logs", id}).out;
  ASSERT_EQ(sscanf(stat.c_str(), "%d (cat) %*c %*d %d %d %d", &pid, &group, &session, &terminal), 4)
      << stat;
  EXPECT_EQ(pid, group);
  EXPECT_EQ(pid, session);
  EXPECT_EQ(terminal, 0);
}

}  // namespace
}  // namespace sessionctl
