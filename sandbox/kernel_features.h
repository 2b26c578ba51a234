// What the running kernel can do, probed, never assumed from its version (trap 50). `sessionctl
// doctor` prints these; the policy compiler refuses a policy that needs what is missing.
#ifndef SANDBOX_KERNEL_FEATURES_H_
#define SANDBOX_KERNEL_FEATURES_H_

#include <string>
#include <vector>

namespace sessionctl {

// What cgroups a session can have (sandbox/cgroup.h).
struct CgroupFeatures {
  bool usable = false;  // one of its own: killed and frozen as a whole
  bool memory = false;  // with these controllers
  bool pids = false;
  bool cpu = false;
  std::string directory;  // where it would be made, or why it cannot be
};

// Plain values, so that a test can describe another kernel.
struct KernelFeatures {
  int landlock_abi = 0;                // 0: none
  bool openat2 = false;                // 5.6: RESOLVE_BENEATH
  bool seccomp_user_notif = false;     // 5.0: SECCOMP_RET_USER_NOTIF is available
  bool seccomp_addfd_send = false;     // 5.14: SECCOMP_ADDFD_FLAG_SEND
  bool seccomp_wait_killable = false;  // 5.19: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
  bool pidfd_getfd = false;            // 5.6, and not taken away by a container's own filter
  bool pidfd_thread = false;           // 6.9: PIDFD_THREAD
  bool process_vm_readv = false;
  bool fchmodat2 = false;          // 6.6
  bool memfd_noexec_seal = false;  // 6.3: MFD_NOEXEC_SEAL
  bool ipc_namespaces = false;     // this process may make one without a user namespace
  CgroupFeatures cgroup;
  // What keeps this process from namespaces of its own by way of a user namespace; "": nothing, or
  // it needs none.
  std::string user_namespace_obstacle;
  bool user_namespaces = false;  // an unprivileged process may make one (informative)
};

// Probes the running kernel for what a session start needs. Forks one short-lived child that
// installs a real filter, and makes namespaces as an ordinary user has to (no flag is believed from
// a version number); about a millisecond, so every `run` and `spawn` can afford it. Call it from a
// single-threaded process. Leaves `user_namespaces` false.
KernelFeatures ProbeKernelFeatures();

// May an unprivileged process make a user namespace? Forks a child that tries; for `doctor` only.
bool ProbeUserNamespaces();

// One line of `doctor`: a feature, its state, what is lost without it, how to get it.
struct FeatureReport {
  std::string name;
  bool present;
  bool required;       // a session cannot start without it (best_effort aside)
  std::string detail;  // "ABI 7", "" …
  std::string lost;    // what is lost without it
  std::string remedy;  // how to get it
};
std::vector<FeatureReport> DescribeKernelFeatures(const KernelFeatures& features);

}  // namespace sessionctl

#endif  // SANDBOX_KERNEL_FEATURES_H_
