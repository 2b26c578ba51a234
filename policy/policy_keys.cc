#include "policy/policy_keys.h"

#include <utility>

#include "policy/glob_set.h"
#include "policy/identity.h"
#include "policy/key_makers.h"
#include "policy/network_plan.h"
#include "policy/syscall_groups.h"

namespace sessionctl {
namespace {

using Strings = std::vector<std::string>;

std::string CheckAbsolute(const std::string& value) {
  return !value.empty() && value[0] == '/' ? "" : "is not an absolute path";
}

std::string CheckGlob(const std::string& value) {
  const absl::StatusOr<GlobSet> compiled = GlobSet::Compile({value});
  return compiled.ok() ? "" : std::string(compiled.status().message());
}

std::string CheckDestination(const std::string& value) {
  return std::string(ParseDestinationRule(value).status().message());
}

std::string CheckListen(const std::string& value) {
  return std::string(ParseListenRule(value).status().message());
}

Strings GroupNames() {
  Strings names;
  for (const SyscallGroup& group : SyscallGroups()) names.emplace_back(group.name);
  return names;
}

PolicyKey<SessionPolicy> GroupsKey(const char* name, const char* description,
                                   Strings ProcessPolicy::*member) {
  PolicyKey<SessionPolicy> key = StringListKey<SessionPolicy>(
      "process", name, description,
      [member](SessionPolicy& policy) -> Strings& { return policy.process.*member; });
  key.choices = GroupNames();
  return key;
}

PolicyKey<SessionPolicy> SystemPathsKey(const char* name, const char* description,
                                        Strings FilesystemPolicy::*member) {
  return Checked(StringListKey<SessionPolicy>("filesystem", name, description,
                                              [member](SessionPolicy& policy) -> Strings& {
                                                return policy.filesystem.*member;
                                              }),
                 CheckAbsolute);
}

PolicyKey<SessionPolicy> WorkingDirectoryKey() {
  return {"process",
          "working_directory",
          KeyType::kString,
          "Where the command starts. {session} and {user} expand.",
          [](SessionPolicy* policy, const KeyValue& value) {
            policy->process.working_directory = std::get<std::string>(value);
          },
          [](const SessionPolicy& policy) -> KeyValue {
            return policy.process.working_directory.value_or("");
          },
          {},
          0,
          0,
          false,
          CheckAbsolute};
}

PolicyKey<SessionPolicy> KeepFdsKey() {
  return {"process",
          "keep_fds",
          KeyType::kIntegerList,
          "Descriptors beyond 0, 1 and 2 that the command inherits.",
          [](SessionPolicy* policy, const KeyValue& value) {
            std::vector<int> fds;
            for (const int64_t fd : std::get<std::vector<int64_t>>(value)) {
              fds.push_back(static_cast<int>(fd));
            }
            AppendMissing(fds, &policy->process.keep_fds);
          },
          [](const SessionPolicy& policy) -> KeyValue {
            return std::vector<int64_t>(policy.process.keep_fds.begin(),
                                        policy.process.keep_fds.end());
          },
          {},
          3,
          1048575};
}

std::string CheckUmask(const std::string& value) {
  const bool octal = !value.empty() && value.find_first_not_of("01234567") == std::string::npos;
  const size_t first = value.find_first_not_of('0');
  const size_t digits = first == std::string::npos ? 0 : value.size() - first;
  return octal && digits <= 3 ? "" : "is no umask: octal digits up to 777, as \"022\"";
}

PolicyKey<SessionPolicy> CapabilitiesKey() {
  PolicyKey<SessionPolicy> key =
      Checked(StringListKey<SessionPolicy>(
                  "process", "capabilities", "Capabilities that the session keeps, without CAP_.",
                  [](SessionPolicy& policy) -> Strings& { return policy.process.capabilities; }),
              CheckCapability);
  key.choices = KeepableCapabilities();
  return key;
}

PolicyKey<SessionPolicy> UmaskKey() {
  PolicyKey<SessionPolicy> key =
      Checked(StringKey<SessionPolicy>(
                  "process", "umask", "The umask to start with, in octal digits.",
                  [](SessionPolicy& policy) -> std::string& { return policy.process.umask; }),
              CheckUmask);
  key.pattern = "^0*[0-7]{1,3}$";
  return key;
}

std::vector<PolicyKey<SessionPolicy>> IdentityKeys() {
  using P = SessionPolicy;
  return {
      Checked(StringKey<P>("process", "user",
                           "Whom the session runs as: a name or a number. Only root may name "
                           "another user.",
                           [](P& policy) -> std::string& { return policy.process.user; }),
              CheckNotEmpty),
      Checked(StringKey<P>("process", "group", "The session's group: a name or a number.",
                           [](P& policy) -> std::string& { return policy.process.group; }),
              CheckNotEmpty),
      Checked(StringListKey<P>("process", "groups",
                               "Supplementary groups, in place of those of the user database.",
                               [](P& policy) -> Strings& { return policy.process.groups; }),
              CheckNotEmpty),
      CapabilitiesKey(),
      UmaskKey(),
      IntegerKey<P>("process", "nice", "Added to the caller's nice value.", 0, 19,
                    [](P& policy) -> int& { return policy.process.nice; }),
      IntegerKey<P>("process", "oom_score_adj",
                    "At least this is the session's oom_score_adj (proc(5)).", 0, 1000,
                    [](P& policy) -> int& { return policy.process.oom_score_adj; }),
  };
}

PolicyKey<SessionPolicy> EnvironmentSetKey() {
  return {"environment",
          "set",
          KeyType::kStringMap,
          "Variables and their values; they win over pass.",
          [](SessionPolicy* policy, const KeyValue& value) {
            for (const auto& [name, text] : std::get<StringMap>(value)) {
              policy->environment.set[name] = text;
            }
          },
          [](const SessionPolicy& policy) -> KeyValue { return policy.environment.set; },
          {},
          0,
          0,
          false,
          CheckEnvironmentName};
}

PolicyKey<SessionPolicy> NetworkListKey(const char* name, const char* description,
                                        Strings NetworkPolicy::*member,
                                        std::string (*check)(const std::string&)) {
  return Checked(StringListKey<SessionPolicy>("network", name, description,
                                              [member](SessionPolicy& policy) -> Strings& {
                                                return policy.network.*member;
                                              }),
                 check);
}

std::vector<PolicyKey<SessionPolicy>> NetworkKeys() {
  using P = SessionPolicy;
  std::vector<PolicyKey<P>> keys = {
      EnumKey<P>("network", "mode",
                 "What the session reaches: nothing, all that the host does, or what the rules "
                 "allow.",
                 {"none", "host", "allow"},
                 [](P& policy) -> NetworkMode& { return policy.network.mode; }),
      NetworkListKey("allow",
                     "Destinations: HOST[:PORTS][/udp]; a name, an address, a network or *.",
                     &NetworkPolicy::allow, CheckDestination),
      NetworkListKey("listen", "Local addresses to listen on: [HOST]:PORTS[/udp].",
                     &NetworkPolicy::listen, CheckListen),
      BoolKey<P>("network", "dns", "Whether the machine's name servers may be asked.",
                 [](P& policy) -> bool& { return policy.network.dns; }),
      NetworkListKey("unix", "Socket files outside the writable mounts that may be connected to.",
                     &NetworkPolicy::unix_sockets, CheckAbsolute),
      BoolKey<P>("network", "unix_datagrams",
                 "Whether AF_UNIX datagram sockets may be made; every sendmsg is mediated then.",
                 [](P& policy) -> bool& { return policy.network.unix_datagrams; }),
      NetworkListKey("families", "Further address families whose sockets may be made.",
                     &NetworkPolicy::families, nullptr),
  };
  keys.back().choices = AddressFamilyNames();
  return keys;
}

std::vector<PolicyKey<SessionPolicy>> TopLevelKeys() {
  using P = SessionPolicy;
  return {
      IntegerKey<P>("", "version", "The version of this format: 1.", 1, 1,
                    [](P& policy) -> int& { return policy.version; }),
      Checked(StringKey<P>("", "name", "The name of the deployment, for people.",
                           [](P& policy) -> std::string& { return policy.name; }),
              CheckNotEmpty),
      Checked(StringListKey<P>("", "extends",
                               "Built-in profiles, or files relative to this one, to start from.",
                               [](P& policy) -> Strings& { return policy.extends; }),
              CheckNotEmpty),
  };
}

std::vector<PolicyKey<SessionPolicy>> SectionKeys() {
  using P = SessionPolicy;
  return {
      SystemPathsKey("read", "Paths outside every mount that may be read and listed.",
                     &FilesystemPolicy::read),
      SystemPathsKey("exec", "Paths outside every mount that may be read, listed and executed.",
                     &FilesystemPolicy::exec),
      SystemPathsKey("devices", "Character devices that may be read and written.",
                     &FilesystemPolicy::devices),
      EnumKey<P>("filesystem", "shared_memory",
                 "What /dev/shm is: nothing, or the session's own and empty at its start.",
                 {"none", "private"},
                 [](P& policy) -> SharedMemoryRule& { return policy.filesystem.shared_memory; }),
      EnumKey<P>("filesystem", "view",
                 "What of the machine the session sees: a root of its own where that can be had, "
                 "always, or the host's.",
                 {"auto", "private", "host"},
                 [](P& policy) -> ViewRule& { return policy.filesystem.view; }),
      EnumKey<P>("filesystem", "tmp",
                 "What /tmp is in a private view: nothing, or the session's own and empty at its "
                 "start.",
                 {"none", "private"}, [](P& policy) -> TmpRule& { return policy.filesystem.tmp; }),
      BoolKey<P>("filesystem", "reserve",
                 "Keep room below /mnt, in a private view, for mounts that are given while the "
                 "session runs.",
                 [](P& policy) -> bool& { return policy.filesystem.reserve; }),
      EnumKey<P>("mediation", "scope",
                 "Which opens the broker carries out: what the policy makes necessary, all that "
                 "may write, or reads too.",
                 {"auto", "writes", "all"},
                 [](P& policy) -> MediationScope& { return policy.scope; }),
      WorkingDirectoryKey(),
      GroupsKey("allow_groups", "Syscall groups to allow although they are denied by default.",
                &ProcessPolicy::allow_groups),
      GroupsKey("deny_groups", "Syscall groups to deny; wins over allow_groups.",
                &ProcessPolicy::deny_groups),
      EnumKey<P>("process", "ipc",
                 "System V IPC: the session's own where that costs nothing, none, or the session's "
                 "own.",
                 {"auto", "none", "private"},
                 [](P& policy) -> IpcRule& { return policy.process.ipc; }),
      KeepFdsKey(),
      Checked(StringListKey<P>("environment", "pass",
                               "Variables taken from the caller; a trailing * is a prefix.",
                               [](P& policy) -> Strings& { return policy.environment.pass; }),
              CheckEnvironmentName),
      EnvironmentSetKey(),
      EnumKey<P>("audit", "level", "Which decisions are recorded.",
                 {"off", "denials", "changes", "all"},
                 [](P& policy) -> AuditLevel& { return policy.audit; }),
      IntegerKey<P>("kernel", "min_landlock_abi", "Refuse to start below this Landlock ABI.", 0, 99,
                    [](P& policy) -> int& { return policy.kernel.min_landlock_abi; }),
      BoolKey<P>("kernel", "best_effort",
                 "Start although the kernel lacks a wall, and record which.",
                 [](P& policy) -> bool& { return policy.kernel.best_effort; }),
  };
}

std::vector<PolicyKey<Mount>> MakeMountKeys() {
  std::vector<PolicyKey<Mount>> keys = {
      Checked(StringKey<Mount>("", "host", "The directory. {session} and {user} expand.",
                               [](Mount& mount) -> std::string& { return mount.host; }),
              CheckAbsolute),
      Checked(StringKey<Mount>(
                  "", "guest",
                  "Where the session sees it. Other than the host path only in a private view.",
                  [](Mount& mount) -> std::string& { return mount.guest; }),
              CheckAbsolute),
      EnumKey<Mount>(
          "", "mode", "Whether the session may write, and whether what it writes is kept apart.",
          {"ro", "rw", "overlay"}, [](Mount& mount) -> MountMode& { return mount.mode; }),
      BoolKey<Mount>("", "exec", "Whether programs in it may be executed.",
                     [](Mount& mount) -> bool& { return mount.exec; }),
      BoolKey<Mount>("", "create", "Make the directory (mode 0700) when it is missing.",
                     [](Mount& mount) -> bool& { return mount.create; }),
      Checked(StringListKey<Mount>("", "deny", "Globs that the session may not touch at all.",
                                   [](Mount& mount) -> Strings& { return mount.deny; }),
              CheckGlob),
      Checked(StringListKey<Mount>("", "read_only", "Globs that the session may only read.",
                                   [](Mount& mount) -> Strings& { return mount.read_only; }),
              CheckGlob),
      Checked(StringListKey<Mount>("", "hide", "Globs of names that are not there for the session.",
                                   [](Mount& mount) -> Strings& { return mount.hide; }),
              CheckGlob),
      EnumKey<Mount>("", "symlinks", "Follow links that stay inside, or none.", {"beneath", "none"},
                     [](Mount& mount) -> SymlinkRule& { return mount.symlinks; }),
      EnumKey<Mount>("", "hardlinks", "Whether a file with two names may be used.",
                     {"any", "single"},
                     [](Mount& mount) -> HardlinkRule& { return mount.hardlinks; }),
      BoolKey<Mount>("", "cross_device",
                     "Whether a path may cross onto another file system inside the mount.",
                     [](Mount& mount) -> bool& { return mount.cross_device; }),
  };
  keys.front().required = true;
  for (PolicyKey<Mount>& key : MountLimitKeys()) keys.push_back(std::move(key));
  return keys;
}

}  // namespace

const char* MountModeName(MountMode mode) {
  switch (mode) {
    case MountMode::kReadOnly: return "ro";
    case MountMode::kReadWrite: return "rw";
    case MountMode::kOverlay: return "overlay";
  }
  return "?";
}

std::string CheckNotEmpty(const std::string& value) { return value.empty() ? "is empty" : ""; }

std::string CheckEnvironmentName(const std::string& value) {
  if (value.empty()) return "is empty";
  return value.find('=') == std::string::npos ? "" : "has an = in its name";
}

const std::vector<PolicyKey<SessionPolicy>>& PolicyKeys() {
  static const auto* const keys = [] {
    auto* all = new std::vector<PolicyKey<SessionPolicy>>(TopLevelKeys());
    for (auto make : {SectionKeys, IdentityKeys, NetworkKeys, LimitKeys}) {
      for (PolicyKey<SessionPolicy>& key : make()) all->push_back(std::move(key));
    }
    return all;
  }();
  return *keys;
}

const std::vector<PolicyKey<Mount>>& MountKeys() {
  static const auto* const keys = new std::vector<PolicyKey<Mount>>(MakeMountKeys());
  return *keys;
}

const std::vector<std::string>& PolicySections() {
  static const auto* const sections = [] {
    auto* names = new std::vector<std::string>();
    for (const PolicyKey<SessionPolicy>& key : PolicyKeys()) {
      AppendMissing<std::string>({key.section}, names);
    }
    return names;
  }();
  return *sections;
}

}  // namespace sessionctl
