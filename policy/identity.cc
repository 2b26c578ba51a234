#include "policy/identity.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <limits>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "sandbox/privileges.h"

namespace sessionctl {
namespace {

// With these, the session or its broker may signal processes of other users; with the last two the
// broker may also trace them (CapabilitiesForOtherUsers). Landlock is what keeps both inside: from
// this ABI on it scopes signals, and tracing from the first on.
constexpr const char* kHeldByLandlock[] = {"kill", "setgid", "setuid"};
constexpr int kScopedSignalsAbi = 6;

// Why no session keeps it. A capability in neither this list nor kKeepable does not exist.
struct RefusedCapability {
  const char* name;
  const char* reason;
};
constexpr RefusedCapability kRefused[] = {
    {"linux_immutable", "leaves files that nobody can remove as usual"},
    {"net_broadcast", "the kernel asks for it nowhere"},
    {"net_admin", "administers the machine's network"},
    {"net_raw", "reads and forges the machine's traffic"},
    {"ipc_owner", "reaches the shared memory and semaphores of everybody"},
    {"sys_module", "loads code into the kernel"},
    {"sys_rawio", "reaches devices and memory past every wall"},
    {"sys_chroot", "chroot changes what a path means, and the filter refuses it"},
    {"sys_ptrace", "takes over processes"},
    {"sys_pacct", "administers the machine's accounting"},
    {"sys_admin", "takes every wall down"},
    {"sys_boot", "stops the machine"},
    {"sys_nice", "changes priority and processors of everybody's processes"},
    {"sys_resource", "takes limits off"},
    {"sys_time", "sets the machine's clock"},
    {"sys_tty_config", "takes terminals away"},
    {"audit_write", "writes into the machine's own audit"},
    {"audit_control", "administers the machine's own audit"},
    {"audit_read", "reads the machine's own audit"},
    {"mac_override", "takes the machine's access rules off"},
    {"mac_admin", "changes the machine's access rules"},
    {"syslog", "reads the kernel's log and addresses"},
    {"wake_alarm", "wakes the machine"},
    {"block_suspend", "keeps the machine awake"},
    {"perfmon", "looks into everybody's processes and the kernel"},
    {"bpf", "runs programs in the kernel"},
    {"checkpoint_restore", "reaches into everybody's processes"},
};

const RefusedCapability* FindRefused(const std::string& name) {
  for (const RefusedCapability& refused : kRefused) {
    if (name == refused.name) return &refused;
  }
  return nullptr;
}

absl::Status Invalid(const char* key, const std::string& value, const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat("policy: process.", key, ": \"", value, "\": ", what));
}

absl::Status NotAllowed(const char* key, const std::string& what) {
  return absl::PermissionDeniedError(absl::StrCat("policy: process.", key, ": ", what));
}

// (uid_t)-1 means "unchanged" to the kernel.
std::optional<uint32_t> IdFromNumber(const std::string& text) {
  uint32_t id = 0;
  if (!absl::SimpleAtoi(text, &id) || id == std::numeric_limits<uint32_t>::max() ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return id;
}

absl::StatusOr<gid_t> FindGroup(const char* key, const std::string& group) {
  if (const std::optional<uint32_t> number = IdFromNumber(group)) return *number;
  const struct group* entry = getgrnam(group.c_str());
  if (entry == nullptr) return Invalid(key, group, "no such group");
  return entry->gr_gid;
}

std::vector<gid_t> GroupsOf(const char* name, gid_t primary) {
  int count = 64;
  for (;;) {
    std::vector<gid_t> groups(static_cast<size_t>(count));
    const int room = count;
    if (getgrouplist(name, primary, groups.data(), &count) >= 0) {
      groups.resize(static_cast<size_t>(count));
      return groups;
    }
    if (count <= room) count = room * 2;
  }
}

std::vector<gid_t> OwnGroups() {
  const int count = getgroups(0, nullptr);
  std::vector<gid_t> groups(count > 0 ? static_cast<size_t>(count) : 0);
  const int got = getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return groups;
}

absl::Status ResolveUser(const ProcessPolicy& process, SessionIdentity* identity) {
  const std::optional<uint32_t> number = IdFromNumber(process.user);
  const passwd* entry = number ? getpwuid(*number) : getpwnam(process.user.c_str());
  if (entry == nullptr && !number) return Invalid("user", process.user, "no such user");
  if (entry == nullptr && process.group.empty()) {
    return Invalid("user", process.user,
                   "not in the user database: process.group has to say which group it has");
  }
  identity->uid = entry != nullptr ? entry->pw_uid : *number;
  identity->gid = entry != nullptr ? entry->pw_gid : 0;
  identity->groups.clear();
  if (entry != nullptr) {
    identity->user = entry->pw_name;
    identity->groups = GroupsOf(entry->pw_name, entry->pw_gid);
  } else {
    identity->user = process.user;
  }
  identity->changes = true;
  return absl::OkStatus();
}

absl::Status ResolveGroups(const ProcessPolicy& process, SessionIdentity* identity) {
  if (!process.group.empty()) {
    absl::StatusOr<gid_t> gid = FindGroup("group", process.group);
    if (!gid.ok()) return gid.status();
    identity->gid = *gid;
    identity->changes = true;
  }
  if (process.groups.empty()) return absl::OkStatus();
  identity->groups.clear();
  identity->changes = true;
  for (const std::string& name : process.groups) {
    absl::StatusOr<gid_t> gid = FindGroup("groups", name);
    if (!gid.ok()) return gid.status();
    identity->groups.push_back(*gid);
  }
  return absl::OkStatus();
}

absl::Status ResolveCapabilities(const ProcessPolicy& process, CapabilitySet permitted,
                                 int landlock_abi, SessionIdentity* identity) {
  for (const std::string& name : process.capabilities) {
    const std::string wrong = CheckCapability(name);
    if (!wrong.empty()) return Invalid("capabilities", name, wrong);
    const CapabilitySet bit = CapabilityBit(CapabilityNumber(name));
    if ((permitted & bit) == 0) {
      return NotAllowed("capabilities", absl::StrCat(name, ": sessionctl does not have it itself"));
    }
    const bool needs_scope = std::find(std::begin(kHeldByLandlock), std::end(kHeldByLandlock),
                                       name) != std::end(kHeldByLandlock);
    if (needs_scope && landlock_abi < kScopedSignalsAbi) {
      return absl::FailedPreconditionError(absl::StrCat(
          "policy: process.capabilities: ", name, ": needs Landlock ABI ", kScopedSignalsAbi,
          ", which keeps signals inside, best_effort or not; this kernel has ABI ", landlock_abi));
    }
    identity->kept |= bit;
  }
  identity->credentials_may_change =
      (identity->kept & (CapabilityBit(CAP_SETUID) | CapabilityBit(CAP_SETGID))) != 0;
  return absl::OkStatus();
}

absl::Status CheckCallerMay(const SessionIdentity& identity, CapabilitySet permitted) {
  const CapabilitySet to_change = CapabilityBit(CAP_SETUID) | CapabilityBit(CAP_SETGID);
  if (identity.changes && (permitted & to_change) != to_change) {
    return NotAllowed(identity.uid != geteuid() ? "user" : "group",
                      "only root can start a session as another user or with other groups");
  }
  const CapabilitySet for_broker = CapabilitiesForOtherUsers();
  if (identity.credentials_may_change && (permitted & for_broker) != for_broker) {
    return NotAllowed("capabilities",
                      "setuid and setgid need sys_ptrace and kill for the broker, and sessionctl "
                      "does not have them");
  }
  return absl::OkStatus();
}

}  // namespace

std::string DefaultUserOfSpawned() {
  constexpr char kName[] = "sessionctl";
  return geteuid() == 0 && getpwnam(kName) != nullptr ? kName : "";
}

std::string IdentityWarning(const ProcessPolicy& process) {
  if (geteuid() != 0 || !process.user.empty()) return "";
  return "the session runs as root: name another user (--user, process.user), or root if that is "
         "meant";
}

std::string CheckCapability(const std::string& name) {
  if (CapabilityNumber(name) < 0) {
    return "no such capability (capabilities(7), without CAP_, in small letters)";
  }
  const RefusedCapability* refused = FindRefused(name);
  return refused == nullptr ? "" : absl::StrCat("cannot be kept: it ", refused->reason);
}

std::vector<std::string> KeepableCapabilities() {
  std::vector<std::string> names;
  for (int number = 0; number <= kLastNamedCapability; ++number) {
    const char* name = CapabilityName(number);
    if (FindRefused(name) == nullptr) names.emplace_back(name);
  }
  return names;
}

absl::StatusOr<SessionIdentity> ResolveIdentity(const ProcessPolicy& process, int landlock_abi) {
  SessionIdentity identity;
  identity.uid = geteuid();
  identity.gid = getegid();
  identity.groups = OwnGroups();
  absl::Status status = absl::OkStatus();
  if (!process.user.empty()) status = ResolveUser(process, &identity);
  if (status.ok()) status = ResolveGroups(process, &identity);
  SysResult<CapabilityState> own = GetCapabilities();
  const CapabilitySet permitted = own.ok() ? own->permitted : 0;
  if (status.ok()) status = ResolveCapabilities(process, permitted, landlock_abi, &identity);
  if (!status.ok()) return status;
  // Naming what the caller is already changes nothing, and asks for no right.
  if (identity.changes && identity.uid == geteuid() && identity.gid == getegid() &&
      identity.groups == OwnGroups()) {
    identity.changes = false;
  }
  if (absl::Status may = CheckCallerMay(identity, permitted); !may.ok()) return may;
  if (identity.user.empty()) {
    const passwd* entry = getpwuid(identity.uid);
    identity.user = entry != nullptr ? std::string(entry->pw_name) : absl::StrCat(identity.uid);
  }
  return identity;
}

}  // namespace sessionctl
