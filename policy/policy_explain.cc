// The text of `policy explain`.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "policy/path_text.h"
#include "policy/policy_compiler.h"
#include "policy/quantity.h"
#include "policy/syscall_groups.h"
#include "policy/wall_plans.h"
#include "sandbox/landlock.h"

namespace sessionctl {
namespace {

std::string Quoted(const std::vector<std::string>& values) {
  return absl::StrJoin(values, ", ", [](std::string* out, const std::string& value) {
    absl::StrAppend(out, "\"", value, "\"");
  });
}

void AppendOverlay(const Mount& mount, std::string* text) {
  const char* const ends[] = {"kept in the session's directory", "thrown away", "committed"};
  absl::StrAppend(text, "      changes: apart from the host's directory (overlayfs); at the end ",
                  ends[static_cast<size_t>(mount.on_exit)], "\n");
  if (mount.overlay_size != kUnlimited) {
    absl::StrAppend(text, "      overlay_size ", FormatSize(mount.overlay_size),
                    ": ENOSPC to the next change; ends the session beyond (the broker looks)\n");
  }
  if (mount.overlay_inodes != kUnlimited) {
    absl::StrAppend(text, "      overlay_inodes ", mount.overlay_inodes,
                    ": ENOSPC (the broker looks)\n");
  }
}

// What the kernel holds of a mount by itself; names and links inside are the broker's in every
// view.
std::string HeldBy(const CompiledMount& compiled, bool view_is_private) {
  if (!view_is_private) return "Landlock, the broker";
  const Mount& mount = compiled.mount;
  std::vector<std::string> attributes = {"nosuid", "nodev"};
  if (!mount.is_writable()) attributes.emplace_back("ro");
  if (!mount.exec) attributes.emplace_back("noexec");
  if (mount.symlinks == SymlinkRule::kNone) attributes.emplace_back("nosymfollow");
  const char* const kind = compiled.is_private_tmp             ? "a tmpfs"
                           : mount.mode == MountMode::kOverlay ? "an overlayfs"
                                                               : "a bind mount";
  return absl::StrCat(kind, " (", absl::StrJoin(attributes, ", "), "), Landlock, the broker");
}

void AppendMount(const CompiledMount& compiled, bool view_is_private, std::string* text) {
  const Mount& mount = compiled.mount;
  absl::StrAppend(text, "  ", MountModeName(mount.mode), mount.exec ? " exec " : "      ",
                  mount.host);
  if (compiled.is_private_tmp) {
    absl::StrAppend(text, " (in memory, the session's own)");
  } else if (view_is_private && mount.guest != mount.host) {
    absl::StrAppend(text, " seen at ", mount.guest);
  } else if (mount.alias != mount.host) {
    absl::StrAppend(text, " (also as ", mount.alias, ")");
  }
  absl::StrAppend(text, "\n      held by: ", HeldBy(compiled, view_is_private), "\n");
  if (!mount.deny.empty()) absl::StrAppend(text, "      deny ", Quoted(mount.deny), "\n");
  if (!mount.read_only.empty()) {
    absl::StrAppend(text, "      read_only ", Quoted(mount.read_only), "\n");
  }
  if (!mount.hide.empty()) {
    absl::StrAppend(text, "      hide ", Quoted(mount.hide),
                    ": by the broker, which looks names up and lists directories\n");
  }
  if (mount.max_bytes != kUnlimited) {
    absl::StrAppend(text, "      max_bytes ", FormatSize(mount.max_bytes),
                    ": EDQUOT to the next open; ends the session beyond (the broker looks)\n");
  }
  if (mount.max_files != kUnlimited) {
    absl::StrAppend(text, "      max_files ", mount.max_files, ": EDQUOT (the broker counts)\n");
  }
  if (mount.mode == MountMode::kOverlay) AppendOverlay(mount, text);
  absl::StrAppend(
      text, "      symbolic links: ",
      mount.symlinks == SymlinkRule::kBeneath ? "followed inside the mount" : "refused",
      "; files with two names: ", mount.hardlinks == HardlinkRule::kAny ? "allowed" : "refused",
      "; other file systems inside: ", mount.cross_device ? "entered" : "refused", "\n");
}

void AppendSystemGrants(const CompiledPolicy& compiled, std::string* text) {
  std::vector<SystemGrant> grants = compiled.system;
  std::sort(grants.begin(), grants.end(),
            [](const SystemGrant& a, const SystemGrant& b) { return a.path < b.path; });
  for (const SystemGrant& grant : grants) {
    const char* kind = grant.device ? "dev" : grant.exec ? "exec" : "read";
    absl::StrAppend(text, "  ", kind, std::string(5 - strlen(kind), ' '), grant.path, "\n");
  }
}

const char* IpcText(IpcPlan plan) {
  switch (plan) {
    case IpcPlan::kRefused: return "refused";
    case IpcPlan::kShared: return "shared with the user's other processes";
    case IpcPlan::kNamespace: return "the session's own (IPC namespace)";
    case IpcPlan::kUserNamespace:
      return "the session's own (IPC and user namespace: files of other users look like nobody's)";
  }
  return "?";
}

void AppendGrants(const CompiledPolicy& compiled, std::string* text) {
  absl::StrAppend(text, "Grants\n");
  for (const CompiledMount& mount : compiled.mounts) {
    AppendMount(mount, compiled.view.is_private, text);
  }
  AppendSystemGrants(compiled, text);
  if (compiled.private_shared_memory) {
    absl::StrAppend(text, "  shm  ", kSharedMemoryPath,
                    ": the session's own, empty at its start, removed at its end\n");
  }
  if (compiled.policy.filesystem.reserve) {
    absl::StrAppend(text, "  later  ", kReservedPath,
                    ": what `sessionctl mount add` mounts below it; until then nothing\n");
  }
  absl::StrAppend(
      text, "  everything else: none\nView: ",
      compiled.view.is_private ? "private (a root of the session's own: nothing else is there)"
                               : "the host's",
      ", because ", compiled.view.reason, "\nWorking directory: ", compiled.working_directory,
      "\nReads: ", compiled.reads_mediated ? "mediated" : "native", ", because ",
      compiled.reads_reason, "\nSystem V IPC: ", IpcText(compiled.ipc), ", because ",
      compiled.ipc_reason, "\n");
}

std::string GroupNumbers(const std::vector<gid_t>& groups) {
  return groups.empty() ? "none" : absl::StrJoin(groups, ", ");
}

void AppendIdentity(const CompiledPolicy& compiled, std::string* text) {
  const SessionIdentity& identity = compiled.identity;
  if (identity.changes) {
    absl::StrAppend(text, "Identity: ", identity.user, " (uid ", identity.uid, ", gid ",
                    identity.gid, ", supplementary groups ", GroupNumbers(identity.groups), ")\n");
  } else {
    absl::StrAppend(text, "Identity: the caller's user and groups\n");
  }
  std::vector<std::string> kept;
  for (int number = 0; number <= kLastNamedCapability; ++number) {
    if ((identity.kept & CapabilityBit(number)) != 0) kept.emplace_back(CapabilityName(number));
  }
  absl::StrAppend(text, "Capabilities: ", kept.empty() ? "none" : absl::StrJoin(kept, ", "), "\n");
}

const char* NetworkModeText(NetworkMode mode) {
  switch (mode) {
    case NetworkMode::kNone: return "none";
    case NetworkMode::kHost: return "host: every address that the host reaches";
    case NetworkMode::kAllow: return "allow: what the rules name";
  }
  return "?";
}

// "  connect to  10.0.0.0/8:5432", and the addresses of a host name behind it.
void AppendNetworkRules(const char* what, const std::vector<NetworkRule>& rules,
                        std::string* text) {
  for (size_t i = 0; i < rules.size();) {
    absl::StrAppend(text, "  ", what, " ", rules[i].text);
    std::vector<std::string> addresses;
    const std::string& rule = rules[i].text;
    for (; i < rules.size() && rules[i].text == rule; ++i) {
      if (rules[i].any_address) continue;
      const std::string address = rules[i].address.Text();
      if (rule.find(address) == std::string::npos) addresses.push_back(address);
    }
    if (!addresses.empty()) absl::StrAppend(text, ", now ", absl::StrJoin(addresses, ", "));
    absl::StrAppend(text, "\n");
  }
}

void AppendNetwork(const CompiledPolicy& compiled, std::string* text) {
  const NetworkPlan& network = compiled.network;
  absl::StrAppend(text, "Network: ", NetworkModeText(network.mode), "\n");
  AppendNetworkRules("connect to", network.allow, text);
  AppendNetworkRules("listen on ", network.listen, text);
  absl::StrAppend(text, "  UNIX sockets: connect and bind in the writable mounts",
                  network.unix_sockets.empty() ? "" : "; connect to ",
                  absl::StrJoin(network.unix_sockets, ", "), "\n");
  if (network.abstract_refused) {
    absl::StrAppend(text,
                    "  Abstract UNIX sockets: none, because Landlock has no scope for them\n");
  }
  const char* const how = network.sends_mediated ? "mediated" : "native";
  absl::StrAppend(text, "  sendto with an address, sendmsg, sendmmsg: ", how, ", because ",
                  network.sends_reason,
                  "\n  listen: ", network.listen_mediated ? "mediated" : "native", ", because ",
                  network.listen_reason, "\n");
}

bool HasNestedMounts(const CompiledPolicy& compiled) {
  for (const CompiledMount& inner : compiled.mounts) {
    for (const CompiledMount& outer : compiled.mounts) {
      if (&inner != &outer && IsAtOrBelow(inner.mount.host, outer.mount.host)) return true;
    }
  }
  return false;
}

void AppendLimits(const LimitPlan& plan, std::string* text) {
  if (plan.limits.empty()) {
    absl::StrAppend(text, "Limits: none\n");
    return;
  }
  absl::StrAppend(text, "Limits\n");
  for (const PlannedLimit& limit : plan.limits) {
    absl::StrAppendFormat(text, "  %-12s%-8s%s: %s\n", limit.name, limit.text,
                          LimitHolderName(limit.holder), limit.effect);
  }
}

// What a reader would not guess from the grants.
void AppendNotes(const CompiledPolicy& compiled, std::string* text) {
  for (const std::string& wall : compiled.missing_walls) {
    absl::StrAppend(text, "Missing: ", wall, "\n");
  }
  bool exec_and_deny = false;
  bool exec_and_hide = false;
  for (const CompiledMount& mount : compiled.mounts) {
    exec_and_deny = exec_and_deny || (mount.mount.exec && !mount.mount.deny.empty());
    exec_and_hide = exec_and_hide || (mount.mount.exec && !mount.mount.hide.empty());
  }
  if (exec_and_deny) {
    absl::StrAppend(text,
                    "Note: Landlock cannot subtract. In a mount with exec, a deny rule hides a "
                    "file's content from\n      open, but does not stop its execution.\n");
  }
  if (HidesNames(compiled.mounts)) {
    absl::StrAppend(
        text,
        "Note: The kernel alone changes the working directory and executes programs. "
        "Whoever guesses a hidden\n      name learns by that whether it is there",
        exec_and_hide ? ", and in a mount with exec can execute a hidden program.\n" : ".\n");
  }
  if (HasNestedMounts(compiled)) {
    absl::StrAppend(text,
                    "Note: Landlock cannot subtract. Where a mount lies in another, the broker's "
                    "own domain has the\n      wider rights of the two; mediation keeps them "
                    "apart.\n");
  }
}

void AppendCallLine(const std::string& name, const std::string& why, std::string* text) {
  absl::StrAppend(text, "  ", name, std::string(name.size() < 20 ? 20 - name.size() : 1, ' '), why,
                  "\n");
}

std::string MediatedReason(const MediatedCall& call, const CompiledPolicy& compiled) {
  if (call.use[0] != '\0') return call.use;
  if (call.when != MediatedCall::When::kUnlessRead) {
    return "creates, changes or removes a name or metadata";
  }
  if (HidesNames(compiled.mounts)) return "all, O_PATH too: it looks a name up";
  return compiled.reads_mediated ? "all but O_PATH, which opens no content"
                                 : "all that may write or create; O_RDONLY and O_PATH are native";
}

const char* ErrorName(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "?";
}

// One group: the calls it denies outright by errno, then the denied uses of each other call.
void AppendGroup(const SyscallGroup& group, const std::set<std::string>& mediated,
                 std::string* text) {
  std::map<int, std::vector<std::string>> outright;
  std::map<std::pair<std::string, int>, std::vector<std::string>> uses;
  for (const DeniedCall& call : group.calls) {
    if (call.error == 0 || SyscallNumber(call.name) < 0) continue;
    if (call.use[0] == '\0') {
      outright[call.error].push_back(call.name);
    } else {
      std::vector<std::string>& of_call = uses[{call.name, call.error}];
      if (std::find(of_call.begin(), of_call.end(), call.use) == of_call.end()) {
        of_call.push_back(call.use);
      }
    }
  }
  absl::StrAppend(text, "  group ", group.name, ": ", group.reason, "\n");
  for (const auto& [error, names] : outright) {
    absl::StrAppend(text, "    ", ErrorName(error), ": ", absl::StrJoin(names, " "), "\n");
  }
  for (const auto& [call, denied] : uses) {
    absl::StrAppend(text, "    ", ErrorName(call.second), ": ", call.first, " with ",
                    absl::StrJoin(denied, ", "), "; else ",
                    mediated.contains(call.first) ? "mediated" : "native", "\n");
  }
}

// What was allowed, and what that costs.
void AppendAllowed(const CompiledPolicy& compiled, std::string* text) {
  for (const SyscallGroup& group : SyscallGroups()) {
    if (IsDenied(compiled, group)) continue;
    const bool own_ipc = group.name == std::string(kIpcGroup) && compiled.ipc != IpcPlan::kShared;
    if (own_ipc) continue;
    absl::StrAppend(text, "  group ", group.name, ": ", group.cost, "\n");
  }
}

void AppendDenied(const CompiledPolicy& compiled, const std::set<std::string>& mediated,
                  std::string* text) {
  absl::StrAppend(text, "\nDenied calls\n");
  for (const SyscallGroup& group : DeniedGroups(compiled)) AppendGroup(group, mediated, text);
  std::string allowed;
  AppendAllowed(compiled, &allowed);
  if (!allowed.empty()) {
    absl::StrAppend(text, "\nAllowed groups, and what that costs\n", allowed);
  }
}

// The calls that a group in force denies whatever their arguments.
std::set<std::string> DeniedOutright(const CompiledPolicy& compiled) {
  std::set<std::string> names;
  for (const SyscallGroup& group : DeniedGroups(compiled)) {
    for (const DeniedCall& call : group.calls) {
      if (call.use[0] == '\0' && call.error != 0) names.insert(call.name);
    }
  }
  return names;
}

void AppendCalls(const CompiledPolicy& compiled, const std::vector<MediatedCall>& mediated_calls,
                 std::string* text) {
  std::set<std::string> mediated;
  absl::StrAppend(text, "Mediated calls\n");
  for (const MediatedCall& call : mediated_calls) {
    if (!IsMediated(compiled, call)) continue;
    mediated.insert(call.name);
    AppendCallLine(call.name, MediatedReason(call, compiled), text);
  }
  AppendDenied(compiled, mediated, text);
  const std::set<std::string> denied = DeniedOutright(compiled);
  absl::StrAppend(text, "\nNative calls that take a path\n");
  for (const NativeCall& call : NativePathCalls()) {
    if (SyscallNumber(call.name) < 0) continue;
    if (mediated.contains(call.name) || denied.contains(call.name)) continue;
    AppendCallLine(call.name, call.reason, text);
  }
  absl::StrAppend(text,
                  "  Every other call takes no path and is native, or has no name and answers "
                  "ENOSYS.\n");
}

void AppendPorts(const LandlockPlan& plan, std::string* text) {
  constexpr std::pair<uint64_t, const char*> kRights[] = {{landlock::kNetConnectTcp, "TCP connect"},
                                                          {landlock::kNetBindTcp, "TCP bind"}};
  for (const auto& [right, name] : kRights) {
    if ((plan.handled_net & right) == 0) continue;
    std::vector<uint16_t> ports;
    for (const LandlockPortGrant& grant : plan.ports) {
      if (grant.access == right) ports.push_back(grant.port);
    }
    absl::StrAppend(text, "  ", name, ": ", ports.empty() ? "no port" : "ports ",
                    absl::StrJoin(ports, " "), "\n");
  }
}

// Grants with the same rights for the same reason stand together.
void AppendDomain(const char* title, const LandlockPlan& plan, std::string* text) {
  absl::StrAppend(text, title, "\n  handles ",
                  plan.handled_fs == 0 ? "nothing" : LandlockAccessNames(plan.handled_fs), "\n");
  if (plan.scoped != 0) {
    absl::StrAppend(text, "  scoped: signals and abstract UNIX sockets stay inside\n");
  }
  AppendPorts(plan, text);
  std::map<std::pair<std::string, uint64_t>, std::vector<std::string>> kinds;
  for (const LandlockGrant& grant : plan.grants) {
    kinds[{grant.reason, grant.access}].push_back(grant.path);
  }
  for (auto& [kind, paths] : kinds) {
    std::sort(paths.begin(), paths.end());
    absl::StrAppend(text, "  ", kind.first, ": ", LandlockAccessNames(kind.second), "\n      ",
                    absl::StrJoin(paths, "\n      "), "\n");
  }
}

}  // namespace

std::string ExplainPolicy(const CompiledPolicy& compiled,
                          const std::vector<MediatedCall>& mediated_calls) {
  std::string text;
  AppendGrants(compiled, &text);
  AppendIdentity(compiled, &text);
  AppendNetwork(compiled, &text);
  AppendLimits(compiled.limits, &text);
  AppendNotes(compiled, &text);
  absl::StrAppend(&text, "\n");
  AppendCalls(compiled, mediated_calls, &text);
  absl::StrAppend(&text, "\n");
  AppendDomain("Landlock, outer domain (broker)", compiled.broker_domain, &text);
  absl::StrAppend(&text, "\n");
  AppendDomain("Landlock, inner domain (session)", compiled.session_domain, &text);
  absl::StrAppend(&text, "\nFilter\n", FilterPseudoCode(compiled.filter));
  absl::StrAppend(&text, "\nFilter of the broker itself\n",
                  FilterPseudoCode(compiled.broker_filter));
  return text;
}

}  // namespace sessionctl
