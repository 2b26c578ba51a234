#include "sandbox/privileges.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "sandbox/base/syscalls.h"
#include "sandbox/landlock.h"
#include "sandbox/landlock_uapi.h"

namespace sessionctl {
namespace {

constexpr CapabilitySet kChangesUser =
    CapabilityBit(CAP_SETUID) | CapabilityBit(CAP_SETGID) | CapabilityBit(CAP_CHOWN);

// What `body` writes to its argument, a pipe, in a child.
template <typename Body>
std::string InChild(const Body& body) {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) return "pipe2";
  const pid_t child = fork();
  if (child == 0) _exit(body(out[1]) ? 0 : 1);
  close(out[1]);
  std::string text;
  char buffer[4096];
  ssize_t size;
  while ((size = read(out[0], buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(size));
  }
  close(out[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? text : "failed: " + text;
}

// Executes a program that says what it is, as the lines of proc_pid_status(5) have it.
bool SayWhatIsLeft(int out) {
  dup2(out, 1);
  execl("/bin/grep", "grep", "-E", "^(Uid|Gid|Groups|Cap...|NoNewPrivs):", "/proc/self/status",
        nullptr);
  return false;
}

std::string Line(const std::string& text, const std::string& name) {
  const size_t at = text.find(name + ":\t");
  if (at == std::string::npos) return text;
  const size_t begin = at + name.size() + 2;
  return text.substr(begin, text.find('\n', begin) - begin);
}

class PrivilegesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
  }
};

TEST_F(PrivilegesTest, RootKeepsNothingByDefault) {
  const std::string left =
      InChild([](int out) { return AssumePrivileges({}).ok() && SayWhatIsLeft(out); });
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(Line(left, set), "0000000000000000") << set;
  }
  EXPECT_EQ(Line(left, "NoNewPrivs"), "1");
  EXPECT_EQ(Line(left, "Uid"), "0\t0\t0\t0");
}

TEST_F(PrivilegesTest, RootKeepsWhatIsNamedThroughExecution) {
  const std::string left = InChild([](int out) {
    const Privileges privileges = {.kept = kChangesUser, .own = CapabilitiesForOtherUsers()};
    return AssumePrivileges(privileges).ok() && SayWhatIsLeft(out);
  });
  for (const char* set : {"CapPrm", "CapEff", "CapBnd"}) {
    EXPECT_EQ(Line(left, set), "00000000000000c1") << set;
  }
}

TEST_F(PrivilegesTest, AnotherUserKeepsWhatIsNamedAndNothingElse) {
  const std::string left = InChild([](int out) {
    const Privileges privileges = {
        .become = UserAndGroups{.uid = 65534, .gid = 65533, .groups = {7, 8}},
        .kept = CapabilityBit(CAP_CHOWN)};
    return AssumePrivileges(privileges).ok() && SayWhatIsLeft(out);
  });
  EXPECT_EQ(Line(left, "Uid"), "65534\t65534\t65534\t65534");
  EXPECT_EQ(Line(left, "Gid"), "65533\t65533\t65533\t65533");
  EXPECT_EQ(Line(left, "Groups").substr(0, 3), "7 8");
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(Line(left, set), "0000000000000001") << set;
  }
}

TEST_F(PrivilegesTest, AnotherUserWithoutAnyHasNoWayBack) {
  const std::string left = InChild([](int out) {
    const Privileges privileges = {.become = UserAndGroups{.uid = 65534, .gid = 65533}};
    if (!AssumePrivileges(privileges).ok()) return false;
    if (setuid(0) == 0 || setgid(0) == 0) return false;
    return SayWhatIsLeft(out);
  });
  EXPECT_EQ(Line(left, "CapPrm"), "0000000000000000");
  EXPECT_EQ(Line(left, "CapBnd"), "0000000000000000");
  EXPECT_EQ(Line(left, "Uid"), "65534\t65534\t65534\t65534");
}

TEST_F(PrivilegesTest, SecurebitsAreLocked) {
  for (const CapabilitySet kept : {CapabilitySet{0}, CapabilityBit(CAP_SETPCAP)}) {
    const std::string changed = InChild([kept](int out) {
      if (!AssumePrivileges({.kept = kept}).ok()) return false;
      const int bits = prctl(PR_GET_SECUREBITS);
      const bool flipped = prctl(PR_SET_SECUREBITS, bits ^ 1) == 0;  // SECBIT_NOROOT
      return write(out, flipped ? "flipped" : "locked", 6) == 6;
    });
    EXPECT_EQ(changed, "locked");
  }
}

TEST_F(PrivilegesTest, ChildGivesUpWhatIsTheBrokersOwn) {
  const std::string left = InChild([](int out) {
    const Privileges privileges = {.kept = kChangesUser, .own = CapabilitiesForOtherUsers()};
    if (!AssumePrivileges(privileges).ok() || !KeepOnly(kChangesUser).ok()) return false;
    SysResult<CapabilityState> state = GetCapabilities();
    const bool right = state->permitted == kChangesUser && state->effective == kChangesUser;
    return write(out, right ? "right" : "wrong", 5) == 5;
  });
  EXPECT_EQ(left, "right");
}

// What a broker with CAP_SYS_PTRACE rests on: the domain counts, whatever the capability says.
bool EnterDomain() {
  absl::StatusOr<LandlockRuleset> ruleset = LandlockRuleset::Create(landlock::kFsWriteFile, 0, 0);
  return ruleset.ok() && ruleset->RestrictSelf().ok();
}

char canary[] = "canary";

bool CanRead(pid_t pid) {
  char text[sizeof(canary)] = "";
  iovec local = {text, sizeof(text)};
  iovec remote = {canary, sizeof(text)};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof(text);
}

pid_t ForkOther(bool domain, CapabilitySet keep) {
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (domain && !EnterDomain()) _exit(1);
  if (!KeepOnly(keep).ok() || setresgid(1000, 1000, 1000) != 0 ||
      setresuid(1000, 1000, 1000) != 0) {
    _exit(2);
  }
  for (;;) pause();
}

TEST_F(PrivilegesTest, LandlockKeepsPtraceToTheDomainAndBelow) {
  const std::string answers = InChild([](int out) {
    const pid_t sibling = ForkOther(true, ~CapabilitySet{0});
    const pid_t outside = ForkOther(false, ~CapabilitySet{0});
    usleep(200000);
    std::string text = CanRead(sibling) && CanRead(outside) ? "before: both, " : "before: no, ";
    if (!EnterDomain()) return false;
    if (!AssumePrivileges({.kept = kChangesUser, .own = CapabilitiesForOtherUsers()}).ok()) {
      return false;
    }
    const pid_t own = ForkOther(true, kChangesUser);
    usleep(200000);
    text += CanRead(own) ? "own, " : "not its own, ";
    text += CanRead(sibling) ? "sibling, " : "no sibling, ";
    text += CanRead(outside) ? "outside, " : "nobody outside, ";
    text += CanRead(getppid()) ? "parent" : "no parent";
    for (const pid_t pid : {sibling, outside, own}) kill(pid, SIGKILL);
    return write(out, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  });
  EXPECT_EQ(answers, "before: both, own, no sibling, nobody outside, no parent");
}

}  // namespace
}  // namespace sessionctl
