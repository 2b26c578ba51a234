#include "policy/broker_filter.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>

#include "policy/wall_plans.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/namespaces.h"

namespace sessionctl {
namespace {

constexpr uint64_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr uint64_t kNameMappings = 0x53564d41;  // PR_SET_VMA, which newer libcs use on request
// MAP_DROPPABLE (Linux 6.11): private as well, for the state of getrandom in glibc 2.41.
constexpr uint64_t kDroppable = 8;

// What no row says is never done: executing, making processes, tracing, writing to other memory,
// sockets, mounts, namespaces, credentials, limits, capabilities, keys, io_uring, bpf ….
std::vector<BrokerNeed> MakeNeeds() {
  return {
      {"memory, private and never executable",
       {{"brk"},
        {"munmap"},
        {"mremap"},
        {"madvise"},
        {"mmap", {BitClear(2, PROT_EXEC), {3, MAP_TYPE, MAP_PRIVATE}}},
        {"mmap", {BitClear(2, PROT_EXEC), {3, MAP_TYPE, kDroppable}}},
        {"mprotect", {BitClear(2, PROT_EXEC)}},
        {"getrandom"},
        {"prctl", {IntIs(0, kNameMappings)}}}},
      {"worker threads, each with a umask of its own; no process",
       {{"clone",
         {BitSet(0, CLONE_THREAD | CLONE_VM | CLONE_SIGHAND), BitClear(0, kNewNamespaces)}},
        {"unshare", {WordIs(0, CLONE_FS)}},
        {"umask"},
        {"set_robust_list"},
        {"rseq"},
        {"futex"},
        {"sched_yield"},
        {"sched_getaffinity"},
        {"getcpu"},
        {"exit"}}},
      {"waking its own threads; which signal does what is settled before",
       {{"rt_sigprocmask"},
        {"rt_sigreturn"},
        {"restart_syscall"},
        {"getpid"},
        {"gettid"},
        {"tgkill", {IntIs(2, SIGUSR2)}},
        {"tgkill", {IntIs(2, SIGABRT)}}}},
      {"time", {{"clock_gettime"}, {"gettimeofday"}, {"time"}, {"nanosleep"}, {"clock_nanosleep"}}},
      {"taking and answering calls",
       {{"ioctl", {IntIs(1, SECCOMP_IOCTL_NOTIF_RECV)}},
        {"ioctl", {IntIs(1, SECCOMP_IOCTL_NOTIF_ID_VALID)}},
        {"ioctl", {IntIs(1, SECCOMP_IOCTL_NOTIF_SEND)}},
        {"ioctl", {IntIs(1, SECCOMP_IOCTL_NOTIF_ADDFD)}}}},
      {"looking at its caller",
       {{"process_vm_readv"},
        {"pidfd_open"},
        {"pidfd_getfd"},
        {"kcmp", {IntIs(2, KCMP_FILE)}},
        {"prlimit64", {WordIs(2, 0)}},
        {"ioctl", {IntIs(1, kNsGetPidFromPidns)}}}},
      {"resolving and deciding",
       {{"openat"},
        {"openat2"},
        {"close"},
        {"fcntl", {IntIs(1, F_DUPFD_CLOEXEC)}},
        {"fcntl", {IntIs(1, F_GETFL)}},
        {"fcntl", {IntIs(1, F_GETFD)}},
        {"fcntl", {IntIs(1, F_SETFD)}},
        {"newfstatat"},
        {"fstat"},
        {"statx"},
        {"fstatfs"},
        {"faccessat2"},
        {"faccessat"},
        {"readlinkat"},
        {"getdents64"},
        {"lseek"},
        {"read"},
        {"getuid"},
        {"geteuid"},
        {"getgid"},
        {"getegid"},
        {"setfsuid", {IntIs(0, ~uint32_t{0})}}}},  // asks whose it is
      {"the audit, and telling its parent",
       {{"write"}, {"writev"}, {"sendto", {WordIs(4, 0)}}, {"getppid"}}},
      {"looking after its session's limits, by descriptors that it holds",
       {{"poll"},
        {"ppoll"},
        {"getrusage"},
        {"ioctl", {IntIs(1, FIONREAD)}},
        {"pidfd_send_signal", {IntIs(1, SIGTERM)}},
        {"pidfd_send_signal", {IntIs(1, SIGCONT)}}}},
      {"ending the session, and its shared memory",
       {{"wait4"},
        {"waitid"},
        {"pidfd_send_signal", {IntIs(1, SIGSTOP)}},
        {"pidfd_send_signal", {IntIs(1, SIGKILL)}},
        {"unlinkat"},
        {"exit_group"}}},
      {"acting with its caller's credentials, where the policy keeps capabilities",
       {{"capget"}, {"capset"}, {"setfsuid"}, {"setfsgid"}, {"setgroups"}},
       ~CapabilitySet{0}},
      {"making devices, where the policy keeps `mknod`",
       {{"mknodat", {{2, S_IFMT, S_IFCHR}}}, {"mknodat", {{2, S_IFMT, S_IFBLK}}}},
       CapabilityBit(CAP_MKNOD)},
      {"hearing of mounts that come and go, under `filesystem.reserve`",
       {{"recvmsg"}},
       0,
       /*only_reserve=*/true},
      {"telling the mounts without the host's paths, where one is seen at another",
       {{"memfd_create", {BitSet(1, kMfdNoexecSeal)}}, {"fcntl", {IntIs(1, F_ADD_SEALS)}}},
       0,
       /*only_reserve=*/false,
       /*only_moved=*/true},
  };
}

using CasesByNumber = std::map<int, std::vector<FilterCase>>;

void Allow(const std::vector<BrokerCall>& calls, bool best_effort, CasesByNumber* cases) {
  for (const BrokerCall& call : calls) {
    const int nr = SyscallNumber(call.name);
    if (nr < 0 || (call.only_best_effort && !best_effort)) continue;
    (*cases)[nr].push_back({call.conditions, FilterAction::kAllow});
  }
}

}  // namespace

const std::vector<BrokerNeed>& BrokerNeeds() {
  static const auto* const needs = new std::vector<BrokerNeed>(MakeNeeds());
  return *needs;
}

const std::vector<const char*>& BrokerFallbacks() {
  // clone3 keeps its flags in memory, where no filter can look (trap 45).
  static const auto* const names = new std::vector<const char*>{"clone3"};
  return *names;
}

FilterPlan PlanBrokerFilter(const CompiledPolicy& compiled,
                            const std::vector<MediatedCall>& mediated_calls) {
  const bool best_effort = compiled.policy.kernel.best_effort;
  CasesByNumber cases;
  for (const BrokerNeed& need : BrokerNeeds()) {
    const bool needed = (need.only_with == 0 || (compiled.identity.kept & need.only_with) != 0) &&
                        (!need.only_reserve || compiled.policy.filesystem.reserve) &&
                        (!need.only_moved || compiled.view.moves_mounts);
    if (needed) Allow(need.calls, best_effort, &cases);
  }
  for (const MediatedCall& call : mediated_calls) {
    if (IsMediated(compiled, call)) Allow(call.broker_calls, best_effort, &cases);
  }
  FilterPlan plan;
  plan.otherwise = FilterAction::kTrap;
  for (const auto& [nr, of_call] : cases) {
    std::vector<FilterRule> rules = RulesInOrder(nr, of_call, plan.otherwise);
    std::move(rules.begin(), rules.end(), std::back_inserter(plan.rules));
  }
  for (const char* name : BrokerFallbacks()) {
    const int nr = SyscallNumber(name);
    if (nr >= 0) plan.rules.push_back({nr, FilterAction::kErrno, ENOSYS, {}});
  }
  return plan;
}

}  // namespace sessionctl
