#include "policy/broker_filter.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "policy/policy_compiler.h"
#include "policy/syscall_groups.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/syscall_table.h"
#include "tests/unit/bpf_interpreter.h"
#include "tests/unit/generic_syscalls.h"

namespace sessionctl {
namespace {

constexpr uint64_t kGarbage = 0xabcd'0000'0000ULL;  // above an int

std::vector<sock_filter> Filter(const CompiledPolicy& compiled,
                                const std::vector<MediatedCall>& mediated) {
  absl::StatusOr<std::vector<sock_filter>> program =
      CompileFilter(PlanBrokerFilter(compiled, mediated));
  EXPECT_TRUE(program.ok()) << program.status();
  return program.ok() ? *program : std::vector<sock_filter>();
}

std::vector<sock_filter> Filter(const std::vector<MediatedCall>& mediated, CapabilitySet kept = 0) {
  CompiledPolicy compiled;
  compiled.identity.kept = kept;
  return Filter(compiled, mediated);
}

std::vector<MediatedCall> Only(int nr) {
  std::vector<MediatedCall> calls = MediatedCalls();
  std::erase_if(calls, [nr](const MediatedCall& call) { return call.nr != nr; });
  return calls;
}

bool Allows(const std::vector<sock_filter>& program, int nr,
            const std::vector<uint64_t>& arguments = {}) {
  const uint32_t action = RunBpf(program, nr, arguments);
  EXPECT_TRUE(action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_TRAP) << nr << ": " << action;
  return action == SECCOMP_RET_ALLOW;
}

// What no handler of today needs. A call that is one day mediated by making it leaves this list.
TEST(BrokerFilter, StopsWhatNoBrokerDoes) {
  const std::vector<sock_filter> filter = Filter(MediatedCalls());
  for (const int nr : {SYS_execve,
                       SYS_execveat,
                       SYS_ptrace,
                       SYS_mount,
                       SYS_umount2,
                       SYS_pivot_root,
                       SYS_chroot,
                       SYS_setns,
                       SYS_bpf,
                       SYS_keyctl,
                       SYS_add_key,
                       SYS_userfaultfd,
                       SYS_perf_event_open,
                       SYS_io_uring_setup,
                       SYS_init_module,
                       SYS_kexec_load,
                       SYS_open_by_handle_at,
                       SYS_seccomp,
                       SYS_rt_sigaction,
                       SYS_capset,
                       SYS_ftruncate,
                       SYS_pwrite64,
                       SYS_personality,
                       SYS_shmget,
                       SYS_mq_open,
                       SYS_inotify_init1,
                       SYS_socket,
                       SYS_sendmsg,
                       SYS_accept4}) {
    EXPECT_FALSE(Allows(filter, nr)) << SyscallName(nr);
  }
  for (int nr = kLastReviewedSyscall + 1; nr < 600; ++nr) EXPECT_FALSE(Allows(filter, nr)) << nr;
}

TEST(BrokerFilter, LooksAtArguments) {
  const std::vector<sock_filter> filter = Filter(MediatedCalls());
  constexpr uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
  EXPECT_TRUE(Allows(filter, SYS_clone, {kThread}));
  EXPECT_FALSE(Allows(filter, SYS_clone, {SIGCHLD}));
  EXPECT_FALSE(Allows(filter, SYS_clone, {kThread | CLONE_NEWNS}));
  EXPECT_EQ(RunBpf(filter, 435 /* clone3 */), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_TRUE(Allows(filter, SYS_unshare, {CLONE_FS}));
  EXPECT_FALSE(Allows(filter, SYS_unshare, {CLONE_FS | CLONE_NEWUSER}));
  EXPECT_TRUE(Allows(filter, SYS_mmap, {0, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE}));
  EXPECT_FALSE(Allows(filter, SYS_mmap, {0, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE}));
  EXPECT_FALSE(Allows(filter, SYS_mmap, {0, 1, PROT_READ | PROT_WRITE, MAP_SHARED}));
  EXPECT_FALSE(Allows(filter, SYS_mprotect, {0, 1, PROT_EXEC}));
  EXPECT_TRUE(Allows(filter, SYS_mmap, {0, 1, PROT_READ | PROT_WRITE, 8 /* MAP_DROPPABLE */}));
  EXPECT_TRUE(Allows(filter, SYS_kill, {1, 0}));
  EXPECT_FALSE(Allows(filter, SYS_kill, {1, SIGKILL}));
  EXPECT_FALSE(Allows(filter, SYS_tgkill, {1, 2, SIGKILL}));
  EXPECT_TRUE(Allows(filter, SYS_setpriority, {PRIO_PROCESS, 1, 5}));
  EXPECT_FALSE(Allows(filter, SYS_setpriority, {PRIO_USER, 1, 5}));
  EXPECT_TRUE(Allows(filter, SYS_sendto, {1, 2, 3, 4, 0}));
  EXPECT_FALSE(Allows(filter, SYS_sendto, {1, 2, 3, 4, 5}));
  EXPECT_TRUE(Allows(filter, SYS_pidfd_send_signal, {1, SIGKILL}));
  EXPECT_FALSE(Allows(filter, SYS_pidfd_send_signal, {1, SIGUSR1}));
  EXPECT_TRUE(Allows(filter, SYS_mknodat, {0, 0, S_IFIFO | 0644}));
  EXPECT_FALSE(Allows(filter, SYS_mknodat, {0, 0, S_IFCHR | 0644}));
}

// An int's high bits are the caller's to choose, and the kernel does not look at them (trap 22).
TEST(BrokerFilter, HighBitsOfAnIntChangeNothing) {
  const std::vector<sock_filter> filter = Filter(MediatedCalls());
  for (const uint64_t high : {uint64_t{0}, kGarbage}) {
    EXPECT_TRUE(Allows(filter, SYS_ioctl, {3, high | SECCOMP_IOCTL_NOTIF_RECV}));
    EXPECT_FALSE(Allows(filter, SYS_ioctl, {0, high | TIOCSTI}));
    EXPECT_FALSE(Allows(filter, SYS_fcntl, {0, high | 4 /* F_SETFL */}));
  }
}

TEST(BrokerFilter, HandlersCallsComeWithTheirMediatedCallOnly) {
  const std::vector<sock_filter> none = Filter(Only(-1));
  const std::vector<sock_filter> one = Filter(Only(SYS_mkdirat));
  EXPECT_FALSE(Allows(none, SYS_mkdirat));
  EXPECT_TRUE(Allows(one, SYS_mkdirat));
  EXPECT_FALSE(Allows(one, SYS_symlinkat));
  EXPECT_TRUE(Allows(none, SYS_openat));  // every broker resolves paths
}

TEST(BrokerFilter, SendsForASessionOnlyWhereThePolicyHasThemMediated) {
  CompiledPolicy compiled;
  compiled.network.sends_mediated = true;
  const std::vector<sock_filter> filter = Filter(compiled, MediatedCalls());
  EXPECT_TRUE(Allows(filter, SYS_sendmsg, {1, 2, 3}));
  EXPECT_FALSE(Allows(filter, SYS_listen, {1, 2}));
  EXPECT_TRUE(Allows(filter, SYS_tkill, {1, SIGPIPE}));
  EXPECT_FALSE(Allows(filter, SYS_tkill, {1, SIGTERM}));
  EXPECT_FALSE(Allows(filter, SYS_socket, {1, 2, 0}));
}

TEST(BrokerFilter, LimitsOfOthersAreReadByEveryBrokerAndSetForASessionOnly) {
  const std::vector<sock_filter> none = Filter(Only(-1));
  EXPECT_TRUE(Allows(none, SYS_prlimit64, {1, 2, 0, 3}));
  EXPECT_FALSE(Allows(none, SYS_prlimit64, {1, 2, uint64_t{1} << 32, 3}));
  EXPECT_FALSE(Allows(none, SYS_process_vm_writev));
  EXPECT_FALSE(Allows(none, SYS_kill, {1, 0}));
  EXPECT_TRUE(Allows(Filter(Only(SYS_prlimit64)), SYS_prlimit64, {1, 2, 4, 3}));
}

TEST(BrokerFilter, MemoryIsMadeWithoutTheRightToExecuteIt) {
  constexpr uint64_t kName = 4096;
  const std::vector<sock_filter> filter = Filter(MediatedCalls());
  EXPECT_TRUE(Allows(filter, SYS_memfd_create, {kName, kMfdNoexecSeal | MFD_CLOEXEC}));
  EXPECT_FALSE(Allows(filter, SYS_memfd_create, {kName, MFD_CLOEXEC}));
  EXPECT_FALSE(Allows(filter, SYS_memfd_create, {kName, kMfdExec}));
  EXPECT_TRUE(Allows(filter, SYS_memfd_create, {0, kMfdExec}));  // asks: there is no such name
  CompiledPolicy allowed;
  allowed.policy.process.allow_groups = {kMemfdExecGroup};  // native then
  EXPECT_FALSE(Allows(Filter(allowed, MediatedCalls()), SYS_memfd_create, {kName, kMfdNoexecSeal}));
  CompiledPolicy older;  // a kernel before 6.3 knows no such flags
  older.policy.kernel.best_effort = true;
  EXPECT_TRUE(Allows(Filter(older, MediatedCalls()), SYS_memfd_create, {kName, MFD_CLOEXEC}));
  EXPECT_FALSE(Allows(Filter(older, MediatedCalls()), SYS_memfd_create, {kName, kMfdExec}));
}

TEST(BrokerFilter, CredentialsAreChangedWhereThePolicyKeepsCapabilitiesOnly) {
  const std::vector<sock_filter> without = Filter(Only(-1));
  const std::vector<sock_filter> with = Filter(Only(-1), CapabilityBit(1));
  for (const int nr : {SYS_setfsuid, SYS_setfsgid, SYS_setgroups, SYS_capset}) {
    EXPECT_FALSE(Allows(without, nr, {1000})) << SyscallName(nr);
    EXPECT_TRUE(Allows(with, nr, {1000})) << SyscallName(nr);
  }
  EXPECT_TRUE(Allows(without, SYS_setfsuid, {~uint32_t{0}}));  // changes nothing
  EXPECT_FALSE(Allows(with, SYS_setuid, {0}));
  EXPECT_FALSE(Allows(with, SYS_mknodat, {0, 0, S_IFBLK | 0644}));
  EXPECT_TRUE(
      Allows(Filter(Only(-1), CapabilityBit(CAP_MKNOD)), SYS_mknodat, {0, 0, S_IFBLK | 0644}));
}

TEST(BrokerFilter, MemoryIsMadeToTellMountsWhereOneIsMoved) {
  CompiledPolicy compiled;
  EXPECT_FALSE(Allows(Filter(compiled, Only(-1)), SYS_memfd_create, {1, kMfdNoexecSeal}));
  compiled.view.moves_mounts = true;
  EXPECT_TRUE(Allows(Filter(compiled, Only(-1)), SYS_memfd_create, {1, kMfdNoexecSeal}));
  EXPECT_FALSE(Allows(Filter(compiled, Only(-1)), SYS_memfd_create, {1, 0}));
}

std::vector<BrokerCall> AllCalls() {
  std::vector<BrokerCall> calls;
  for (const BrokerNeed& need : BrokerNeeds()) {
    calls.insert(calls.end(), need.calls.begin(), need.calls.end());
  }
  for (const MediatedCall& call : MediatedCalls()) {
    calls.insert(calls.end(), call.broker_calls.begin(), call.broker_calls.end());
  }
  return calls;
}

TEST(BrokerFilter, EveryCallHasAReason) {
  for (const BrokerNeed& need : BrokerNeeds()) EXPECT_NE(std::string(need.reason), "");
  for (const MediatedCall& call : MediatedCalls()) {
    EXPECT_FALSE(call.broker_calls.empty()) << call.name;
  }
}

// A misspelt name would be left out in silence, and its caller found out later.
TEST(BrokerFilter, EveryNameIsASyscall) {
#if defined(__x86_64__)
  for (const BrokerCall& call : AllCalls()) EXPECT_GE(SyscallNumber(call.name), 0) << call.name;
#else
  GTEST_SKIP() << "needs x86-64";
#endif
}

// Where aarch64 lacks a spelling, its libc makes another call, which is listed, too.
TEST(BrokerFilter, SpellingsThatAarch64LacksAreKnown) {
  const std::set<std::string> generic = GenericSyscallNames();
  if (generic.empty()) GTEST_SKIP() << "needs the kernel's headers (linux-libc-dev)";
  std::set<std::string> missing;
  for (const BrokerCall& call : AllCalls()) {
    const bool shared = SyscallNumber(call.name) >= kFirstSharedNumber;
    if (!shared && generic.count(call.name) == 0) missing.insert(call.name);
  }
  EXPECT_EQ(missing, (std::set<std::string>{
                         "chmod",  // fchmodat
                         "poll",   // ppoll
                         "time",   // clock_gettime
                     }));
}

}  // namespace
}  // namespace sessionctl
