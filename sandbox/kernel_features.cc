#include "sandbox/kernel_features.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "sandbox/base/syscalls.h"
#include "sandbox/cgroup.h"
#include "sandbox/landlock.h"
#include "sandbox/namespaces.h"

namespace sessionctl {
namespace {

// Values of linux/seccomp.h that an older header may lack.
constexpr unsigned kSetModeFilter = 1;
constexpr unsigned kGetActionAvail = 2;
constexpr unsigned kGetNotifSizes = 3;
constexpr unsigned long kFlagNewListener = 1UL << 3;
constexpr unsigned long kFlagWaitKillable = 1UL << 5;
constexpr uint32_t kAddfdFlagSend = 1U << 1;
constexpr int kAtEmptyPath = 0x1000;

// struct seccomp_notif_addfd.
struct AddfdRequest {
  uint64_t id;
  uint32_t flags;
  uint32_t srcfd;
  uint32_t newfd;
  uint32_t newfd_flags;
};
constexpr unsigned long kIoctlAddfd = _IOW('!', 3, AddfdRequest);

// What the child found out, sent over the socket.
struct ChildFindings {
  bool listener;
  bool wait_killable;
  bool addfd_send;
};

// Read from the child's memory by the parent; the fork gives both the same address.
volatile uint64_t remote_word = 0;
constexpr uint64_t kRemoteMagic = 0x5e55104c71ULL;

// Async-signal-safe.
int InstallAllowFilter(unsigned long flags) {
  sock_filter instruction = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog program = {.len = 1, .filter = &instruction};
  return static_cast<int>(syscall(SYS_seccomp, kSetModeFilter, flags, &program));
}

// The kernel looks at the flags before the id: an id that does not exist is ENOENT where
// ADDFD_FLAG_SEND is known, and EINVAL where it is not. Async-signal-safe.
bool KnowsAddfdSend(int listener) {
  const AddfdRequest request = {.id = ~0ULL,
                                .flags = kAddfdFlagSend,
                                .srcfd = static_cast<uint32_t>(listener),
                                .newfd = 0,
                                .newfd_flags = 0};
  return ioctl(listener, kIoctlAddfd, &request) == -1 && errno == ENOENT;
}

// Async-signal-safe: runs between fork and _exit.
ChildFindings ProbeListener() {
  ChildFindings findings = {};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return findings;
  int listener = InstallAllowFilter(kFlagNewListener | kFlagWaitKillable);
  findings.wait_killable = listener >= 0;
  if (listener < 0) listener = InstallAllowFilter(kFlagNewListener);
  findings.listener = listener >= 0;
  if (listener >= 0) findings.addfd_send = KnowsAddfdSend(listener);
  return findings;
}

// Reports, then stays until the parent has looked at it and closed its end: what makes namespaces
// cannot be looked at any more. Its exit code is the error of making them.
[[noreturn]] void RunChild(int socket, bool makes_namespaces) {
  remote_word = kRemoteMagic;
  const ChildFindings findings = ProbeListener();
  if (write(socket, &findings, sizeof(findings)) != sizeof(findings)) _exit(1);
  char end;
  while (read(socket, &end, 1) < 0 && errno == EINTR) {
  }
  if (!makes_namespaces) _exit(0);
  // Without one for mounts, whose end would take milliseconds.
  _exit(EnterNamespacesAsUser(CLONE_NEWIPC).error());
}

bool CanReadMemory(pid_t pid) {
  uint64_t word = 0;
  const iovec local = {.iov_base = &word, .iov_len = sizeof(word)};
  const iovec remote = {.iov_base = const_cast<uint64_t*>(&remote_word), .iov_len = sizeof(word)};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof(word) && word == kRemoteMagic;
}

// `fd` is a number that the child has open too.
bool CanTakeDescriptor(pid_t pid, int fd) {
  SysResult<OwnedFd> pidfd = PidfdOpen(pid, 0);
  return pidfd.ok() && PidfdGetfd(pidfd->get(), fd).ok();
}

// Its exit code; EINTR: it was killed.
int Reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

// `error`: of making namespaces, 0 if that went well.
std::string UserNamespaceObstacle(int error) {
  const std::string known = WhatForbidsUserNamespaces();
  if (!known.empty() || error == 0) return known;
  return std::string("making and mapping one: ") + strerror(error);
}

void ProbeWithChild(KernelFeatures& features) {
  std::array<int, 2> sockets;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) return;
  OwnedFd ours(sockets[0]);
  OwnedFd theirs(sockets[1]);
  const pid_t child = fork();
  if (child < 0) return;
  if (child == 0) {
    ours.Reset();
    RunChild(theirs.get(), !features.ipc_namespaces);
  }
  const int shared_fd = theirs.get();
  theirs.Reset();
  ChildFindings findings = {};
  ssize_t count;
  while ((count = read(ours.get(), &findings, sizeof(findings))) < 0 && errno == EINTR) {
  }
  if (count == sizeof(findings)) {
    features.seccomp_user_notif = features.seccomp_user_notif && findings.listener;
    features.seccomp_wait_killable = findings.wait_killable;
    features.seccomp_addfd_send = findings.addfd_send;
    features.process_vm_readv = CanReadMemory(child);
    features.pidfd_getfd = CanTakeDescriptor(child, shared_fd);
  } else {
    features.seccomp_user_notif = false;  // killed before it could tell
  }
  ours.Reset();
  const int error = Reap(child);
  if (!features.ipc_namespaces) features.user_namespace_obstacle = UserNamespaceObstacle(error);
}

bool ProbeOpenat2() {
  SysResult<OwnedFd> root = OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (!root.ok()) return false;
  return OpenAt2(root->get(), ".", {.flags = O_PATH | O_CLOEXEC, .resolve = kResolveBeneath}).ok();
}

bool ProbeUserNotif() {
  const uint32_t action = SECCOMP_RET_USER_NOTIF;
  struct {
    uint16_t notif, resp, data;
  } sizes = {};
  return syscall(SYS_seccomp, kGetActionAvail, 0, &action) == 0 &&
         syscall(SYS_seccomp, kGetNotifSizes, 0, &sizes) == 0;
}

bool ProbeFchmodat2() {
  // No descriptor -1: EBADF where the call exists, ENOSYS (or a container's EPERM) where it does
  // not.
  return Fchmodat2(-1, "", 0, kAtEmptyPath).error() == EBADF;
}

bool ProbeMemfdNoexecSeal() {
  // The kernel looks at the flags before the name: NULL is EFAULT where it knows them.
  return syscall(SYS_memfd_create, nullptr, kMfdNoexecSeal) == -1 && errno == EFAULT;
}

FeatureReport LandlockReport(const KernelFeatures& f) {
  return {.name = "landlock",
          .present = f.landlock_abi > 0,
          .required = true,
          .detail = f.landlock_abi > 0 ? "ABI " + std::to_string(f.landlock_abi) : "",
          .lost = "the kernel wall: without it a mistake in mediation is an escape",
          .remedy =
              "Linux 5.13 or later with landlock in the boot parameter lsm= (see "
              "/sys/kernel/security/lsm)"};
}

FeatureReport LandlockAbiReport(const KernelFeatures& f, int abi, const std::string& what,
                                const std::string& kernel) {
  return {.name = "landlock_abi_" + std::to_string(abi),
          .present = f.landlock_abi >= abi,
          .required = false,
          .detail = "",
          .lost = what,
          .remedy = "Linux " + kernel + " or later"};
}

void AppendLandlockReports(const KernelFeatures& f, std::vector<FeatureReport>& reports) {
  reports.push_back(LandlockReport(f));
  reports.push_back(LandlockAbiReport(
      f, 2, "rename and link between directories fail with EXDEV (right REFER)", "5.19"));
  reports.push_back(
      LandlockAbiReport(f, 3, "truncation is held by mediation alone (right TRUNCATE)", "6.2"));
  reports.push_back(LandlockAbiReport(
      f, 5, "ioctl on devices is held by the syscall filter alone (right IOCTL_DEV)", "6.10"));
  reports.push_back(LandlockAbiReport(
      f, 6, "signals and abstract UNIX sockets reach processes outside the session", "6.12"));
}

void AppendSeccompReports(const KernelFeatures& f, std::vector<FeatureReport>& reports) {
  reports.push_back(
      {"seccomp_user_notif", f.seccomp_user_notif, true, "",
       "mediation: no call can be handed to the broker",
       "Linux 5.0 or later with CONFIG_SECCOMP_FILTER; not from within a process that already has "
       "a notification listener (another session, some containers)"});
  reports.push_back(
      {"seccomp_addfd_send", f.seccomp_addfd_send, true, "",
       "opened descriptors cannot be handed over in one step and would leak on signals",
       "Linux 5.14 or later"});
  reports.push_back({"seccomp_wait_killable", f.seccomp_wait_killable, true, "",
                     "a signal makes a mediated call fail although its effect happened",
                     "Linux 5.19 or later"});
}

void AppendCgroupReports(const CgroupFeatures& f, std::vector<FeatureReport>& reports) {
  const std::string remedy =
      "a cgroup (version 2) that may be written: a systemd unit with Delegate=yes, or "
      "SESSIONCTL_CGROUP";
  reports.push_back({"cgroup", f.usable, false, f.directory,
                     "limits.cpu; a session is killed process by process", remedy});
  reports.push_back({"cgroup_controllers", f.memory && f.pids && f.cpu, false, "",
                     "limits.memory and limits.pids are held by looking, limits.cpu by freezing",
                     "the controllers memory, pids and cpu in it, not taken by version 1"});
}

void AppendOtherReports(const KernelFeatures& f, std::vector<FeatureReport>& reports) {
  reports.push_back({"openat2", f.openat2, true, "", "mediation: nothing resolves beneath a mount",
                     "Linux 5.6 or later; a container's seccomp profile must allow openat2"});
  reports.push_back({"process_vm_readv", f.process_vm_readv, true, "",
                     "the broker cannot read the paths of the calls it mediates",
                     "CONFIG_CROSS_MEMORY_ATTACH; a container's seccomp profile must allow it"});
  reports.push_back({"pidfd_getfd", f.pidfd_getfd, false, "",
                     "calls on plain descriptors of the session (fchmod on a socket or pipe) are "
                     "refused; directories still work through /proc",
                     "Linux 5.6 or later; Docker's default profile wants CAP_SYS_PTRACE for it"});
  reports.push_back({"pidfd_thread", f.pidfd_thread, false, "",
                     "descriptors of a thread that unshared its table come through /proc only",
                     "Linux 6.9 or later"});
  reports.push_back({"fchmodat2", f.fchmodat2, false, "",
                     "chmod of a pinned file goes through /proc/self/fd", "Linux 6.6 or later"});
  reports.push_back({"memfd_noexec_seal", f.memfd_noexec_seal, false, "",
                     "memory (memfd_create) can be executed, whatever the policy says",
                     "Linux 6.3 or later"});
  reports.push_back({"ipc_namespaces", f.ipc_namespaces, false, "",
                     "System V IPC answers ENOSYS, unless the policy says "
                     "process.ipc = \"private\" (which needs user namespaces)",
                     "start sessions as root, with CAP_SYS_ADMIN"});
  AppendCgroupReports(f.cgroup, reports);
  reports.push_back(
      {"user_namespaces", f.user_namespaces, false, "",
       "an ordinary user's view is the host's (filesystem.view), and process.ipc = \"private\" "
       "cannot be had",
       "kernel.unprivileged_userns_clone=1, user.max_user_namespaces > 0, no AppArmor "
       "restriction on them"});
}

}  // namespace

KernelFeatures ProbeKernelFeatures() {
  KernelFeatures features;
  features.landlock_abi = LandlockAbi();
  features.openat2 = ProbeOpenat2();
  features.seccomp_user_notif = ProbeUserNotif();
  features.pidfd_thread = PidfdOpen(gettid(), kPidfdThread).ok();
  features.fchmodat2 = ProbeFchmodat2();
  features.memfd_noexec_seal = ProbeMemfdNoexecSeal();
  features.ipc_namespaces = MayMakeNamespaces();
  features.cgroup = ProbeCgroup();
  ProbeWithChild(features);
  return features;
}

bool ProbeUserNamespaces() {
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    // Root may always; the question is about somebody without privilege.
    if (geteuid() == 0 &&
        (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)) {
      _exit(1);
    }
    _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::vector<FeatureReport> DescribeKernelFeatures(const KernelFeatures& features) {
  std::vector<FeatureReport> reports;
  AppendLandlockReports(features, reports);
  AppendSeccompReports(features, reports);
  AppendOtherReports(features, reports);
  return reports;
}

}  // namespace sessionctl
