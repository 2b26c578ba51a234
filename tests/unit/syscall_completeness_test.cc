// Every system call that this architecture has a name for is in exactly one place: mediated (the
// table), denied by a group, native though it takes a path (with a reason), or here, in the list of
// those that take no path. A new call that nobody has thought about fails the test.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "policy/syscall_groups.h"
#include "sandbox/seccomp_filter.h"
#include "supervisor/mediator/syscall_table.h"
#include "tests/unit/generic_syscalls.h"

namespace sessionctl {
namespace {

constexpr int kNumbers = 512;

const std::set<std::string>& OnlyOnX86() {
  static const auto* const names = new std::set<std::string>{
      "open",  "creat", "rename", "mkdir", "rmdir",  "unlink",    "link",   "symlink",  "mknod",
      "chmod", "chown", "lchown", "utime", "utimes", "futimesat", "access", "readlink", "getdents"};
  return *names;
}

// What the kernel does alone, unless a mount hides names.
const std::set<std::string>& MediatedToHide() {
  static const auto* const names = new std::set<std::string>{
      "newfstatat", "statx",       "faccessat",    "faccessat2",        "readlinkat",
      "statfs",     "getxattr",    "lgetxattr",    "getxattrat",        "listxattr",
      "llistxattr", "listxattrat", "file_getattr", "inotify_add_watch", "getdents64",
#ifdef __x86_64__
      "stat",       "lstat",       "access",       "readlink",          "getdents",
#endif
  };
  return *names;
}

const std::set<std::string>& CallsWithoutPath() {
  // clang-format off
  static const auto* const names = new std::set<std::string>{
      "_sysctl", "accept", "accept4", "adjtimex", "afs_syscall", "alarm", "arch_prctl",
      "brk", "cachestat", "capget", "capset", "clock_adjtime", "clock_getres", "clock_gettime",
      "clock_nanosleep", "clock_settime", "clone", "clone3", "close", "close_range",
      "copy_file_range", "create_module", "dup", "dup2", "dup3", "epoll_create", "epoll_create1",
      "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old",
      "eventfd", "eventfd2", "exit", "exit_group", "fadvise64", "fallocate", "fchdir", "fcntl",
      "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fstat", "fstatfs", "fsync",
      "ftruncate", "futex", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake",
      "get_kernel_syms", "get_mempolicy", "get_robust_list", "get_thread_area", "getcpu", "getcwd",
      "getdents", "getdents64", "getegid", "geteuid", "getgid", "getgroups", "getitimer",
      "getpeername", "getpgid", "getpgrp", "getpid", "getpmsg", "getppid", "getpriority",
      "getrandom", "getresgid", "getresuid", "getrlimit", "getrusage", "getsid",
      "getsockopt", "gettid", "gettimeofday", "getuid", "inotify_init", "inotify_init1",
      "inotify_rm_watch", "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_setup",
      "io_submit", "ioctl", "ioprio_get", "kill", "lseek",
      "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "madvise", "map_shadow_stack",
      "mbind", "membarrier", "memfd_secret", "migrate_pages", "mincore", "mlock",
      "mlock2", "mlockall", "mmap", "modify_ldt", "move_pages", "mprotect", "mq_getsetattr",
      "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "mremap", "mseal",
      "msgctl", "msgget", "msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap",
      "nanosleep", "nfsservctl", "pause", "pidfd_open", "pidfd_send_signal", "pipe", "pipe2",
      "pkey_alloc", "pkey_free", "pkey_mprotect", "poll", "ppoll", "prctl", "pread64", "preadv",
      "preadv2", "process_mrelease", "pselect6", "putpmsg", "pwrite64", "pwritev",
      "pwritev2", "query_module", "read", "readahead", "readv", "recvfrom", "recvmmsg", "recvmsg",
      "remap_file_pages", "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending",
      "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
      "rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min",
      "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
      "sched_rr_get_interval", "sched_yield", "seccomp", "security", "select", "semctl", "semget",
      "semop", "semtimedop", "sendfile", "set_mempolicy",
      "set_mempolicy_home_node", "set_robust_list", "set_thread_area", "set_tid_address",
      "setdomainname", "setfsgid", "setfsuid", "setgid", "setgroups", "sethostname", "setitimer",
      "setpgid", "setregid", "setresgid", "setresuid", "setreuid", "setrlimit",
      "setsid", "setsockopt", "settimeofday", "setuid", "shmat", "shmctl", "shmdt", "shmget",
      "shutdown", "sigaltstack", "signalfd", "signalfd4", "socket", "socketpair", "splice", "sync",
      "sync_file_range", "syncfs", "sysfs", "sysinfo", "tee", "tgkill", "time", "timer_create",
      "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime", "timerfd_create",
      "timerfd_gettime", "timerfd_settime", "times", "tkill", "tuxcall", "umask", "uname",
      "unshare", "uretprobe", "uprobe", "ustat", "vfork", "vhangup", "vmsplice", "vserver", "wait4",
      "waitid", "write", "writev", "personality"};
  // clang-format on
  return *names;
}

bool IsDenied(const std::string& name) {
  for (const SyscallGroup& group : SyscallGroups()) {
    for (const DeniedCall& call : group.calls) {
      if (name == call.name && call.conditions.empty()) return true;
    }
  }
  return false;
}

bool IsNativeWithReason(const std::string& name) {
  for (const NativeCall& call : NativePathCalls()) {
    if (name == call.name) return call.reason[0] != '\0';
  }
  return false;
}

TEST(SyscallCompleteness, EveryNamedCallIsMediatedDeniedOrNativeWithAReason) {
  int named = 0;
  for (int nr = 0; nr < kNumbers; ++nr) {
    std::string name = SyscallName(nr);
    if (name.empty()) continue;
    ++named;
    bool placed = FindSyscallRow(nr) != nullptr || IsDenied(name) || IsNativeWithReason(name) ||
                  CallsWithoutPath().count(name) == 1;
    EXPECT_TRUE(placed) << name << " (" << nr << ") takes its way past everybody";
  }
  EXPECT_GT(named, 300);
}

bool HasRow(const std::string& name) {
  for (const SyscallRow& row : SyscallTable()) {
    if (name == row.name) return true;
  }
  return false;
}

// aarch64 cannot run here, but the kernel's header lists its calls. What that is too old to list
// has the same number everywhere, and is looked at above.
TEST(SyscallCompleteness, EveryCallOfAarch64IsMediatedDeniedOrNativeWithAReason) {
  const std::set<std::string> names = GenericSyscallNames();
  if (names.empty()) GTEST_SKIP() << "needs the kernel's headers (linux-libc-dev)";
  EXPECT_GT(names.size(), 290U);
  for (const std::string& name : names) {
    if (name.find("time64") != std::string::npos) continue;  // 32 bits
    const bool placed = HasRow(name) || IsDenied(name) || IsNativeWithReason(name) ||
                        CallsWithoutPath().count(name) == 1;
    EXPECT_TRUE(placed) << name << " takes its way past everybody on aarch64";
  }
}

// What the table leaves out on aarch64 (#ifdef SYS_open) is what that does not have.
TEST(SyscallCompleteness, RowsOfX86OnlyAreThoseThatAarch64DoesNotHave) {
#ifdef __x86_64__
  const std::set<std::string> generic = GenericSyscallNames();
  if (generic.empty()) GTEST_SKIP() << "needs the kernel's headers (linux-libc-dev)";
  std::set<std::string> missing;
  for (const SyscallRow& row : SyscallTable()) {
    if (generic.count(row.name) == 0 && row.nr < kFirstSharedNumber) missing.insert(row.name);
  }
  EXPECT_EQ(missing, OnlyOnX86());
#else
  GTEST_SKIP() << "needs x86-64";
#endif
}

TEST(SyscallCompleteness, NoCallIsBothMediatedAndDeniedOrNative) {
  for (const SyscallRow& row : SyscallTable()) {
    const bool native = IsNativeWithReason(row.name) || CallsWithoutPath().count(row.name) == 1;
    EXPECT_FALSE(IsDenied(row.name)) << row.name;
    EXPECT_EQ(native, row.under == MediatedCall::Under::kHiddenNames) << row.name;
  }
}

// A hidden name is found by no call that takes a path. The three that the kernel alone can carry
// out are the exception, and the documented one.
TEST(SyscallCompleteness, EveryNativeCallThatTakesAPathIsMediatedWhereNamesAreHidden) {
  const std::set<std::string> only_the_kernel = {"chdir", "execve", "execveat"};
  const std::set<std::string> no_file = {"mq_open", "mq_unlink"};
  const std::set<std::string> denied_then = {"name_to_handle_at"};
  for (const NativeCall& call : NativePathCalls()) {
    if (only_the_kernel.contains(call.name) || no_file.contains(call.name)) continue;
    if (SyscallNumber(call.name) < 0 || denied_then.contains(call.name)) continue;
    EXPECT_EQ(MediatedToHide().count(call.name), 1U) << call.name;
  }
  for (const SyscallRow& row : SyscallTable()) {
    EXPECT_EQ(row.under == MediatedCall::Under::kHiddenNames, MediatedToHide().contains(row.name))
        << row.name;
  }
}

TEST(SyscallTable, EveryRowHasItsKernelName) {
  for (const SyscallRow& row : SyscallTable()) EXPECT_EQ(SyscallName(row.nr), row.name);
}

TEST(SyscallTable, EveryRowIsFoundByItsNumber) {
  for (const SyscallRow& row : SyscallTable()) EXPECT_EQ(FindSyscallRow(row.nr), &row);
  EXPECT_EQ(FindSyscallRow(-1), nullptr);
  EXPECT_EQ(FindSyscallRow(0x40000000), nullptr);
}

// The spellings of trap 36: all of them.
TEST(SyscallTable, HasEverySpelling) {
  std::set<std::string> expected = {
      "openat", "openat2", "renameat", "renameat2", "mkdirat", "unlinkat", "linkat", "symlinkat",
      "mknodat", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "utimensat", "truncate",
      "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr",
      "fremovexattr", "removexattrat", "file_setattr", "connect", "bind", "sendto", "sendmsg",
      "sendmmsg",
      // … and those that take neither a path nor an address.
      "getsockname", "listen", "memfd_create", "prlimit64", "setpriority", "ioprio_set",
      "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"};
#ifdef __x86_64__
  expected.insert(OnlyOnX86().begin(), OnlyOnX86().end());
#endif
  // … and those that only look.
  expected.insert(MediatedToHide().begin(), MediatedToHide().end());
  std::set<std::string> found;
  for (const SyscallRow& row : SyscallTable()) found.insert(row.name);
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace sessionctl
