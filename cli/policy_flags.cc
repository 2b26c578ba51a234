#include "cli/policy_flags.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "policy/identity.h"
#include "policy/network_rules.h"
#include "policy/policy_parser.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string>& ScopeNames() {
  static const auto& names = *new std::vector<std::string>{"auto", "writes", "all"};
  return names;
}

const std::vector<std::string>& AuditNames() {
  static const auto& names = *new std::vector<std::string>{"off", "denials", "changes", "all"};
  return names;
}

const std::vector<std::string>& IpcNames() {
  static const auto& names = *new std::vector<std::string>{"auto", "none", "private"};
  return names;
}

const std::vector<std::string>& TmpNames() {
  static const auto& names = *new std::vector<std::string>{"none", "private"};
  return names;
}

const std::vector<std::string>& ViewNames() {
  static const auto& names = *new std::vector<std::string>{"auto", "private", "host"};
  return names;
}

// The position of `name`, which the parser has checked, in the order of the enumeration.
int IndexOf(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<int>(std::find(names.begin(), names.end(), name) - names.begin());
}

std::string MakeAbsolute(const std::string& path) {
  if (!path.empty() && path[0] == '/') return path;
  std::error_code error;
  const fs::path here = fs::current_path(error);
  return error ? path : (here / path).string();
}

std::string Normalize(const std::string& path) {
  std::string text = fs::path(path).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

Mount MakeMount(const std::string& path, const std::string& flag) {
  Mount mount;
  mount.host = MakeAbsolute(path);
  mount.alias = Normalize(mount.host);
  mount.where.source = flag;
  return mount;
}

std::vector<std::string> SplitBy(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (;;) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + 1;
  }
}

bool ApplyModeWord(const std::string& word, Mount& mount) {
  if (word == "rw") {
    mount.mode = MountMode::kReadWrite;
  } else if (word == "ro") {
    mount.mode = MountMode::kReadOnly;
  } else if (word == "overlay") {
    mount.mode = MountMode::kOverlay;
  } else if (word == "exec") {
    mount.exec = true;
  } else if (word == "noexec") {
    mount.exec = false;
  } else if (word == "create") {
    mount.create = true;
  } else {
    return false;
  }
  return true;
}

absl::Status ApplyMode(const std::string& text, const std::string& words, Mount& mount) {
  for (const std::string& word : SplitBy(words, ',')) {
    if (ApplyModeWord(word, mount)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(text, ": \"", word,
                     "\" is neither an absolute path nor one of rw, ro, overlay, "
                     "exec, noexec, create"));
  }
  return absl::OkStatus();
}

// Empty when the text is fine, as CLI11 wants it.
std::string CheckMount(const std::string& text) {
  return std::string(ParseMountFlag(text).status().message());
}

std::string CheckEnvironment(const std::string& text) {
  return text.empty() || text[0] == '=' ? "a variable needs a name" : "";
}

std::string CheckUser(const std::string& text) {
  const std::vector<std::string> parts = SplitBy(text, ':');
  const bool complete = std::none_of(parts.begin(), parts.end(),
                                     [](const std::string& part) { return part.empty(); });
  return parts.size() <= 2 && complete ? "" : text + ": USER or USER:GROUP is needed";
}

CLI::Option* AddList(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                     const std::string& type, const std::string& help) {
  // One value an occurrence: a word that follows belongs to the program.
  return app.add_option(name, values, help)
      ->type_name(type)
      ->allow_extra_args(false)
      ->group("Policy");
}

enum class PathUse { kRead, kReadAndExecute, kReadAndWrite };

// A directory becomes a mount, a file a grant of that file alone.
absl::Status AddPath(const std::string& path, const std::string& flag, PathUse use,
                     SessionPolicy& policy) {
  Mount mount = MakeMount(path, flag);
  struct stat st;
  if (stat(mount.host.c_str(), &st) != 0) {
    return absl::ErrnoToStatus(errno, flag + " " + path);
  }
  if (S_ISDIR(st.st_mode)) {
    mount.mode = use == PathUse::kReadAndWrite ? MountMode::kReadWrite : MountMode::kReadOnly;
    mount.exec = use == PathUse::kReadAndExecute;
    policy.mounts.push_back(std::move(mount));
    return absl::OkStatus();
  }
  if (use == PathUse::kReadAndWrite) {
    return absl::InvalidArgumentError(flag + " " + path +
                                      ": only a directory can be granted for writing");
  }
  (use == PathUse::kRead ? policy.filesystem.read : policy.filesystem.exec).push_back(mount.host);
  return absl::OkStatus();
}

absl::Status AddPaths(const PolicyFlags& flags, SessionPolicy& policy) {
  const std::vector<std::tuple<const std::vector<std::string>*, const char*, PathUse>> lists = {
      {&flags.read_only_paths, "--ro", PathUse::kRead},
      {&flags.executable_paths, "--rox", PathUse::kReadAndExecute},
      {&flags.writable_paths, "--rw", PathUse::kReadAndWrite}};
  for (const auto& [paths, flag, use] : lists) {
    for (const std::string& path : *paths) {
      if (absl::Status added = AddPath(path, flag, use, policy); !added.ok()) return added;
    }
  }
  return absl::OkStatus();
}

absl::Status AddMounts(const PolicyFlags& flags, SessionPolicy& policy) {
  for (const std::string& text : flags.mounts) {
    absl::StatusOr<Mount> mount = ParseMountFlag(text);
    if (!mount.ok()) return mount.status();
    policy.mounts.push_back(*std::move(mount));
  }
  if (absl::Status added = AddPaths(flags, policy); !added.ok()) return added;
  for (Mount& mount : policy.mounts) {
    mount.deny.insert(mount.deny.end(), flags.deny_globs.begin(), flags.deny_globs.end());
    mount.read_only.insert(mount.read_only.end(), flags.read_only_globs.begin(),
                           flags.read_only_globs.end());
    mount.hide.insert(mount.hide.end(), flags.hide_globs.begin(), flags.hide_globs.end());
  }
  return absl::OkStatus();
}

void AddEnvironment(const PolicyFlags& flags, SessionPolicy& policy) {
  for (const std::string& text : flags.environment) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) {
      policy.environment.pass.push_back(text);
    } else {
      policy.environment.set[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }
}

void Append(const std::vector<std::string>& from, std::vector<std::string>& to) {
  to.insert(to.end(), from.begin(), from.end());
}

void AddScalars(const PolicyFlags& flags, SessionPolicy& policy) {
  if (!flags.scope.empty()) {  // overrides upward only
    const auto scope = static_cast<MediationScope>(IndexOf(ScopeNames(), flags.scope));
    policy.scope = std::max(policy.scope, scope);
  }
  if (!flags.audit.empty()) {
    policy.audit = static_cast<AuditLevel>(IndexOf(AuditNames(), flags.audit));
  }
  if (!flags.view.empty()) {
    policy.filesystem.view = static_cast<ViewRule>(IndexOf(ViewNames(), flags.view));
  }
  if (!flags.tmp.empty()) {
    policy.filesystem.tmp = static_cast<TmpRule>(IndexOf(TmpNames(), flags.tmp));
  }
  policy.filesystem.reserve = policy.filesystem.reserve || flags.reserve;
  if (!flags.ipc.empty()) {
    policy.process.ipc = static_cast<IpcRule>(IndexOf(IpcNames(), flags.ipc));
  }
  if (!flags.working_directory.empty()) {
    policy.process.working_directory = MakeAbsolute(flags.working_directory);
  }
  if (!flags.user.empty()) {
    const std::vector<std::string> parts = SplitBy(flags.user, ':');
    policy.process.user = parts[0];
    policy.process.group = parts.size() > 1 ? parts[1] : "";
  }
  policy.kernel.best_effort = policy.kernel.best_effort || flags.best_effort;
  policy.kernel.min_landlock_abi =
      std::max(policy.kernel.min_landlock_abi, flags.min_landlock_abi.value_or(0));
}

// A rule means mode "allow"; with --net host it means nothing, which the compiler says.
void AddNetwork(const PolicyFlags& flags, SessionPolicy& policy) {
  NetworkPolicy& network = policy.network;
  Append(flags.destinations, network.allow);
  Append(flags.listen_addresses, network.listen);
  for (const std::string& path : flags.unix_sockets) {
    network.unix_sockets.push_back(MakeAbsolute(path));
  }
  network.dns = network.dns || flags.dns;
  network.unix_datagrams = network.unix_datagrams || flags.unix_datagrams;
  if (!flags.network.empty()) {
    network.mode = flags.network == "host" ? NetworkMode::kHost : NetworkMode::kNone;
  } else if (network.mode == NetworkMode::kNone &&
             (flags.dns || !flags.destinations.empty() || !flags.listen_addresses.empty())) {
    network.mode = NetworkMode::kAllow;
  }
}

// Profiles in order, then the file. Where nobody names a profile, `default` lies beneath: any
// installed program starts with nothing but a mount.
absl::StatusOr<SessionPolicy> LoadBase(const PolicyFlags& flags) {
  SessionPolicy file;
  if (!flags.policy_file.empty()) {
    absl::StatusOr<SessionPolicy> loaded = LoadPolicyFile(flags.policy_file);
    if (!loaded.ok()) return loaded;
    file = *std::move(loaded);
  }
  std::vector<std::string> profiles = flags.profiles;
  if (profiles.empty() && file.extends.empty()) profiles.emplace_back("default");
  SessionPolicy base;
  for (size_t i = 0; i < profiles.size(); ++i) {
    absl::StatusOr<SessionPolicy> profile = LoadProfile(profiles[i]);
    if (!profile.ok()) return profile;
    base = i == 0 ? *std::move(profile) : MergePolicies(base, *profile);
  }
  if (flags.policy_file.empty()) return base;
  return profiles.empty() ? file : MergePolicies(base, file);
}

void AddGrantFlags(CLI::App& app, PolicyFlags& flags) {
  AddList(app, "--mount", flags.mounts, "SRC[:DST][:MODE]",
          "Grant a directory; MODE is rw (default), ro or overlay, with ,noexec or ,create")
      ->check(CLI::Validator(CheckMount, ""));
  AddList(app, "--ro", flags.read_only_paths, "PATH", "Grant a directory or file for reading");
  AddList(app, "--rox", flags.executable_paths, "PATH",
          "Grant a directory or file for reading and executing");
  AddList(app, "--rw", flags.writable_paths, "PATH",
          "Grant a directory for writing, not executing");
  AddList(app, "--deny", flags.deny_globs, "GLOB",
          "Deny matching paths in every mount; ** spans directories");
  AddList(app, "--read-only", flags.read_only_globs, "GLOB",
          "Make matching paths read-only in every mount");
  AddList(app, "--hide", flags.hide_globs, "GLOB",
          "Make matching names absent in every mount: not found, not listed");
  AddList(app, "--device", flags.devices, "PATH", "Grant a device node");
}

void AddProcessFlags(CLI::App& app, PolicyFlags& flags) {
  AddList(app, "-e,--env", flags.environment, "K[=V]",
          "Set a variable, or pass the caller's; the environment is clean otherwise")
      ->check(CLI::Validator(CheckEnvironment, ""));
  app.add_option("--workdir", flags.working_directory, "The working directory")
      ->type_name("PATH")
      ->group("Policy");
  app.add_option("--keep-fd", flags.keep_fds, "Let the session inherit descriptor N")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber)
      ->allow_extra_args(false)
      ->group("Policy");
  app.add_option("--user", flags.user, "Run the session as another user (root only)")
      ->type_name("USER[:GROUP]")
      ->check(CLI::Validator(CheckUser, ""))
      ->group("Policy");
  AddList(app, "--capability", flags.capabilities, "NAME",
          "Keep a capability: chown, setuid, ... (none otherwise)")
      ->check(CLI::Validator(
          [](const std::string& name) {
            const std::string wrong = CheckCapability(name);
            return wrong.empty() ? wrong : name + ": " + wrong;
          },
          ""));
  AddList(app, "--allow-group", flags.allow_groups, "NAME", "Allow a group of system calls");
  AddList(app, "--deny-group", flags.deny_groups, "NAME", "Deny a group of system calls");
  app.add_option("--view", flags.view,
                 "What the session sees: auto, private (a root of its own), or host")
      ->check(CLI::IsMember(ViewNames()))
      ->group("Policy");
  app.add_option("--tmp", flags.tmp,
                 "/tmp in a private view: private (the session's own, in memory), or none")
      ->check(CLI::IsMember(TmpNames()))
      ->group("Policy");
  app.add_flag("--reserve", flags.reserve,
               "Keep room below /mnt for mounts that are given while the session runs")
      ->group("Policy");
  app.add_option("--ipc", flags.ipc, "System V IPC: auto, none, or private (the session's own)")
      ->check(CLI::IsMember(IpcNames()))
      ->group("Policy");
}

// CLI11 wants "" when the text is fine.
template <typename Parse>
CLI::Validator RuleValidator(Parse parse) {
  return CLI::Validator(
      [parse](const std::string& text) {
        const std::string wrong(parse(text).status().message());
        return wrong.empty() ? wrong : text + ": " + wrong;
      },
      "");
}

void AddNetworkFlags(CLI::App& app, PolicyFlags& flags) {
  app.add_option("--net", flags.network, "What the session reaches: none (default), or host")
      ->type_name("none|host")
      ->check(CLI::IsMember({"none", "host"}))
      ->group("Policy");
  AddList(app, "--allow-net", flags.destinations, "HOST[:PORT]",
          "Let it connect there: a name, an address, a network or *; TCP, or UDP with /udp")
      ->check(RuleValidator(ParseDestinationRule));
  AddList(app, "--listen", flags.listen_addresses, "[HOST]:PORT",
          "Let it listen there; port 0 is one that the kernel chooses")
      ->check(RuleValidator(ParseListenRule));
  app.add_flag("--dns", flags.dns, "Let it ask the machine's name servers")->group("Policy");
  AddList(app, "--unix", flags.unix_sockets, "PATH",
          "Let it connect to a UNIX socket outside its writable mounts");
  app.add_flag("--unix-datagrams", flags.unix_datagrams,
               "Let it make AF_UNIX datagram sockets; every sendmsg is mediated then")
      ->group("Policy");
}

}  // namespace

absl::StatusOr<Mount> ParseMountFlag(const std::string& text) {
  const std::vector<std::string> parts = SplitBy(text, ':');
  if (parts[0].empty()) return absl::InvalidArgumentError("a directory is needed");
  if (parts.size() > 3) {
    return absl::InvalidArgumentError("--mount " + text +
                                      ": too many colons; a path with a colon needs a policy file");
  }
  Mount mount = MakeMount(parts[0], "--mount");
  const bool has_destination = parts.size() == 3 || (parts.size() == 2 && parts[1][0] == '/');
  if (has_destination && (parts[1].empty() || parts[1][0] != '/')) {
    return absl::InvalidArgumentError(text + ": the destination must be absolute");
  }
  mount.guest = has_destination ? Normalize(parts[1]) : "";
  if (parts.size() == (has_destination ? 3U : 2U)) {
    if (absl::Status mode = ApplyMode(text, parts.back(), mount); !mode.ok()) return mode;
  }
  return mount;
}

void AddPolicyFlags(CLI::App& app, PolicyFlags& flags) {
  app.add_option("--policy", flags.policy_file, "Read a policy file (TOML)")
      ->type_name("FILE")
      ->group("Policy");
  AddList(app, "-p,--profile", flags.profiles, "NAME",
          "Start from a built-in profile: minimal, default, shell, python, node, git");
  AddGrantFlags(app, flags);
  AddProcessFlags(app, flags);
  AddNetworkFlags(app, flags);
  AddLimitFlags(app, flags);
  app.add_option("--scope", flags.scope,
                 "What is mediated at least: auto (by the policy), writes, or all path calls")
      ->check(CLI::IsMember(ScopeNames()))
      ->group("Policy");
  app.add_option("--audit", flags.audit, "What is written to the audit")
      ->check(CLI::IsMember(AuditNames()))
      ->group("Policy");
  app.add_flag("--best-effort", flags.best_effort,
               "Go on where this kernel lacks a wall; what is missing is recorded")
      ->group("Policy");
  app.add_option("--min-landlock-abi", flags.min_landlock_abi, "Refuse a kernel below this ABI")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber)
      ->group("Policy");
}

absl::StatusOr<SessionPolicy> BuildPolicy(const PolicyFlags& flags) {
  absl::StatusOr<SessionPolicy> base = LoadBase(flags);
  if (!base.ok()) return base;
  SessionPolicy policy = *std::move(base);
  if (absl::Status added = AddMounts(flags, policy); !added.ok()) return added;
  for (const std::string& device : flags.devices) {
    policy.filesystem.devices.push_back(MakeAbsolute(device));
  }
  AddEnvironment(flags, policy);
  Append(flags.allow_groups, policy.process.allow_groups);
  Append(flags.deny_groups, policy.process.deny_groups);
  Append(flags.capabilities, policy.process.capabilities);
  policy.process.keep_fds.insert(policy.process.keep_fds.end(), flags.keep_fds.begin(),
                                 flags.keep_fds.end());
  AddNetwork(flags, policy);
  AddScalars(flags, policy);
  ApplyLimitFlags(flags, policy);
  return policy;
}

}  // namespace sessionctl
