#include "policy/wall_plans.h"

#include <fcntl.h>
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/path_text.h"
#include "sandbox/landlock_uapi.h"

namespace sessionctl {
namespace {

constexpr uint64_t kRead = landlock::kFsReadFile | landlock::kFsReadDir;
// The kernel opens what it executes for reading too (fs/exec.c, do_open_execat).
constexpr uint64_t kExecuteNatively = landlock::kFsReadFile | landlock::kFsExecute;
constexpr uint64_t kDevice = landlock::kFsReadFile | landlock::kFsWriteFile | landlock::kFsIoctlDev;
constexpr uint64_t kMakeDevices = landlock::kFsMakeChar | landlock::kFsMakeBlock;

// O_TMPFILE without its O_DIRECTORY bit (asm-generic/fcntl.h, __O_TMPFILE).
constexpr uint64_t kTmpfileBit = 020000000;

// May the session make pseudo-terminals (pts(4))? Their other ends then have to be opened too.
bool GrantsTerminals(const CompiledPolicy& compiled) {
  return std::any_of(compiled.system.begin(), compiled.system.end(), [](const SystemGrant& grant) {
    return grant.device && (grant.path == "/dev/ptmx" || grant.path == "/dev/pts/ptmx");
  });
}

// What may be mounted there later: any mode, so the most that one of them gives.
Mount ReservedMount() {
  Mount mount;
  mount.host = mount.guest = kReservedPath;
  return mount;
}

// The broker opens no device in a mount, and makes one only for a session that keeps the
// capability.
uint64_t BrokerMountAccess(const Mount& mount, CapabilitySet kept, int landlock_abi) {
  uint64_t access = mount.is_writable()
                        ? landlock::FsAccessOfAbi(landlock_abi) & ~landlock::kFsIoctlDev
                        : kRead | landlock::kFsExecute;
  if (!mount.exec) access &= ~landlock::kFsExecute;
  if ((kept & CapabilityBit(CAP_MKNOD)) == 0) access &= ~kMakeDevices;
  return access;
}

std::string MountReason(const Mount& mount) {
  return absl::StrCat("mount ", MountModeName(mount.mode), mount.exec ? " exec" : "");
}

const char* SystemReason(const SystemGrant& grant) {
  if (grant.device) return "filesystem.devices";
  return grant.exec ? "filesystem.exec" : "filesystem.read";
}

uint64_t BrokerSystemAccess(const SystemGrant& grant) {
  if (grant.device) return kDevice;
  return grant.exec ? kRead | landlock::kFsExecute : kRead;
}

// A device's ioctl goes through the descriptor, whose rights are its opener's: who may open
// /dev/tty natively must be able to ask for its size.
uint64_t SessionSystemAccess(const SystemGrant& grant, bool reads_native) {
  if (grant.device) {
    return reads_native ? landlock::kFsReadFile | landlock::kFsIoctlDev : 0;
  }
  return (reads_native ? kRead : 0) | (grant.exec ? kExecuteNatively : 0);
}

uint64_t SessionMountAccess(const Mount& mount, const CompiledPolicy& compiled) {
  uint64_t access = compiled.reads_mediated ? 0 : kRead;
  if (mount.exec) access |= kExecuteNatively;
  return access;
}

// What the rules say by address, by port alone. A right whose ports are too many for a rule each is
// not handled: then mediation stands alone.
void PlanBrokerPorts(const NetworkPlan& network, int landlock_abi, LandlockPlan* plan) {
  if (network.mode == NetworkMode::kHost) return;
  const std::pair<uint64_t, const std::vector<NetworkRule>*> rights[] = {
      {landlock::kNetConnectTcp, &network.allow}, {landlock::kNetBindTcp, &network.listen}};
  for (const auto& [right, rules] : rights) {
    const std::optional<std::vector<uint16_t>> ports = TcpPorts(*rules);
    if (!ports.has_value() || (right & landlock::NetAccessOfAbi(landlock_abi)) == 0) continue;
    plan->handled_net |= right;
    for (const uint16_t port : *ports) plan->ports.push_back({port, right});
  }
}

void AddGrant(std::string path, uint64_t access, std::string reason, LandlockPlan* plan) {
  access &= plan->handled_fs;
  if (access != 0) plan->grants.push_back({std::move(path), access, std::move(reason)});
}

// In a private view there is nothing but what is granted and the directories on the way there.
void AddViewsDirectories(const CompiledPolicy& compiled, LandlockPlan* plan) {
  if (!compiled.view.is_private) return;
  AddGrant("/", landlock::kFsReadDir, "filesystem.view: the directories on the way", plan);
}

// What of open and openat the kernel may do alone. Flags are an int: only its low bits are looked
// at (trap 22). With O_PATH the kernel ignores every other flag but O_DIRECTORY and O_NOFOLLOW
// (fs/open.c, build_open_flags). It looks a name up all the same.
std::vector<FilterCase> OpenCases(unsigned flags_arg, const CompiledPolicy& compiled) {
  std::vector<FilterCase> cases;
  if (!HidesNames(compiled.mounts)) {
    cases.push_back({{{flags_arg, O_PATH, O_PATH}}, FilterAction::kAllow});
  }
  if (compiled.reads_mediated) return cases;
  for (const uint64_t bit :
       {uint64_t{O_WRONLY}, uint64_t{O_RDWR}, uint64_t{O_CREAT}, uint64_t{O_TRUNC}, kTmpfileBit}) {
    cases.push_back({{{flags_arg, bit, bit}}, FilterAction::kNotify});
  }
  return cases;
}

std::vector<FilterRule> MediatedRules(const MediatedCall& call, const CompiledPolicy& compiled) {
  switch (call.when) {
    case MediatedCall::When::kAlways: break;
    case MediatedCall::When::kUnlessRead:
      return RulesInOrder(call.nr, OpenCases(static_cast<unsigned>(call.flags_arg), compiled),
                          compiled.reads_mediated ? FilterAction::kNotify : FilterAction::kAllow);
    case MediatedCall::When::kUnlessNative: {
      std::vector<FilterCase> cases;
      for (const std::vector<FilterCondition>& form : call.native) {
        cases.push_back({form, FilterAction::kAllow});
      }
      return RulesInOrder(call.nr, cases, FilterAction::kNotify);
    }
  }
  return {{call.nr, FilterAction::kNotify}};
}

// In a mount where something has to be kept apart, a socket file is made from its pinned directory:
// see supervisor/mediator/handlers/bind.cc.
bool ShortensSocketNames(const CompiledPolicy& compiled) {
  if (compiled.policy.filesystem.reserve) return true;  // one mount may come to lie in another
  for (const CompiledMount& mount : compiled.mounts) {
    if (!mount.mount.is_writable()) continue;
    if (!mount.deny.empty() || !mount.read_only.empty() || !mount.hide.empty()) return true;
    for (const CompiledMount& other : compiled.mounts) {
      if (&other != &mount && IsAtOrBelow(other.mount.guest, mount.mount.guest)) return true;
    }
  }
  return false;
}

// Taking a disk's space in one call is too quick for whoever counts what is written. Programs then
// write (posix_fallocate(3)).
std::vector<FilterCase> AllocationCases() {
  return {{{{1, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_PUNCH_HOLE}}, FilterAction::kAllow},
          {{}, FilterAction::kErrno, EOPNOTSUPP}};
}

std::map<int, std::vector<FilterCase>> DeniedCases(const CompiledPolicy& compiled) {
  std::map<int, std::vector<FilterCase>> cases;
  for (const SyscallGroup& group : DeniedGroups(compiled)) {
    for (const DeniedCall& call : group.calls) {
      const FilterAction action = call.error == 0 ? FilterAction::kAllow : FilterAction::kErrno;
      cases[SyscallNumber(call.name)].push_back({call.conditions, action, call.error});
    }
  }
  cases.erase(-1);
  return cases;
}

}  // namespace

LandlockPlan PlanBrokerDomain(const CompiledPolicy& compiled, int landlock_abi) {
  LandlockPlan plan;
  plan.handled_fs = landlock::FsAccessOfAbi(landlock_abi);
  PlanBrokerPorts(compiled.network, landlock_abi, &plan);
  // The broker signals its own session only, which is nested below it, and connects to no other's
  // abstract sockets.
  plan.scoped = landlock::ScopesOfAbi(landlock_abi);
  for (const CompiledMount& mount : compiled.mounts) {
    AddGrant(mount.mount.host, BrokerMountAccess(mount.mount, compiled.identity.kept, landlock_abi),
             MountReason(mount.mount), &plan);
  }
  for (const SystemGrant& grant : compiled.system) {
    AddGrant(grant.path, BrokerSystemAccess(grant), SystemReason(grant), &plan);
  }
  if (compiled.policy.filesystem.reserve) {
    AddGrant(kReservedPath,
             BrokerMountAccess(ReservedMount(), compiled.identity.kept, landlock_abi),
             kReservedReason, &plan);
  }
  if (GrantsTerminals(compiled)) {
    AddGrant("/dev/pts", kDevice, "broker: the terminals that the session makes", &plan);
  }
  AddGrant("/proc", kRead, "broker: its caller's umask and descriptors", &plan);
  AddViewsDirectories(compiled, &plan);
  return plan;
}

LandlockPlan PlanSessionDomain(const CompiledPolicy& compiled, int landlock_abi) {
  LandlockPlan plan;
  plan.handled_fs = landlock::FsAccessOfAbi(landlock_abi);
  plan.handled_net = landlock::NetAccessOfAbi(landlock_abi);  // connect and bind are mediated
  plan.scoped = landlock::ScopesOfAbi(landlock_abi);
  for (const CompiledMount& mount : compiled.mounts) {
    AddGrant(mount.mount.host, SessionMountAccess(mount.mount, compiled), MountReason(mount.mount),
             &plan);
  }
  for (const SystemGrant& grant : compiled.system) {
    AddGrant(grant.path, SessionSystemAccess(grant, !compiled.reads_mediated), SystemReason(grant),
             &plan);
  }
  if (compiled.policy.filesystem.reserve) {
    AddGrant(kReservedPath, SessionMountAccess(ReservedMount(), compiled), kReservedReason, &plan);
  }
  if (!compiled.reads_mediated) AddViewsDirectories(compiled, &plan);
  return plan;
}

bool IsDenied(const CompiledPolicy& compiled, const SyscallGroup& group) {
  const ProcessPolicy& process = compiled.policy.process;
  const auto lists = [&group](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), group.name) != names.end();
  };
  if (lists(process.deny_groups)) return true;
  if (lists(process.allow_groups)) return false;
  return std::string(group.name) != kIpcGroup || compiled.ipc == IpcPlan::kRefused;
}

// As on a file system that has no handles: nobody in a session may open one.
SyscallGroup HiddenNamesGroup() {
  return {"hidden_names",
          "tells of a name without looking whether it is hidden",
          "",
          "",
          {{"name_to_handle_at", EOPNOTSUPP}}};
}

std::vector<SyscallGroup> DeniedGroups(const CompiledPolicy& compiled) {
  std::vector<SyscallGroup> denied;
  for (const SyscallGroup& group : SyscallGroups()) {
    if (IsDenied(compiled, group)) denied.push_back(group);
  }
  denied.push_back(NetworkGroup(compiled.network));
  if (HidesNames(compiled.mounts)) denied.push_back(HiddenNamesGroup());
  return denied;
}

bool IsMediated(const CompiledPolicy& compiled, const MediatedCall& call) {
  if (call.nr < 0) return false;
  switch (call.under) {
    case MediatedCall::Under::kEveryPolicy: return true;
    case MediatedCall::Under::kNoMemfdExec:
      return IsDenied(compiled, *FindSyscallGroup(kMemfdExecGroup));
    case MediatedCall::Under::kMediatedSends: return compiled.network.sends_mediated;
    case MediatedCall::Under::kMediatedListens: return compiled.network.listen_mediated;
    case MediatedCall::Under::kShortenedNames: return ShortensSocketNames(compiled);
    case MediatedCall::Under::kHiddenNames: return HidesNames(compiled.mounts);
  }
  return true;
}

FilterPlan PlanFilter(const CompiledPolicy& compiled,
                      const std::vector<MediatedCall>& mediated_calls) {
  std::map<int, std::vector<FilterRule>> rules;
  for (const MediatedCall& call : mediated_calls) {
    if (IsMediated(compiled, call)) rules[call.nr] = MediatedRules(call, compiled);
  }
  for (const auto& [nr, cases] : DeniedCases(compiled)) {
    rules.try_emplace(nr, RulesInOrder(nr, cases, FilterAction::kAllow));
  }
  if (const auto bounded =
          [](const CompiledMount& each) {
            return each.mount.max_bytes != kUnlimited || each.mount.overlay_size != kUnlimited;
          };
      std::any_of(compiled.mounts.begin(), compiled.mounts.end(), bounded)) {
    const int nr = SyscallNumber("fallocate");
    rules.try_emplace(nr, RulesInOrder(nr, AllocationCases(), FilterAction::kAllow));
  }
  for (int nr = 0; nr <= kLastReviewedSyscall; ++nr) {
    if (!IsSyscall(nr)) continue;
    rules.try_emplace(nr, std::vector<FilterRule>{{nr, FilterAction::kAllow}});
  }
  FilterPlan plan;
  for (auto& [nr, of_call] : rules) {
    std::move(of_call.begin(), of_call.end(), std::back_inserter(plan.rules));
  }
  return plan;
}

}  // namespace sessionctl
