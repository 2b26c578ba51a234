#include "policy/syscall_groups.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "policy/wall_plans.h"
#include "tests/unit/bpf_interpreter.h"
#include "tests/unit/filtered_child.h"

namespace sessionctl {
namespace {

using When = MediatedCall::When;

const std::vector<MediatedCall>& Mediated() {
  static const auto* const calls =
      new std::vector<MediatedCall>{{SYS_openat, "openat", When::kUnlessRead, 2},
                                    {SYS_open, "open", When::kUnlessRead, 1},
                                    {SYS_openat2, "openat2", When::kAlways, -1},
                                    {SYS_mkdir, "mkdir", When::kAlways, -1},
                                    {SYS_memfd_create,
                                     "memfd_create",
                                     When::kUnlessNative,
                                     -1,
                                     {{{1, 8, 8}}},
                                     "without MFD_NOEXEC_SEAL",
                                     MediatedCall::Under::kNoMemfdExec},
                                    {SYS_setpriority,
                                     "setpriority",
                                     When::kUnlessNative,
                                     -1,
                                     {{{0, 0xffffffff, 0}, {1, 0xffffffff, 0}}}}};
  return *calls;
}

std::vector<sock_filter> Filter(bool reads_mediated, const ProcessPolicy& process = {},
                                IpcPlan ipc = IpcPlan::kRefused) {
  CompiledPolicy compiled;
  compiled.reads_mediated = reads_mediated;
  compiled.policy.process = process;
  compiled.ipc = ipc;
  absl::StatusOr<std::vector<sock_filter>> program =
      CompileFilter(PlanFilter(compiled, Mediated()));
  EXPECT_TRUE(program.ok()) << program.status();
  return program.ok() ? *program : std::vector<sock_filter>();
}

uint32_t Denied(int error) { return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error); }

TEST(SyscallGroups, NamesAreUniqueAndFound) {
  std::set<std::string> names;
  for (const SyscallGroup& group : SyscallGroups()) {
    EXPECT_TRUE(names.insert(group.name).second) << group.name;
    EXPECT_EQ(FindSyscallGroup(group.name), &group);
    EXPECT_FALSE(group.calls.empty()) << group.name;
  }
  EXPECT_EQ(FindSyscallGroup("no_such_group"), nullptr);
}

#if defined(__x86_64__)
// A misspelt name would be left out in silence.
TEST(SyscallGroups, EveryNameIsASyscall) {
  for (const SyscallGroup& group : SyscallGroups()) {
    for (const DeniedCall& call : group.calls) EXPECT_GE(SyscallNumber(call.name), 0) << call.name;
  }
  for (const NativeCall& call : NativePathCalls()) {
    EXPECT_GE(SyscallNumber(call.name), 0) << call.name;
  }
}
#endif

TEST(PlanFilter, EveryNamedSyscallHasARule) {
  CompiledPolicy compiled;
  std::set<int> numbers;
  for (const FilterRule& rule : PlanFilter(compiled, Mediated()).rules) numbers.insert(rule.nr);
  for (int nr = 0; nr <= kLastReviewedSyscall; ++nr) {
    EXPECT_EQ(numbers.contains(nr), !SyscallName(nr).empty()) << nr;
  }
}

TEST(PlanFilter, TrapFortyNineIsDenied) {
  const std::vector<sock_filter> program = Filter(false);
  for (const char* name : {"io_uring_setup",
                           "ptrace",
                           "process_vm_readv",
                           "process_vm_writev",
                           "process_madvise",
                           "pidfd_getfd",
                           "open_by_handle_at",
                           "mount",
                           "umount2",
                           "open_tree",
                           "move_mount",
                           "fsopen",
                           "fsconfig",
                           "fsmount",
                           "fspick",
                           "mount_setattr",
                           "open_tree_attr",
                           "pivot_root",
                           "chroot",
                           "setns",
                           "keyctl",
                           "add_key",
                           "request_key",
                           "bpf",
                           "userfaultfd",
                           "perf_event_open",
                           "fanotify_init",
                           "kexec_load",
                           "init_module",
                           "finit_module",
                           "swapon",
                           "quotactl",
                           "quotactl_fd",
                           "acct",
                           "syslog",
                           "clock_settime",
                           "settimeofday"}) {
    EXPECT_EQ(RunBpf(program, SyscallNumber(name)), Denied(EPERM)) << name;
  }
  EXPECT_EQ(RunBpf(program, SyscallNumber("clone3")), Denied(ENOSYS));
  EXPECT_EQ(RunBpf(program, SyscallNumber("landlock_restrict_self")), Denied(EOPNOTSUPP));
}

TEST(PlanFilter, AllowedGroupIsNative) {
  ProcessPolicy process;
  process.allow_groups = {"debug", "personality"};
  EXPECT_EQ(RunBpf(Filter(false, process), SYS_ptrace), SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunBpf(Filter(false, process), SYS_personality, {0x40000}), SECCOMP_RET_ALLOW);
  process.deny_groups = {"debug"};
  EXPECT_EQ(RunBpf(Filter(false, process), SYS_ptrace), Denied(EPERM));
}

TEST(PlanFilter, MemoryThatCannotBeExecutedIsNative) {
  const std::vector<sock_filter> program = Filter(false);
  for (const uint64_t flags : {0U, 1U, 3U, 0x10U, 0x80000001U}) {
    EXPECT_EQ(RunBpf(program, SYS_memfd_create, {0, flags}), SECCOMP_RET_USER_NOTIF) << flags;
    EXPECT_EQ(RunBpf(program, SYS_memfd_create, {0, flags | 8}), SECCOMP_RET_ALLOW) << flags;
  }
}

TEST(PlanFilter, AllowedGroupMakesItsMediatedCallNative) {
  ProcessPolicy process;
  process.allow_groups = {"memfd_exec"};
  EXPECT_EQ(RunBpf(Filter(false, process), SYS_memfd_create, {0, 0x10}), SECCOMP_RET_ALLOW);
  process.deny_groups = {"memfd_exec"};
  EXPECT_EQ(RunBpf(Filter(false, process), SYS_memfd_create, {0, 0x10}), SECCOMP_RET_USER_NOTIF);
}

TEST(PlanFilter, OwnPriorityIsNativeAndNobodyElses) {
  const std::vector<sock_filter> program = Filter(false);
  EXPECT_EQ(RunBpf(program, SYS_setpriority, {0, 0, 5}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunBpf(program, SYS_setpriority, {1ULL << 32, 1ULL << 40, 5}), SECCOMP_RET_ALLOW);
  for (const auto& [which, who] : {std::pair{0, 1}, std::pair{1, 0}, std::pair{2, 0}}) {
    EXPECT_EQ(RunBpf(program, SYS_setpriority,
                     {static_cast<uint64_t>(which), static_cast<uint64_t>(who), 5}),
              SECCOMP_RET_USER_NOTIF);
  }
}

TEST(PlanFilter, IpcWorksInANamespaceOrWhereItIsAllowed) {
  ProcessPolicy process;
  for (const char* name : {"shmget", "shmat", "semop", "msgsnd", "mq_open", "mq_notify"}) {
    const int nr = SyscallNumber(name);
    EXPECT_EQ(RunBpf(Filter(false), nr), Denied(ENOSYS)) << name;
    EXPECT_EQ(RunBpf(Filter(false, {}, IpcPlan::kNamespace), nr), SECCOMP_RET_ALLOW) << name;
    EXPECT_EQ(RunBpf(Filter(false, {}, IpcPlan::kUserNamespace), nr), SECCOMP_RET_ALLOW) << name;
    process.allow_groups = {"ipc"};
    EXPECT_EQ(RunBpf(Filter(false, process, IpcPlan::kShared), nr), SECCOMP_RET_ALLOW) << name;
  }
  process.deny_groups = {"ipc"};
  EXPECT_EQ(RunBpf(Filter(false, process, IpcPlan::kNamespace), SYS_shmget), Denied(ENOSYS));
}

TEST(PlanFilter, PrctlOptionsNobodyHasReviewedAreInvalid) {
  const std::vector<sock_filter> program = Filter(false);
  for (uint64_t option = 1; option < 79; ++option) {
    const bool denied = option == 62 || option == PR_SET_DUMPABLE;
    EXPECT_EQ(RunBpf(program, SYS_prctl, {option}) == SECCOMP_RET_ALLOW, !denied) << option;
  }
  EXPECT_EQ(RunBpf(program, SYS_prctl, {PR_SET_DUMPABLE, 1}), SECCOMP_RET_ALLOW);
  for (const uint64_t option : {62ULL, 79ULL, 80ULL, 4711ULL, 0x80000004ULL, 0x53564d42ULL}) {
    EXPECT_EQ(RunBpf(program, SYS_prctl, {option}), Denied(EINVAL)) << option;
  }
  EXPECT_EQ(RunBpf(program, SYS_prctl, {0x53564d41}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunBpf(program, SYS_prctl, {0x41555856}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunBpf(program, SYS_prctl, {0x59616d61}), Denied(EPERM));
}

TEST(PlanFilter, FcntlHoldsUpNobodyAndSignalsNoGroup) {
  const std::vector<sock_filter> program = Filter(false);
  for (const uint64_t command :
       {0,  1,    2,    3,    4,    5,    6,    7,    9,    10,   11,   16,   36,   37,
        38, 1025, 1027, 1028, 1029, 1030, 1031, 1032, 1033, 1034, 1035, 1036, 1037, 1038}) {
    EXPECT_EQ(RunBpf(program, SYS_fcntl, {0, command, 1}), SECCOMP_RET_ALLOW) << command;
  }
  for (const uint64_t command : {15, 1024, 1026, 1040, 4711}) {
    EXPECT_EQ(RunBpf(program, SYS_fcntl, {0, command, 1}), Denied(EINVAL)) << command;
  }
  EXPECT_EQ(RunBpf(program, SYS_fcntl, {0, F_SETOWN, 4711}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunBpf(program, SYS_fcntl, {0, F_SETOWN, ~uint64_t{0}}), Denied(EPERM));
  EXPECT_EQ(RunBpf(program, SYS_fcntl, {0, F_SETOWN, 0x80000000}), Denied(EPERM));
  EXPECT_EQ(RunBpf(program, SYS_ioctl, {0, 0x8901}), Denied(EINVAL));
}

TEST(PlanFilter, ConsoleRequestsAnswerAsOnAnyOtherTerminal) {
  const std::vector<sock_filter> program = Filter(false);
  for (uint64_t low = 0; low < 256; ++low) {
    EXPECT_EQ(RunBpf(program, SYS_ioctl, {0, 0x4b00 | low}), Denied(ENOTTY));
    EXPECT_EQ(RunBpf(program, SYS_ioctl, {0, 0x5600 | low}), Denied(ENOTTY));
    EXPECT_EQ(RunBpf(program, SYS_ioctl, {0, 0x80685600 | low}), SECCOMP_RET_ALLOW);  // V4L2
  }
  EXPECT_EQ(RunBpf(program, SYS_ioctl, {0, TIOCSETD}), Denied(EPERM));
}

TEST(SyscallGroups, WhatMayBeAllowedHasACostInWords) {
  for (const SyscallGroup& group : SyscallGroups()) {
    EXPECT_NE(group.wall[0] == '\0', group.cost[0] == '\0') << group.name;
  }
}

// The flags as the kernel sees them: an int, whatever stands above it (trap 22).
bool MayWrite(uint64_t flags) {
  if ((flags & O_PATH) != 0) return false;
  return (flags & (O_ACCMODE | O_CREAT | O_TRUNC | 020000000)) != 0;
}

TEST(PlanFilter, OpenIsSplitByItsFlags) {
  const std::vector<sock_filter> native = Filter(false);
  const std::vector<sock_filter> mediated = Filter(true);
  const uint64_t bits[] = {O_WRONLY, O_RDWR,      O_CREAT,   O_TRUNC,  020000000,  O_PATH,
                           O_EXCL,   O_DIRECTORY, O_CLOEXEC, O_APPEND, 1ULL << 31, 1ULL << 40};
  constexpr size_t kBits = sizeof bits / sizeof bits[0];
  for (unsigned chosen = 0; chosen < 1U << kBits; ++chosen) {
    uint64_t flags = 0;
    for (size_t i = 0; i < kBits; ++i) flags |= (chosen >> i & 1) != 0 ? bits[i] : 0;
    const uint32_t if_native = MayWrite(flags) ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
    const uint32_t if_mediated = (flags & O_PATH) != 0 ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF;
    ASSERT_EQ(RunBpf(native, SYS_openat, {0, 0, flags}), if_native) << std::hex << flags;
    ASSERT_EQ(RunBpf(native, SYS_open, {0, flags}), if_native) << std::hex << flags;
    ASSERT_EQ(RunBpf(mediated, SYS_openat, {0, 0, flags}), if_mediated) << std::hex << flags;
  }
  EXPECT_EQ(RunBpf(native, SYS_openat2), SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(RunBpf(native, SYS_mkdir), SECCOMP_RET_USER_NOTIF);
}

TEST(PlanFilter, NamespaceFlagsAreDeniedOneByOne) {
  const std::vector<sock_filter> program = Filter(false);
  constexpr uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  for (unsigned bit = 0; bit < 32; ++bit) {
    const uint64_t flag = 1ULL << bit;
    EXPECT_EQ(RunBpf(program, SYS_clone, {flag}),
              (flag & kNamespaces) != 0 ? Denied(EPERM) : SECCOMP_RET_ALLOW)
        << std::hex << flag;
    EXPECT_EQ(RunBpf(program, SYS_unshare, {flag | 1ULL << 35}),
              (flag & (kNamespaces | 0x80)) != 0 ? Denied(EPERM) : SECCOMP_RET_ALLOW)
        << std::hex << flag;
  }
}

TEST(PlanFilter, HighGarbageDoesNotDodgeTheTerminalRule) {
  const std::vector<sock_filter> program = Filter(false);
  for (const uint64_t high : {uint64_t{0}, uint64_t{1} << 32, uint64_t{0xabcdef} << 40}) {
    EXPECT_EQ(RunBpf(program, SYS_ioctl, {0, high | TIOCSTI}), Denied(EPERM));
    EXPECT_EQ(RunBpf(program, SYS_ioctl, {0, high | TIOCLINUX}), Denied(EPERM));
    EXPECT_EQ(RunBpf(program, SYS_ioctl, {0, high | TCGETS}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(RunBpf(program, SYS_ioctl, {0, high | 0x40086602}), Denied(EOPNOTSUPP));
  }
}

TEST(PlanFilter, PersonalityMayOnlyBeAsked) {
  const std::vector<sock_filter> program = Filter(false);
  EXPECT_EQ(RunBpf(program, SYS_personality, {0xffffffff}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunBpf(program, SYS_personality, {0}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunBpf(program, SYS_personality, {~uint64_t{0}}), SECCOMP_RET_ALLOW);
  for (unsigned bit = 0; bit < 32; ++bit) {
    EXPECT_EQ(RunBpf(program, SYS_personality, {1ULL << bit}), Denied(EPERM));
    EXPECT_EQ(RunBpf(program, SYS_personality, {0xffffffff ^ (1ULL << bit)}), Denied(EPERM));
  }
}

TEST(PlanFilter, DeniesHoldInTheKernel) {
  if (!CanInstallFilters()) {
    GTEST_SKIP() << "needs SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (Linux 5.19)";
  }
  const int status = RunFiltered(Filter(false), [](int) {
    const auto fails_with = [](int error, long result) { return result == -1 && errno == error; };
    if (unshare(CLONE_FILES) != 0) return 1;
    if (!fails_with(EPERM, unshare(CLONE_NEWUSER))) return 2;
    if (!fails_with(ENOSYS, syscall(SYS_clone3, nullptr, 0))) return 3;
    if (!fails_with(EPERM, syscall(SYS_ioctl, 0, TIOCSTI | 1ULL << 32, ""))) return 4;
    if (!fails_with(EPERM, prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))) return 5;
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return 6;
    if (!fails_with(EPERM, prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0))) return 7;
    if (syscall(SYS_personality, 0xffffffff) == -1) return 8;
    if (!fails_with(EPERM, syscall(SYS_io_uring_setup, 1, nullptr))) return 9;
    if (!fails_with(EOPNOTSUPP, syscall(SYS_landlock_create_ruleset, nullptr, 0, 1))) return 10;
    sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    sock_fprog nested = {1, &allow};
    if (!fails_with(EBUSY, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                   SECCOMP_FILTER_FLAG_NEW_LISTENER, &nested))) {
      return 11;
    }
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &nested) != 0) return 12;
    const int fd = open("/", O_RDONLY | O_DIRECTORY);
    if (fd < 0) return 13;
    int flags = 0;
    if (!fails_with(EOPNOTSUPP, ioctl(fd, 0x40086602, &flags))) return 14;
    // O_PATH is native because the kernel ignores every other flag then.
    if (!fails_with(ENOENT, open("/no-such-name", O_PATH | O_CREAT | O_TRUNC, 0600))) return 15;
    return 0;
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the number of the check that failed";
}

}  // namespace
}  // namespace sessionctl
