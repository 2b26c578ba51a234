#include "policy/syscall_groups.h"

#include <cerrno>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr uint64_t kInt = 0xffffffff;  // see IntIs

struct NamedBit {
  uint64_t bit;
  const char* name;
};

// linux/sched.h. CLONE_NEWTIME lies in the byte that clone(2) takes for the exit signal, so only
// unshare has it.
constexpr NamedBit kCloneNamespaces[] = {
    {0x00020000, "CLONE_NEWNS"},  {0x02000000, "CLONE_NEWCGROUP"}, {0x04000000, "CLONE_NEWUTS"},
    {0x08000000, "CLONE_NEWIPC"}, {0x10000000, "CLONE_NEWUSER"},   {0x20000000, "CLONE_NEWPID"},
    {0x40000000, "CLONE_NEWNET"},
};
constexpr NamedBit kCloneNewTime = {0x00000080, "CLONE_NEWTIME"};

// asm-generic/ioctls.h. The first types into a terminal, the second pastes into one and more, the
// others give it to another line discipline (a large part of the kernel) or the console's output to
// it.
constexpr NamedBit kTerminalRequests[] = {
    {0x5412, "TIOCSTI"}, {0x541c, "TIOCLINUX"}, {0x5423, "TIOCSETD"}, {0x541d, "TIOCCONS"}};

// linux/fs.h, linux/fsverity.h, fs/ext4, linux/btrfs.h, linux/msdos_fs.h, linux/fscrypt.h. They
// change a file or directory through a descriptor that was opened for reading only; btrfs's make
// and remove names; fscrypt's lock and unlock directories for everybody.
constexpr NamedBit kInodeFlagRequests[] = {{0x40086602, "FS_IOC_SETFLAGS"},
                                           {0x40087602, "FS_IOC_SETVERSION"},
                                           {0x401c5820, "FS_IOC_FSSETXATTR"},
                                           {0x40806685, "FS_IOC_ENABLE_VERITY"},
                                           {0x40086604, "EXT4_IOC_SETVERSION"},
                                           {0x40047211, "FAT_IOCTL_SET_ATTRIBUTES"},
                                           {0x800c6613, "FS_IOC_SET_ENCRYPTION_POLICY"},
                                           {0xc0506617, "FS_IOC_ADD_ENCRYPTION_KEY"},
                                           {0xc0406618, "FS_IOC_REMOVE_ENCRYPTION_KEY"},
                                           {0x5000940e, "BTRFS_IOC_SUBVOL_CREATE"},
                                           {0x50009418, "BTRFS_IOC_SUBVOL_CREATE_V2"},
                                           {0x50009401, "BTRFS_IOC_SNAP_CREATE"},
                                           {0x50009417, "BTRFS_IOC_SNAP_CREATE_V2"},
                                           {0x5000940f, "BTRFS_IOC_SNAP_DESTROY"},
                                           {0x5000943f, "BTRFS_IOC_SNAP_DESTROY_V2"},
                                           {0x4008941a, "BTRFS_IOC_SUBVOL_SETFLAGS"}};

// asm-generic/sockios.h: F_SETOWN by another name, with the number in memory.
constexpr NamedBit kOwnerRequests[] = {{0x8901, "FIOSETOWN"}, {0x8902, "SIOCSPGRP"}};

// linux/kd.h ('K') and linux/vt.h ('V'): numbers without a size, unlike V4L2's.
constexpr uint64_t kConsoleMask = 0xffffff00;

constexpr uint32_t kPrSetDumpable = 4;
constexpr uint32_t kPrSetPtracer = 0x59616d61;
constexpr uint32_t kPrSchedCore = 62;
constexpr uint32_t kPrSetVma = 0x53564d41;
constexpr uint32_t kPrGetAuxv = 0x41555856;
constexpr uint32_t kPersonalityQuery = 0xffffffff;
constexpr uint64_t kSeccompNewListener = 1 << 3;

// asm-generic/fcntl.h, linux/fcntl.h
constexpr uint32_t kFSetown = 8;
constexpr uint32_t kFSetownEx = 15;
constexpr uint32_t kFSetlease = 1024;
constexpr uint32_t kFNotify = 1026;

std::vector<DeniedCall> All(int error, const std::vector<const char*>& names) {
  std::vector<DeniedCall> calls;
  calls.reserve(names.size());
  for (const char* name : names) calls.push_back({name, error, {}});
  return calls;
}

std::vector<DeniedCall> NamespaceCalls() {
  std::vector<DeniedCall> calls = All(EPERM, {"setns"});
  // Its flags lie in memory, where a filter cannot look (trap 45); libc falls back to clone.
  calls.push_back({"clone3", ENOSYS, {}});
  for (const NamedBit& flag : kCloneNamespaces) {
    calls.push_back({"clone", EPERM, {BitSet(0, flag.bit)}, flag.name});
    calls.push_back({"unshare", EPERM, {BitSet(0, flag.bit)}, flag.name});
  }
  calls.push_back({"unshare", EPERM, {BitSet(0, kCloneNewTime.bit)}, kCloneNewTime.name});
  return calls;
}

template <size_t N>
std::vector<DeniedCall> IoctlCalls(int error, const NamedBit (&requests)[N]) {
  std::vector<DeniedCall> calls;
  for (const NamedBit& request : requests) {
    calls.push_back({"ioctl", error, {IntIs(1, static_cast<uint32_t>(request.bit))}, request.name});
  }
  return calls;
}

// A virtual console's keys, mode and switching answer as on any other terminal.
std::vector<DeniedCall> TerminalCalls() {
  std::vector<DeniedCall> calls = IoctlCalls(EPERM, kTerminalRequests);
  calls.push_back({"ioctl", ENOTTY, {{1, kConsoleMask, 0x4b00}}, "KD requests (linux/kd.h)"});
  calls.push_back({"ioctl", ENOTTY, {{1, kConsoleMask, 0x5600}}, "VT requests (linux/vt.h)"});
  return calls;
}

// A signal to a group goes to all of it, and a session shares its process group with its caller's
// pipeline. Landlock looked at one member only until its fix of 2026 (control_current_fowner).
std::vector<DeniedCall> GroupSignalCalls() {
  std::vector<DeniedCall> calls = IoctlCalls(EINVAL, kOwnerRequests);
  calls.push_back({"fcntl",
                   EPERM,
                   {IntIs(1, kFSetown), BitSet(2, 0x80000000)},
                   "F_SETOWN naming a process group"});
  calls.push_back({"fcntl", EINVAL, {IntIs(1, kFSetownEx)}, "F_SETOWN_EX"});
  return calls;
}

// What is known up to Linux 6.18. PR_SCHED_CORE pairs tasks on a core with others of the uid.
std::vector<DeniedCall> UnreviewedCalls() {
  return {{"prctl", EINVAL, {IntIs(0, kPrSchedCore)}, "PR_SCHED_CORE"},
          {"prctl", EINVAL, {IntIs(0, 79)}, "79"},
          {"prctl", 0, {{0, kInt & ~uint64_t{0x3f}, 0}}},
          {"prctl", 0, {{0, kInt & ~uint64_t{0xf}, 64}}},
          {"prctl", 0, {IntIs(0, kPrSetVma)}},
          {"prctl", 0, {IntIs(0, kPrGetAuxv)}},
          {"prctl", EINVAL, {}, "options newer than Linux 6.18"},
          {"fcntl", 0, {{1, kInt & ~uint64_t{0x3f}, 0}}},
          {"fcntl", 0, {{1, kInt & ~uint64_t{0xf}, 1024}}},
          {"fcntl", EINVAL, {}, "commands newer than Linux 6.18"}};
}

// In this order: of two cases for the same call, the first that holds decides.
std::vector<SyscallGroup> MakeGroups() {
  return {
      {"io_uring", "opens and changes files without a system call that the filter sees",
       "mediation", "", All(EPERM, {"io_uring_setup", "io_uring_enter", "io_uring_register"})},
      {"debug", "reads and writes another process's memory and descriptors", "",
       "each process of the session reads and steers the session's others; Landlock keeps those of "
       "the broker and everybody else out of reach. perf_event_open and ptrace are large parts of "
       "the kernel",
       All(EPERM, {"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
                   "pidfd_getfd", "kcmp", "perf_event_open"})},
      {"handles", "opens files by handle, past every path check", "mediation", "",
       All(EPERM, {"open_by_handle_at"})},
      {"mount", "changes what a path means", "mediation", "",
       All(EPERM, {"mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen",
                   "fsconfig", "fsmount", "fspick", "mount_setattr", "open_tree_attr", "statmount",
                   "listmount"})},
      {"namespaces", "changes what a path means and gives capabilities to an ordinary user",
       "mediation", "", NamespaceCalls()},
      {"keyring", "keys outlive the session and are shared by the whole uid", "",
       "the session reads, uses and changes the keys of the user and of whoever started it, and "
       "leaves some behind",
       All(EPERM, {"add_key", "request_key", "keyctl"})},
      {"bpf", "runs programs in the kernel", "no privilege", "", All(EPERM, {"bpf"})},
      {"userfaultfd", "memory that never arrives holds up whoever reads it (trap 20)", "",
       "the session can hold up each worker of its broker, and pages on demand are what exploits "
       "of "
       "the kernel are timed with",
       All(EPERM, {"userfaultfd"})},
      {"fanotify", "watches files that no grant covers", "",
       "the session learns who opens what in everything that the user may read",
       All(EPERM, {"fanotify_init", "fanotify_mark"})},
      {"personality",
       "weakens address randomization and changes the meaning of calls",
       "",
       "the session's own programs are easier to take over",
       {{"personality", 0, {IntIs(0, 0)}},
        {"personality", 0, {IntIs(0, kPersonalityQuery)}},
        {"personality", EPERM, {}, "anything but asking or setting 0"}}},
      {"kernel", "administers the machine", "no privilege", "",
       All(EPERM, {"kexec_load",    "kexec_file_load",  "init_module",    "finit_module",
                   "delete_module", "create_module",    "query_module",   "get_kernel_syms",
                   "swapon",        "swapoff",          "quotactl",       "quotactl_fd",
                   "acct",          "syslog",           "reboot",         "iopl",
                   "ioperm",        "nfsservctl",       "lookup_dcookie", "uselib",
                   "_sysctl",       "vhangup",          "sethostname",    "setdomainname",
                   "vserver",       "lsm_set_self_attr"})},
      {"clock", "sets the machine's clock", "",
       "nothing without the capability CAP_SYS_TIME, which sessions lack",
       All(EPERM, {"clock_settime", "settimeofday", "adjtimex", "clock_adjtime"})},
      {"landlock",
       "a domain that the session makes would not bind the calls its broker carries out",
       "mediation", "",
       All(EOPNOTSUPP, {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"})},
      {"listener",
       "one process tree has one listener, and the session's is its broker (trap 11)",
       "mediation",
       "",
       {{"seccomp", EBUSY, {BitSet(1, kSeccompNewListener)}, "SECCOMP_FILTER_FLAG_NEW_LISTENER"}}},
      {"dumpable",
       "hides the session's memory from its broker, or shows it to others (trap 19)",
       "mediation",
       "",
       {{"prctl", EPERM, {IntIs(0, kPrSetDumpable), BitClear(1, 1)}, "PR_SET_DUMPABLE 0"},
        {"prctl", EPERM, {IntIs(0, kPrSetPtracer)}, "PR_SET_PTRACER"}}},
      {kIpcGroup,
       "System V IPC is shared by the whole uid; of message queues Landlock lets a session open "
       "none",
       "",
       "the session reads, changes and removes the user's shared memory, semaphores and queues, "
       "and "
       "the user's other processes the session's; what it leaves stays",
       All(ENOSYS, {"shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semtimedop", "semctl",
                    "msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink", "mq_timedsend",
                    "mq_timedreceive", "mq_notify", "mq_getsetattr"})},
      {"terminal",
       "types into, or takes over, the terminal that the session shares with its caller",
       "no privilege", "", TerminalCalls()},
      {"inode_flags", "changes a file through a descriptor that was opened for reading only",
       "mediation", "", IoctlCalls(EOPNOTSUPP, kInodeFlagRequests)},
      {kMemfdExecGroup,
       "executes memory that no exec grant covers (trap 44)",
       "",
       "the session executes programs that lie in no grant: what it downloads or makes up in "
       "memory",
       {{"memfd_create", EACCES, {BitSet(1, kMfdExec)}, "MFD_EXEC"}}},
      {"leases",
       "holds up whoever opens a file, and is told of it",
       "",
       "the session holds up every other process that opens a file it has open, its neighbours and "
       "its own broker included, for up to /proc/sys/fs/lease-break-time seconds each time",
       {{"fcntl", EINVAL, {IntIs(1, kFSetlease)}, "F_SETLEASE"},
        {"fcntl", EINVAL, {IntIs(1, kFNotify)}, "F_NOTIFY"}}},
      {"group_signals",
       "has signals sent to all of a process group, which the session shares with its caller's",
       "no privilege", "", GroupSignalCalls()},
      {"unreviewed", "options of prctl and commands of fcntl that nobody has looked at", "",
       "whatever a kernel newer than this version brings with them", UnreviewedCalls()},
  };
}

std::vector<NativeCall> MakeNativePathCalls() {
  constexpr const char* kLookup = "looks up, changes nothing and reads no content";
  constexpr const char* kReadsXattr = "reads an attribute, changes nothing";
  constexpr const char* kExec =
      "the kernel holds the file it checks: Landlock's EXECUTE decides (trap 43)";
  return {
      {"stat", kLookup},
      {"lstat", kLookup},
      {"newfstatat", kLookup},
      {"statx", kLookup},
      {"access", kLookup},
      {"faccessat", kLookup},
      {"faccessat2", kLookup},
      {"readlink", kLookup},
      {"readlinkat", kLookup},
      {"statfs", kLookup},
      {"file_getattr", kLookup},
      {"name_to_handle_at", "tells which file a name means; opening by that is denied"},
      {"chdir", "moves the caller only; what it opens from there is checked where it really is"},
      {"getxattr", kReadsXattr},
      {"lgetxattr", kReadsXattr},
      {"getxattrat", kReadsXattr},
      {"listxattr", kReadsXattr},
      {"llistxattr", kReadsXattr},
      {"listxattrat", kReadsXattr},
      {"execve", kExec},
      {"execveat", kExec},
      {"inotify_add_watch", "watches, changes nothing and reads no content"},
      {"mq_open", "names a message queue, not a file of the tree"},
      {"mq_unlink", "names a message queue, not a file of the tree"},
  };
}

}  // namespace

const std::vector<SyscallGroup>& SyscallGroups() {
  static const auto* const groups = new std::vector<SyscallGroup>(MakeGroups());
  return *groups;
}

const SyscallGroup* FindSyscallGroup(const std::string& name) {
  for (const SyscallGroup& group : SyscallGroups()) {
    if (name == group.name) return &group;
  }
  return nullptr;
}

const std::vector<NativeCall>& NativePathCalls() {
  static const auto* const calls = new std::vector<NativeCall>(MakeNativePathCalls());
  return *calls;
}

}  // namespace sessionctl
