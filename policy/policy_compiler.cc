#include "policy/policy_compiler.h"

#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/broker_filter.h"
#include "policy/grant_resolver.h"
#include "policy/path_text.h"
#include "policy/syscall_groups.h"
#include "policy/view_plan.h"
#include "policy/wall_plans.h"

namespace sessionctl {
namespace {

// What no session can do without: there is no mediation to speak of, so best_effort does not help.
absl::Status CheckMediationIsPossible(const KernelFeatures& features) {
  const std::pair<bool, const char*> needs[] = {
      {features.openat2, "openat2 (Linux 5.6)"},
      {features.seccomp_user_notif, "seccomp user notification (Linux 5.0)"},
      {features.seccomp_addfd_send, "SECCOMP_ADDFD_FLAG_SEND (Linux 5.14)"},
      {features.seccomp_wait_killable, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (Linux 5.19)"},
      {features.process_vm_readv, "process_vm_readv"},
  };
  for (const auto& [present, name] : needs) {
    if (present) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("this kernel lacks ", name,
                     ", without which no call can be mediated; best_effort does not help"));
  }
  return absl::OkStatus();
}

struct LandlockNeed {
  int abi;
  const char* feature;
};
constexpr LandlockNeed kLandlockNeeds[] = {
    {1, "Landlock itself"},
    {2, "Landlock's refer right, for renames across directories"},
    {3, "Landlock's truncate right"},
    {4, "Landlock's TCP rights"},
    {5, "Landlock's device ioctl right"},
    {6, "Landlock's signal and abstract socket scopes"},
};

// Errors unless every wall stands; under best_effort, what is missing is listed instead.
absl::Status CheckLandlock(const KernelPolicy& kernel, int abi, std::vector<std::string>* missing) {
  const std::string here = absl::StrCat("this kernel has Landlock ABI ", abi);
  if (abi < kernel.min_landlock_abi) {
    return absl::FailedPreconditionError(absl::StrCat(
        "kernel.min_landlock_abi asks for Landlock ABI ", kernel.min_landlock_abi, ", ", here));
  }
  for (const LandlockNeed& need : kLandlockNeeds) {
    if (abi >= need.abi) continue;
    const std::string what = absl::StrCat(need.feature, " (ABI ", need.abi, ")");
    if (!kernel.best_effort) {
      return absl::FailedPreconditionError(
          absl::StrCat("the policy needs ", what, ", ", here,
                       "; [kernel] best_effort = true goes on without it"));
    }
    missing->push_back(absl::StrCat(what, ": ", here));
  }
  return absl::OkStatus();
}

absl::Status CheckGroups(const ProcessPolicy& process, int landlock_abi) {
  for (const std::vector<std::string>* names : {&process.allow_groups, &process.deny_groups}) {
    const bool allow = names == &process.allow_groups;
    const char* key = allow ? "process.allow_groups" : "process.deny_groups";
    for (const std::string& name : *names) {
      const SyscallGroup* group = FindSyscallGroup(name);
      if (group == nullptr) {
        return absl::InvalidArgumentError(
            absl::StrCat("policy: ", key, ": no syscall group \"", name, "\""));
      }
      if (!allow) continue;
      if (group->wall[0] != '\0') {
        return absl::InvalidArgumentError(
            absl::StrCat("policy: ", key, ": \"", name, "\" cannot be allowed: ", group->reason,
                         ", and the wall of ", group->wall, " would fall"));
      }
      if (landlock_abi < 1 && name == "debug") {
        return absl::FailedPreconditionError(absl::StrCat(
            "policy: ", key, ": \"debug\" is safe only under Landlock, which this kernel lacks"));
      }
    }
  }
  return absl::OkStatus();
}

bool Lists(const std::vector<std::string>& names, const char* name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// An IPC namespace is free for who may make one. An ordinary user needs a user namespace with it,
// in which files of other users look like nobody's: only if the policy asks for it.
void DecideIpc(const KernelFeatures& features, CompiledPolicy* compiled) {
  const ProcessPolicy& process = compiled->policy.process;
  if (Lists(process.deny_groups, kIpcGroup)) {
    compiled->ipc_reason = "the policy denies the group ipc";
  } else if (Lists(process.allow_groups, kIpcGroup)) {
    compiled->ipc = IpcPlan::kShared;
    compiled->ipc_reason = "the policy allows the group ipc";
  } else if (process.ipc == IpcRule::kNone) {
    compiled->ipc_reason = "process.ipc is \"none\"";
  } else if (compiled->view.is_private) {
    compiled->ipc = compiled->view.as_user ? IpcPlan::kUserNamespace : IpcPlan::kNamespace;
    compiled->ipc_reason = "the session has a view of its own";
  } else if (features.ipc_namespaces) {
    compiled->ipc = IpcPlan::kNamespace;
    compiled->ipc_reason = "whoever starts it may make an IPC namespace";
  } else if (process.ipc == IpcRule::kPrivate) {
    compiled->ipc = IpcPlan::kUserNamespace;
    compiled->ipc_reason =
        "process.ipc is \"private\", and an ordinary user needs a user namespace";
  } else {
    compiled->ipc_reason =
        "process.ipc is \"auto\", and an ordinary user's IPC namespace needs a user namespace";
  }
}

// Before Linux 6.3 the execute bit of a memfd cannot be sealed off.
void CheckMemoryFiles(const KernelFeatures& features, CompiledPolicy* compiled) {
  if (features.memfd_noexec_seal || Lists(compiled->policy.process.allow_groups, kMemfdExecGroup)) {
    return;
  }
  compiled->missing_walls.push_back(
      "memory files that cannot be executed (MFD_NOEXEC_SEAL, Linux 6.3)");
}

absl::StatusOr<GlobSet> CompileGlobs(const Mount& mount, const char* key,
                                     const std::vector<std::string>& globs) {
  absl::StatusOr<GlobSet> compiled = GlobSet::Compile(globs);
  if (compiled.ok()) return compiled;
  return absl::InvalidArgumentError(
      absl::StrCat(LocationText(mount.where), ": mount.", key, ": ", compiled.status().message()));
}

absl::StatusOr<std::vector<CompiledMount>> CompileMounts(const std::vector<Mount>& mounts) {
  std::vector<CompiledMount> result;
  for (const Mount& mount : mounts) {
    absl::StatusOr<GlobSet> deny = CompileGlobs(mount, "deny", mount.deny);
    if (!deny.ok()) return deny.status();
    absl::StatusOr<GlobSet> read_only = CompileGlobs(mount, "read_only", mount.read_only);
    if (!read_only.ok()) return read_only.status();
    absl::StatusOr<GlobSet> hide = CompileGlobs(mount, "hide", mount.hide);
    if (!hide.ok()) return hide.status();
    result.push_back({mount, *std::move(deny), *std::move(read_only), *std::move(hide)});
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const CompiledMount& a, const CompiledMount& b) {
                     return a.mount.guest.size() > b.mount.guest.size();
                   });
  return result;
}

absl::StatusOr<std::vector<Mount>> ResolveMounts(const SessionPolicy& policy,
                                                 const PolicyVariables& variables,
                                                 const SessionIdentity& identity) {
  const std::vector<std::string> writable = WritableMounts(policy.mounts, variables);
  std::vector<Mount> mounts;
  for (const Mount& mount : policy.mounts) {
    absl::StatusOr<Mount> resolved = ResolveMount(mount, variables, identity, writable);
    if (!resolved.ok()) return resolved.status();
    mounts.push_back(*std::move(resolved));
  }
  if (absl::Status status = CheckMountsDoNotOverlap(mounts); !status.ok()) return status;
  return mounts;
}

// Why reads have to be mediated, as the policy stands; "" when they may be native.
std::string ReasonToMediateReads(const CompiledPolicy& compiled) {
  const std::vector<Mount>& mounts = compiled.policy.mounts;
  const CapabilitySet kept = compiled.identity.kept;
  if ((kept & CapabilityBit(CAP_MKNOD)) != 0) {
    return "the session keeps mknod, and may not open the devices that it makes";
  }
  if (mounts.size() > 1) {
    return absl::StrCat(mounts.size(),
                        " mounts are islands: a link in one must not lead a read into another");
  }
  if (compiled.policy.filesystem.reserve) {
    return "mounts may come (filesystem.reserve), and each is an island";
  }
  if (!mounts.empty() && compiled.mounts.size() > mounts.size()) {
    return "a link in a mount must not lead a read into the session's own /tmp";
  }
  if (compiled.view.moves_mounts) {
    return "mountinfo in /proc must not tell which directory of the host's a mount shows";
  }
  for (const Mount& mount : mounts) {
    if (!mount.hide.empty()) {
      return absl::StrCat("mount ", mount.host, " hides names, which Landlock cannot express");
    }
    if (!mount.deny.empty()) {
      return absl::StrCat("mount ", mount.host, " has deny rules, which Landlock cannot express");
    }
    if (mount.symlinks == SymlinkRule::kNone) {
      return absl::StrCat("mount ", mount.host, " has symlinks = \"none\"");
    }
    if (mount.hardlinks == HardlinkRule::kSingle) {
      return absl::StrCat("mount ", mount.host, " has hardlinks = \"single\"");
    }
  }
  return "";
}

absl::Status DecideReads(int landlock_abi, CompiledPolicy* compiled) {
  const std::string reason = landlock_abi < 1 ? "this kernel has no Landlock that could decide them"
                                              : ReasonToMediateReads(*compiled);
  switch (compiled->policy.scope) {
    case MediationScope::kAll:
      compiled->reads_mediated = true;
      compiled->reads_reason = "mediation.scope = \"all\"";
      return absl::OkStatus();
    case MediationScope::kWrites:
      if (!reason.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("policy: mediation.scope: \"writes\" is not enough: ", reason));
      }
      break;
    case MediationScope::kAuto: break;
  }
  compiled->reads_mediated = !reason.empty();
  compiled->reads_reason =
      reason.empty() ? "every grant is equally public to the session: Landlock decides" : reason;
  return absl::OkStatus();
}

// The directory the policy names; else the caller's own when a mount covers it; else the first
// mount; else "/".
absl::StatusOr<std::string> ChooseWorkingDirectory(const CompiledPolicy& compiled,
                                                   const PolicyVariables& variables) {
  const SessionPolicy& policy = compiled.policy;
  if (policy.process.working_directory.has_value()) {
    const std::string key = "policy: process.working_directory: ";
    absl::StatusOr<std::string> path =
        ExpandVariables(*policy.process.working_directory, variables);
    if (!path.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(key, path.status().message()));
    }
    if (path->empty() || (*path)[0] != '/' || path->find('\0') != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(key, *path, ": not an absolute path"));
    }
    const std::string host = HostPathOf(compiled, *path);
    if (host.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(key, *path, ": not in the session's private view"));
    }
    struct stat status;
    if (stat(host.c_str(), &status) != 0) {
      return absl::NotFoundError(absl::StrCat(key, *path, ": ", strerrordesc_np(errno)));
    }
    if (!S_ISDIR(status.st_mode)) {
      return absl::InvalidArgumentError(absl::StrCat(key, *path, ": not a directory"));
    }
    return *path;
  }
  char buffer[PATH_MAX];
  if (getcwd(buffer, sizeof buffer) != nullptr) {
    const std::string here = buffer;
    for (const Mount& mount : policy.mounts) {
      if (IsAtOrBelow(here, mount.host)) return mount.guest + here.substr(mount.host.size());
    }
  }
  return policy.mounts.empty() ? "/" : policy.mounts.front().guest;
}

// The lists again, as what was found: a resolved policy names no path that is not there.
FilesystemPolicy CanonicalFilesystem(const std::vector<SystemGrant>& grants,
                                     const FilesystemPolicy& written) {
  FilesystemPolicy filesystem = written;
  filesystem.read.clear();
  filesystem.exec.clear();
  filesystem.devices.clear();
  for (const SystemGrant& grant : grants) {
    if (grant.device) filesystem.devices.push_back(grant.path);
    if (grant.exec) filesystem.exec.push_back(grant.path);
    if (!grant.device && !grant.exec) filesystem.read.push_back(grant.path);
  }
  return filesystem;
}

// A mount that has to do with /dev/shm was written by somebody who means the host's.
bool WantsPrivateSharedMemory(const SessionPolicy& policy) {
  if (policy.filesystem.shared_memory == SharedMemoryRule::kNone) return false;
  return std::none_of(policy.mounts.begin(), policy.mounts.end(), [](const Mount& mount) {
    return IsAtOrBelow(mount.host, kSharedMemoryPath) || IsAtOrBelow(kSharedMemoryPath, mount.host);
  });
}

absl::Status DecideIdentity(int landlock_abi, CompiledPolicy* compiled) {
  absl::StatusOr<SessionIdentity> identity =
      ResolveIdentity(compiled->policy.process, landlock_abi);
  if (!identity.ok()) return identity.status();
  compiled->identity = *std::move(identity);
  std::string warning = IdentityWarning(compiled->policy.process);
  if (!warning.empty()) compiled->warnings.push_back(std::move(warning));
  return absl::OkStatus();
}

// {user} is whom the session runs as.
PolicyVariables VariablesOf(const PolicyVariables& caller, const CompiledPolicy& compiled) {
  PolicyVariables variables = caller;
  if (!compiled.policy.process.user.empty()) variables.user = compiled.identity.user;
  return variables;
}

absl::Status DecideInView(const KernelFeatures& features, const PolicyVariables& variables,
                          CompiledPolicy* compiled) {
  if (absl::Status decided = DecideView(features, compiled); !decided.ok()) return decided;
  absl::StatusOr<std::vector<CompiledMount>> compiled_mounts =
      CompileMounts(compiled->policy.mounts);
  if (!compiled_mounts.ok()) return compiled_mounts.status();
  compiled->mounts = *std::move(compiled_mounts);
  absl::StatusOr<std::vector<SystemGrant>> system =
      ResolveSystemGrants(compiled->policy.filesystem, compiled->policy.mounts);
  if (!system.ok()) return system.status();
  compiled->system = *std::move(system);
  for (const std::vector<std::string>* paths :
       {&compiled->policy.filesystem.read, &compiled->policy.filesystem.exec}) {
    compiled->view.spelled.insert(compiled->view.spelled.end(), paths->begin(), paths->end());
  }
  if (absl::Status completed = CompleteView(compiled); !completed.ok()) return completed;
  compiled->policy.filesystem = CanonicalFilesystem(compiled->system, compiled->policy.filesystem);
  compiled->private_shared_memory = WantsPrivateSharedMemory(compiled->policy);
  absl::StatusOr<std::string> directory = ChooseWorkingDirectory(*compiled, variables);
  if (!directory.ok()) return directory.status();
  compiled->working_directory = *std::move(directory);
  return DecideReads(features.landlock_abi, compiled);
}

// Where the policy leaves the view open it is a private one, unless the machine forbids that or the
// policy grants what has no place in one.
absl::Status ResolveGrants(const KernelFeatures& features, const PolicyVariables& variables,
                           CompiledPolicy* compiled) {
  absl::StatusOr<std::vector<Mount>> mounts =
      ResolveMounts(compiled->policy, variables, compiled->identity);
  if (!mounts.ok()) return mounts.status();
  compiled->policy.mounts = *std::move(mounts);
  if (absl::Status kept = KeepStateDirectory(variables.state_directory, &compiled->policy.mounts);
      !kept.ok()) {
    return kept;
  }
  if (!LeavesViewOpen(compiled->policy)) return DecideInView(features, variables, compiled);
  CompiledPolicy attempt = *compiled;
  attempt.policy.filesystem.view = ViewRule::kPrivate;
  const absl::Status seen = DecideInView(features, variables, &attempt);
  if (!seen.ok()) {
    compiled->view.reason = absl::StrCat("a private one cannot be had: ", seen.message());
    return DecideInView(features, variables, compiled);
  }
  attempt.policy.filesystem.view = ViewRule::kAuto;
  attempt.view.reason = "nothing speaks against it";
  *compiled = std::move(attempt);
  return absl::OkStatus();
}

// One file is never larger than all of the changes may be, where changes are all that is written.
LimitsPolicy WithOverlayLimits(const SessionPolicy& policy) {
  int64_t largest = kUnlimited;
  for (const Mount& mount : policy.mounts) {
    if (!mount.is_writable()) continue;
    if (mount.overlay_size == kUnlimited) return policy.limits;
    largest = std::max(largest, mount.overlay_size);
  }
  LimitsPolicy limits = policy.limits;
  if (largest == kUnlimited) return limits;
  if (limits.file_size == kUnlimited || largest < limits.file_size) limits.file_size = largest;
  return limits;
}

}  // namespace

bool HidesNames(const std::vector<CompiledMount>& mounts) {
  return std::any_of(mounts.begin(), mounts.end(),
                     [](const CompiledMount& mount) { return !mount.hide.empty(); });
}

absl::StatusOr<CompiledPolicy> CompilePolicy(const SessionPolicy& policy,
                                             const PolicyVariables& variables,
                                             const KernelFeatures& features,
                                             const std::vector<MediatedCall>& mediated_calls) {
  CompiledPolicy compiled;
  compiled.policy = policy;
  compiled.policy.extends.clear();
  absl::Status status = CheckGroups(policy.process, features.landlock_abi);
  if (status.ok()) status = CheckMediationIsPossible(features);
  if (status.ok()) {
    status = CheckLandlock(policy.kernel, features.landlock_abi, &compiled.missing_walls);
  }
  if (status.ok()) status = DecideIdentity(features.landlock_abi, &compiled);
  if (status.ok()) {
    status = ResolveGrants(features, VariablesOf(variables, compiled), &compiled);
  }
  if (status.ok()) {
    absl::StatusOr<NetworkPlan> network =
        PlanNetwork(policy.network, features.landlock_abi, variables.network);
    status = network.status();
    if (network.ok() && network->sends_mediated && !features.pidfd_getfd) {
      status = absl::FailedPreconditionError(
          "policy: network: rules for datagrams need pidfd_getfd, which this machine takes away; "
          "best_effort does not help");
    }
    if (network.ok()) compiled.network = *std::move(network);
  }
  if (!status.ok()) return status;
  CheckMemoryFiles(features, &compiled);
  DecideIpc(features, &compiled);
  compiled.broker_domain = PlanBrokerDomain(compiled, features.landlock_abi);
  compiled.session_domain = PlanSessionDomain(compiled, features.landlock_abi);
  compiled.filter = PlanFilter(compiled, mediated_calls);
  compiled.broker_filter = PlanBrokerFilter(compiled, mediated_calls);
  absl::StatusOr<LimitPlan> limits =
      PlanLimits(WithOverlayLimits(compiled.policy), features.cgroup,
                 policy.kernel.best_effort ? &compiled.missing_walls : nullptr);
  if (!limits.ok()) return limits.status();
  compiled.limits = *std::move(limits);
  compiled.cgroup_directory = features.cgroup.directory;
  return compiled;
}

}  // namespace sessionctl
