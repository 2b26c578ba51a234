// Every call of this architecture that takes a path, or that changes metadata through a descriptor,
// is mediated, denied or native with a reason: exactly one of the three.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "policy/syscall_groups.h"
#include "supervisor/mediator/syscall_table.h"

namespace sessionctl {
namespace {

// From the kernel's syscall tables up to Linux 6.18: what has a `const char __user *` that names a
// file, or carries one in a structure (sockets), or acts on the metadata of an open file.
constexpr const char* kPathCalls[] = {"open",
                                      "stat",
                                      "lstat",
                                      "access",
                                      "sendto",
                                      "sendmsg",
                                      "connect",
                                      "bind",
                                      "execve",
                                      "truncate",
                                      "chdir",
                                      "rename",
                                      "mkdir",
                                      "rmdir",
                                      "creat",
                                      "link",
                                      "unlink",
                                      "symlink",
                                      "readlink",
                                      "chmod",
                                      "fchmod",
                                      "chown",
                                      "fchown",
                                      "lchown",
                                      "utime",
                                      "mknod",
                                      "uselib",
                                      "statfs",
                                      "pivot_root",
                                      "chroot",
                                      "acct",
                                      "mount",
                                      "umount2",
                                      "swapon",
                                      "swapoff",
                                      "quotactl",
                                      "setxattr",
                                      "lsetxattr",
                                      "fsetxattr",
                                      "getxattr",
                                      "lgetxattr",
                                      "listxattr",
                                      "llistxattr",
                                      "removexattr",
                                      "lremovexattr",
                                      "fremovexattr",
                                      "utimes",
                                      "mq_open",
                                      "mq_unlink",
                                      "inotify_add_watch",
                                      "openat",
                                      "mkdirat",
                                      "mknodat",
                                      "fchownat",
                                      "futimesat",
                                      "newfstatat",
                                      "unlinkat",
                                      "renameat",
                                      "linkat",
                                      "symlinkat",
                                      "readlinkat",
                                      "fchmodat",
                                      "faccessat",
                                      "utimensat",
                                      "fanotify_mark",
                                      "name_to_handle_at",
                                      "open_by_handle_at",
                                      "sendmmsg",
                                      "finit_module",
                                      "renameat2",
                                      "memfd_create",
                                      "bpf",
                                      "execveat",
                                      "statx",
                                      "open_tree",
                                      "move_mount",
                                      "fsconfig",
                                      "fspick",
                                      "openat2",
                                      "faccessat2",
                                      "mount_setattr",
                                      "quotactl_fd",
                                      "fchmodat2",
                                      "statmount",
                                      "setxattrat",
                                      "getxattrat",
                                      "listxattrat",
                                      "removexattrat",
                                      "open_tree_attr",
                                      "file_getattr",
                                      "file_setattr"};

TEST(SyscallCompleteness, EveryPathCallIsMediatedDeniedOrNative) {
  std::set<std::string> mediated;
  std::set<std::string> denied;
  std::set<std::string> native;
  for (const MediatedCall& call : MediatedCalls()) mediated.insert(call.name);
  for (const SyscallGroup& group : SyscallGroups()) {
    for (const DeniedCall& call : group.calls) {
      if (group.denied_by_default && call.conditions.empty()) denied.insert(call.name);
    }
  }
  for (const NativeCall& call : NativePathCalls()) {
    EXPECT_STRNE(call.reason, "") << call.name;
    native.insert(call.name);
  }
  for (const char* name : kPathCalls) {
    if (SyscallNumber(name) < 0) continue;
    EXPECT_EQ(mediated.count(name) + denied.count(name) + native.count(name), 1U) << name;
  }
}

TEST(SyscallCompleteness, MediatedCallsNameTheirNumbers) {
  for (const MediatedCall& call : MediatedCalls()) {
    EXPECT_EQ(SyscallName(call.nr), call.name);
    EXPECT_EQ(call.flags_arg >= 0, call.when == MediatedCall::When::kUnlessRead) << call.name;
  }
}

}  // namespace
}  // namespace sessionctl
