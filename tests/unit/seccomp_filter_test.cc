#include "sandbox/seccomp_filter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/bpf_interpreter.h"
#include "tests/unit/filtered_child.h"

namespace sessionctl {
namespace {

using ::testing::HasSubstr;

uint32_t ErrnoAction(int error) { return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error); }

std::vector<sock_filter> Compile(const FilterPlan& plan) {
  absl::StatusOr<std::vector<sock_filter>> program = CompileFilter(plan);
  EXPECT_TRUE(program.ok()) << program.status();
  return program.ok() ? *program : std::vector<sock_filter>();
}

// Every syscall with a name allowed, but for `special`.
FilterPlan AllowAllBut(const std::vector<FilterRule>& special) {
  FilterPlan plan = {special};
  for (int nr = 0; nr <= kLastReviewedSyscall; ++nr) {
    bool is_special = SyscallName(nr).empty();
    for (const FilterRule& rule : special) is_special = is_special || rule.nr == nr;
    if (!is_special) plan.rules.push_back({nr, FilterAction::kAllow});
  }
  return plan;
}

TEST(SyscallNames, NumberIsASyscallsWhereItHasAName) {
  for (int nr = -1; nr < 600; ++nr) EXPECT_EQ(IsSyscall(nr), !SyscallName(nr).empty()) << nr;
}

TEST(SyscallNames, RoundTripUpToTheNewest) {
  EXPECT_EQ(SyscallName(SYS_openat), "openat");
  EXPECT_EQ(SyscallName(452), "fchmodat2");
  EXPECT_EQ(SyscallName(469), "file_setattr");
  EXPECT_EQ(SyscallName(470), "");
  EXPECT_EQ(SyscallName(-1), "");
  EXPECT_EQ(SyscallNumber("setxattrat"), 463);
  EXPECT_EQ(SyscallNumber("no_such_call"), -1);
  for (int nr = 0; nr <= kLastReviewedSyscall; ++nr) {
    const std::string name = SyscallName(nr);
    if (name.empty()) continue;
    EXPECT_EQ(SyscallNumber(name), nr) << name;
  }
}

TEST(CompileFilter, NumberWithoutRuleAnswersEnosys) {
  const std::vector<sock_filter> program = Compile({{{SYS_getpid, FilterAction::kAllow}}});
  EXPECT_EQ(RunBpf(program, SYS_getpid), SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunBpf(program, SYS_getppid), ErrnoAction(ENOSYS));
  EXPECT_EQ(RunBpf(program, 100000), ErrnoAction(ENOSYS));
  EXPECT_EQ(RunBpf(program, -1), ErrnoAction(ENOSYS));
}

TEST(CompileFilter, ForeignArchitectureIsKilled) {
  const std::vector<sock_filter> program = Compile(AllowAllBut({}));
  for (const uint32_t arch : {uint32_t{AUDIT_ARCH_I386}, uint32_t{AUDIT_ARCH_ARM}, 0U}) {
    EXPECT_EQ(RunBpf(program, SYS_getpid, {}, arch), SECCOMP_RET_KILL_PROCESS);
  }
}

#if defined(__x86_64__)
TEST(CompileFilter, X32NumbersAreKilled) {
  const std::vector<sock_filter> program = Compile(AllowAllBut({}));
  for (int nr = 0; nr < 600; ++nr) {
    EXPECT_EQ(RunBpf(program, 0x40000000 + nr), SECCOMP_RET_KILL_PROCESS);
  }
  EXPECT_EQ(RunBpf(program, 0x7fffffff), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(RunBpf(program, static_cast<int>(0x80000000)), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(RunBpf(program, -2), SECCOMP_RET_KILL_PROCESS);
}
#endif

TEST(CompileFilter, NumbersUnknownToLibseccompAreRules) {
  const std::vector<sock_filter> program = Compile({{{452, FilterAction::kNotify},
                                                     {463, FilterAction::kErrno, EPERM},
                                                     {469, FilterAction::kNotify}}});
  EXPECT_EQ(RunBpf(program, 452), SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(RunBpf(program, 463), ErrnoAction(EPERM));
  EXPECT_EQ(RunBpf(program, 469), SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(RunBpf(program, 468), ErrnoAction(ENOSYS));
}

TEST(CompileFilter, ErrnoEnosysRuleIsTheDefault) {
  EXPECT_EQ(RunBpf(Compile({{{SYS_clone, FilterAction::kErrno, ENOSYS}}}), SYS_clone),
            ErrnoAction(ENOSYS));
}

TEST(CompileFilter, FirstRuleThatHoldsDecides) {
  const std::vector<sock_filter> program =
      Compile({{{SYS_openat, FilterAction::kErrno, EPERM, {{2, 3, 1}}},
                {SYS_openat, FilterAction::kNotify, 0, {{2, O_CREAT, O_CREAT}}},
                {SYS_openat, FilterAction::kAllow}}});
  EXPECT_EQ(RunBpf(program, SYS_openat, {0, 0, 1}), ErrnoAction(EPERM));
  EXPECT_EQ(RunBpf(program, SYS_openat, {0, 0, 1 | O_CREAT}), ErrnoAction(EPERM));
  EXPECT_EQ(RunBpf(program, SYS_openat, {0, 0, O_CREAT}), SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(RunBpf(program, SYS_openat, {0, 0, 0}), SECCOMP_RET_ALLOW);
}

TEST(CompileFilter, RuleThatIsNeverReachedIsRefused) {
  const FilterRule notify = {SYS_openat, FilterAction::kNotify};
  const FilterRule write = {SYS_openat, FilterAction::kErrno, EPERM, {{2, 3, 1}}};
  const FilterRule create = {SYS_openat, FilterAction::kAllow, 0, {{2, O_CREAT, O_CREAT}}};
  for (const std::vector<FilterRule>& rules :
       {std::vector<FilterRule>{notify, notify}, {notify, write}, {write, notify, create}}) {
    const absl::Status status = CompileFilter({rules}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("openat stands behind"));
  }
}

TEST(CompileFilter, ConditionThatCannotHoldIsRefused) {
  for (const std::vector<FilterCondition>& conditions :
       {std::vector<FilterCondition>{{0, 1, 2}}, {{0, 1, 0}, {0, 3, 1}}, {{6, 1, 1}}}) {
    EXPECT_EQ(CompileFilter({{{SYS_openat, FilterAction::kAllow, 0, conditions}}}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(CompileFilter({{{-1, FilterAction::kAllow}}}).ok());
  EXPECT_FALSE(CompileFilter({{{0x40000001, FilterAction::kAllow}}}).ok());
}

TEST(CompileFilter, ConditionsOnOneArgumentAreJoined) {
  const std::vector<sock_filter> program =
      Compile({{{SYS_openat, FilterAction::kAllow, 0, {{2, 1, 1}, {2, 4, 4}, {3, 0, 0}}}}});
  EXPECT_EQ(RunBpf(program, SYS_openat, {0, 0, 5}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunBpf(program, SYS_openat, {0, 0, 1}), ErrnoAction(ENOSYS));
}

// What the cases say, without any splitting.
uint32_t Expected(const std::vector<FilterCase>& cases, FilterAction otherwise,
                  const std::vector<uint64_t>& arguments) {
  const auto action = [](FilterAction wanted, int error) -> uint32_t {
    switch (wanted) {
      case FilterAction::kAllow: return SECCOMP_RET_ALLOW;
      case FilterAction::kNotify: return SECCOMP_RET_USER_NOTIF;
      case FilterAction::kErrno: return ErrnoAction(error);
      case FilterAction::kKillProcess: return SECCOMP_RET_KILL_PROCESS;
    }
    return kBpfUnknown;
  };
  for (const FilterCase& candidate : cases) {
    bool holds = true;
    for (const FilterCondition& condition : candidate.conditions) {
      holds = holds && (arguments[condition.index] & condition.mask) == condition.value;
    }
    if (holds) return action(candidate.action, candidate.error);
  }
  return action(otherwise, 0);
}

TEST(RulesInOrder, SayWhatTheirCasesSay) {
  std::mt19937_64 random(20240607);
  constexpr FilterAction kActions[] = {FilterAction::kAllow, FilterAction::kErrno,
                                       FilterAction::kNotify};
  for (int round = 0; round < 150; ++round) {
    std::vector<FilterCase> cases(1 + random() % 4);
    for (FilterCase& one : cases) {
      one.action = kActions[random() % 3];
      one.error = EPERM;
      // Each of another argument: conditions that exclude each other are refused.
      const uint64_t first = random();
      for (uint64_t n = random() % 3; n > 0; --n) {
        const uint64_t mask = (random() & 7) << (random() % 2 * 32);
        one.conditions.push_back({static_cast<unsigned>((first + n) % 3), mask, random() & mask});
      }
    }
    const FilterAction otherwise = kActions[random() % 3 == 0 ? 2 : 0];
    const std::vector<sock_filter> program = Compile({RulesInOrder(SYS_openat, cases, otherwise)});
    for (int call = 0; call < 500; ++call) {
      const std::vector<uint64_t> arguments = {random(), random(), random()};
      ASSERT_EQ(RunBpf(program, SYS_openat, arguments), Expected(cases, otherwise, arguments))
          << round;
    }
  }
}

TEST(RulesInOrder, AllowUnlessEqualSeesEveryValueNearby) {
  const std::vector<FilterCase> cases = {
      {{{1, 0xffffffff, 0x5412}}, FilterAction::kErrno, EPERM},
      {{{1, 0xffffffff, 0x541c}}, FilterAction::kErrno, EPERM},
      {{{1, 0xffffffff, 0x40086602}}, FilterAction::kErrno, EPERM}};
  const std::vector<sock_filter> program =
      Compile({RulesInOrder(SYS_ioctl, cases, FilterAction::kAllow)});
  for (const uint64_t high : {uint64_t{0}, uint64_t{1} << 32, uint64_t{0xffffffff} << 32}) {
    for (uint64_t low = 0; low < 0x20000; ++low) {
      const bool denied = low == 0x5412 || low == 0x541c;
      ASSERT_EQ(RunBpf(program, SYS_ioctl, {0, high | low}),
                denied ? ErrnoAction(EPERM) : SECCOMP_RET_ALLOW);
    }
    for (unsigned bit = 0; bit < 32; ++bit) {
      ASSERT_EQ(RunBpf(program, SYS_ioctl, {0, high | (0x40086602 ^ (1U << bit))}),
                SECCOMP_RET_ALLOW);
    }
    ASSERT_EQ(RunBpf(program, SYS_ioctl, {0, high | 0x40086602}), ErrnoAction(EPERM));
  }
}

TEST(FilterPseudoCode, GathersWhatIsAlike) {
  FilterPlan plan = {RulesInOrder(
      SYS_ioctl, {{{{1, 0xffffffff, 0x5412}}, FilterAction::kErrno, EPERM}}, FilterAction::kAllow)};
  plan.rules.push_back({SYS_mkdir, FilterAction::kNotify});
  plan.rules.push_back({SYS_rmdir, FilterAction::kNotify});
  EXPECT_EQ(FilterPseudoCode(plan),
            "foreign architecture or x32 number: kill\n"
            "ioctl: errno EPERM if (arg1 & 0xffffffff) == 0x5412\n"
            "ioctl: allow otherwise\n"
            "notify: mkdir rmdir\n"
            "any other number: errno ENOSYS\n");
}

class InstalledFilter : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!CanInstallFilters()) {
      GTEST_SKIP() << "needs SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (Linux 5.19)";
    }
  }
};

TEST_F(InstalledFilter, AllowsDeniesAndAnswersEnosys) {
  const std::vector<sock_filter> program =
      Compile(AllowAllBut({{SYS_getppid, FilterAction::kErrno, EXDEV}}));
  const int status = RunFiltered(program, [](int listener) {
    if (fcntl(listener, F_GETFD) != FD_CLOEXEC) return 1;
    if (syscall(SYS_getpid) != getpid()) return 2;
    if (syscall(SYS_getppid) != -1 || errno != EXDEV) return 3;
    if (syscall(500) != -1 || errno != ENOSYS) return 4;
    return 0;
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(InstalledFilter, SecondListenerIsBusy) {
  const std::vector<sock_filter> program = Compile(AllowAllBut({}));
  const int status = RunFiltered(program, [&](int) {
    const SysResult<OwnedFd> second = InstallFilterWithListener(program);
    return second.error() == EBUSY ? 0 : 1;
  });
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

#if defined(__x86_64__)
TEST_F(InstalledFilter, X32CallKillsTheProcess) {
  const int status = RunFiltered(Compile(AllowAllBut({})), [](int) {
    syscall(0x40000000 + SYS_getpid);
    return 1;
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

TEST_F(InstalledFilter, ThirtyTwoBitCallKillsTheProcess) {
  const int status = RunFiltered(Compile(AllowAllBut({})), [](int) {
    long result = 20;  // getpid of i386
    asm volatile("int $0x80" : "+a"(result) : : "memory");
    return 1;
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  if (WTERMSIG(status) == SIGSEGV) GTEST_SKIP() << "needs a kernel with IA32 emulation";
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}
#endif

// A child that hands its listener over and then makes a mediated call; returns the call's errno.
int ChildMakesOneMediatedCall(int channel, const std::vector<sock_filter>& program) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  SysResult<OwnedFd> listener = InstallFilterWithListener(program);
  if (!listener.ok()) return kInstallFailed;
  const int fd = listener->get();
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(channel, &message, 0) != 1) return kInstallFailed;
  listener->Reset();
  return mkdir("/nonexistent/a", 0700) == 0 ? 0 : errno;
}

int ReceiveFd(int channel) {
  char byte;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  int fd = -1;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

TEST_F(InstalledFilter, NotifiedCallReachesTheListener) {
  const std::vector<sock_filter> program =
      Compile(AllowAllBut({{SYS_mkdir, FilterAction::kNotify}}));
  int channel[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), 0);
  const pid_t child = fork();
  if (child == 0) _exit(ChildMakesOneMediatedCall(channel[1], program));
  const OwnedFd listener(ReceiveFd(channel[0]));
  ASSERT_TRUE(listener.valid());
  seccomp_notif notification = {};
  ASSERT_EQ(ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &notification), 0);
  EXPECT_EQ(notification.data.nr, SYS_mkdir);
  EXPECT_EQ(notification.data.args[1], 0700U);
  seccomp_notif_resp response = {notification.id, 0, -EXDEV, 0};
  ASSERT_EQ(ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &response), 0);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), EXDEV);
  close(channel[0]);
  close(channel[1]);
}

}  // namespace
}  // namespace sessionctl
