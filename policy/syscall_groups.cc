#include "policy/syscall_groups.h"

#include <cerrno>

namespace sessionctl {
namespace {

// Arguments the kernel declares as int or unsigned int: garbage above bit 31 must not dodge a rule
// (trap 22).
constexpr uint64_t kInt = 0xffffffff;

FilterCondition IntIs(unsigned index, uint32_t value) { return {index, kInt, value}; }
FilterCondition BitSet(unsigned index, uint64_t bit) { return {index, bit, bit}; }
FilterCondition BitClear(unsigned index, uint64_t bit) { return {index, bit, 0}; }

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

// asm-generic/ioctls.h, linux/fs.h, linux/fsverity.h, fs/ext4, linux/btrfs.h, linux/msdos_fs.h,
// linux/fscrypt.h. All but the first two change a file or directory through a descriptor that was
// opened for reading only; btrfs's make and remove names.
constexpr NamedBit kTerminalRequests[] = {{0x5412, "TIOCSTI"}, {0x541c, "TIOCLINUX"}};
constexpr NamedBit kInodeFlagRequests[] = {{0x40086602, "FS_IOC_SETFLAGS"},
                                           {0x40087602, "FS_IOC_SETVERSION"},
                                           {0x401c5820, "FS_IOC_FSSETXATTR"},
                                           {0x40806685, "FS_IOC_ENABLE_VERITY"},
                                           {0x40086604, "EXT4_IOC_SETVERSION"},
                                           {0x40047211, "FAT_IOCTL_SET_ATTRIBUTES"},
                                           {0x800c6613, "FS_IOC_SET_ENCRYPTION_POLICY"},
                                           {0x5000940e, "BTRFS_IOC_SUBVOL_CREATE"},
                                           {0x50009418, "BTRFS_IOC_SUBVOL_CREATE_V2"},
                                           {0x50009401, "BTRFS_IOC_SNAP_CREATE"},
                                           {0x50009417, "BTRFS_IOC_SNAP_CREATE_V2"},
                                           {0x5000940f, "BTRFS_IOC_SNAP_DESTROY"},
                                           {0x5000943f, "BTRFS_IOC_SNAP_DESTROY_V2"},
                                           {0x4008941a, "BTRFS_IOC_SUBVOL_SETFLAGS"}};

constexpr uint32_t kPrSetDumpable = 4;
constexpr uint32_t kPrSetPtracer = 0x59616d61;
constexpr uint32_t kPersonalityQuery = 0xffffffff;
constexpr uint64_t kSeccompNewListener = 1 << 3;
constexpr uint64_t kMfdNoexecSeal = 8;

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

std::vector<SyscallGroup> MakeGroups() {
  return {
      {"io_uring", "opens and changes files without a system call that the filter sees", true,
       "mediation", All(EPERM, {"io_uring_setup", "io_uring_enter", "io_uring_register"})},
      {"debug", "reads and writes another process's memory and descriptors", true, "",
       All(EPERM, {"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
                   "pidfd_getfd", "kcmp", "perf_event_open"})},
      {"handles", "opens files by handle, past every path check", true, "mediation",
       All(EPERM, {"open_by_handle_at"})},
      {"mount", "changes what a path means", true, "mediation",
       All(EPERM, {"mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen",
                   "fsconfig", "fsmount", "fspick", "mount_setattr", "open_tree_attr", "statmount",
                   "listmount"})},
      {"namespaces", "changes what a path means and gives capabilities to an ordinary user", true,
       "mediation", NamespaceCalls()},
      {"keyring", "keys outlive the session and are shared by the whole uid", true, "",
       All(EPERM, {"add_key", "request_key", "keyctl"})},
      {"bpf", "runs programs in the kernel", true, "no privilege", All(EPERM, {"bpf"})},
      {"userfaultfd", "memory that never arrives holds up whoever reads it (trap 20)", true, "",
       All(EPERM, {"userfaultfd"})},
      {"fanotify", "watches files that no grant covers", true, "",
       All(EPERM, {"fanotify_init", "fanotify_mark"})},
      {"personality",
       "weakens address randomization and changes the meaning of calls",
       true,
       "",
       {{"personality", 0, {IntIs(0, 0)}},
        {"personality", 0, {IntIs(0, kPersonalityQuery)}},
        {"personality", EPERM, {}, "anything but asking or setting 0"}}},
      {"kernel", "administers the machine", true, "no privilege",
       All(EPERM, {"kexec_load",    "kexec_file_load",  "init_module",    "finit_module",
                   "delete_module", "create_module",    "query_module",   "get_kernel_syms",
                   "swapon",        "swapoff",          "quotactl",       "quotactl_fd",
                   "acct",          "syslog",           "reboot",         "iopl",
                   "ioperm",        "nfsservctl",       "lookup_dcookie", "uselib",
                   "_sysctl",       "vhangup",          "sethostname",    "setdomainname",
                   "vserver",       "lsm_set_self_attr"})},
      {"clock", "sets the machine's clock", true, "",
       All(EPERM, {"clock_settime", "settimeofday", "adjtimex", "clock_adjtime"})},
      {"landlock",
       "a domain that the session makes would not bind the calls its broker carries out", true,
       "mediation",
       All(EOPNOTSUPP, {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"})},
      {"listener",
       "one process tree has one listener, and the session's is its broker (trap 11)",
       true,
       "mediation",
       {{"seccomp", EBUSY, {BitSet(1, kSeccompNewListener)}, "SECCOMP_FILTER_FLAG_NEW_LISTENER"}}},
      {"dumpable",
       "hides the session's memory from its broker, or shows it to others (trap 19)",
       true,
       "mediation",
       {{"prctl", EPERM, {IntIs(0, kPrSetDumpable), BitClear(1, 1)}, "PR_SET_DUMPABLE 0"},
        {"prctl", EPERM, {IntIs(0, kPrSetPtracer)}, "PR_SET_PTRACER"}}},
      {"limits_of_others",
       "changes the limits of other processes of the uid: with RLIMIT_CPU it ends them",
       true,
       "no privilege",
       {{"prlimit64", 0, {IntIs(0, 0)}}, {"prlimit64", EPERM, {}, "naming a process by its id"}}},
      {"terminal", "types into the terminal that the session shares with its caller", true,
       "no privilege", IoctlCalls(EPERM, kTerminalRequests)},
      {"inode_flags", "changes a file through a descriptor that was opened for reading only", true,
       "mediation", IoctlCalls(EOPNOTSUPP, kInodeFlagRequests)},
      {"memfd_exec",
       "executes memory that no exec grant covers (trap 44)",
       false,
       "",
       {{"memfd_create", EACCES, {BitClear(1, kMfdNoexecSeal)}, "without MFD_NOEXEC_SEAL"}}},
  };
}

std::vector<NativeCall> MakeNativePathCalls() {
  constexpr const char* kLookup = "looks up, changes nothing and reads no content";
  constexpr const char* kReadsXattr = "reads an attribute, changes nothing";
  constexpr const char* kExec =
      "the kernel holds the file it checks: Landlock's EXECUTE decides (trap 43)";
  constexpr const char* kSend = "connects to a UNIX socket by path; no file is read or changed";
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
      {"bind",
       "making a socket file needs Landlock's MAKE_SOCK, which a session holds in its one writable "
       "mount without rules and nowhere else"},
      {"connect", kSend},
      {"sendto", kSend},
      {"sendmsg", kSend},
      {"sendmmsg", kSend},
      {"mq_open", "names a message queue, not a file of the tree"},
      {"mq_unlink", "names a message queue, not a file of the tree"},
      {"memfd_create", "names memory, not a file of the tree"},
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
