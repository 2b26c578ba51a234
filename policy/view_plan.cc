#include "policy/view_plan.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/grant_resolver.h"
#include "policy/path_text.h"
#include "policy/walked_directories.h"
#include "policy/wall_plans.h"
#include "sandbox/namespaces.h"

namespace sessionctl {
namespace {

constexpr char kTemporaryPath[] = "/tmp";
constexpr char kMultiplexer[] = "/dev/ptmx";
constexpr char kOwnMultiplexer[] = "/dev/pts/ptmx";
// Where ttyname(3) finds a terminal that is none of the session's own devpts.
constexpr char kConsole[] = "/dev/console";

absl::Status InvalidGuest(const Mount& mount, const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat(LocationText(mount.where), ": mount.guest: ", mount.guest, ": ", what));
}

bool HasGuestOfItsOwn(const Mount& mount) {
  return !mount.guest.empty() && mount.guest != mount.host && mount.guest != mount.alias;
}

absl::Status CheckGuest(const Mount& mount) {
  if (mount.guest == "/") return InvalidGuest(mount, "the root directory cannot be a mount");
  for (const char* kernels : {"/proc", "/dev", "/sys"}) {
    if (IsAtOrBelow(mount.guest, kernels)) {
      return InvalidGuest(mount, absl::StrCat("nothing can be mounted in ", kernels));
    }
  }
  return absl::OkStatus();
}

// The place itself is for what is mounted below it.
absl::Status CheckReserved(const CompiledPolicy& compiled) {
  if (!compiled.policy.filesystem.reserve) return absl::OkStatus();
  for (const CompiledMount& each : compiled.mounts) {
    if (each.mount.guest != kReservedPath) continue;
    return InvalidGuest(each.mount, "filesystem.reserve keeps that directory for mounts below it");
  }
  for (const SystemGrant& grant : compiled.system) {
    if (!IsAtOrBelow(grant.path, kReservedPath)) continue;
    return absl::InvalidArgumentError(absl::StrCat("policy: filesystem.reserve: ", kReservedPath,
                                                   " would hide ", grant.path,
                                                   ", which the policy grants"));
  }
  return absl::OkStatus();
}

absl::Status CheckOverlay(const Mount& mount) {
  const auto invalid = [&mount](const char* key, const char* what) {
    return absl::InvalidArgumentError(
        absl::StrCat(LocationText(mount.where), ": mount.", key, ": ", mount.host, ": ", what));
  };
  if (mount.mode == MountMode::kOverlay) {
    const bool quota = mount.max_bytes != kUnlimited || mount.max_files != kUnlimited;
    return quota ? invalid("mode",
                           "an overlay has overlay_size and overlay_inodes, not max_bytes "
                           "and max_files")
                 : absl::OkStatus();
  }
  constexpr char kNone[] = "only for mode = \"overlay\"";
  if (mount.on_exit != OnExit::kKeep) return invalid("on_exit", kNone);
  if (mount.overlay_size != kUnlimited) return invalid("overlay_size", kNone);
  if (mount.overlay_inodes != kUnlimited) return invalid("overlay_inodes", kNone);
  return absl::OkStatus();
}

bool IsOverlay(const Mount& mount) { return mount.mode == MountMode::kOverlay; }

// The kernel copies no file whose owner or group the user namespace does not know (fs/attr.c,
// notify_change: EOVERFLOW).
void WarnOfOtherOwners(const Mount& mount, CompiledPolicy* compiled) {
  struct stat info;
  const SessionIdentity& identity = compiled->identity;
  if (stat(mount.host.c_str(), &info) != 0) return;
  if (info.st_uid == identity.uid && info.st_gid == identity.gid) return;
  compiled->warnings.push_back(
      absl::StrCat("mount ", mount.host,
                   " is an overlay over a directory of another user or group: "
                   "what is not the user's own cannot be changed there (EOVERFLOW)"));
}

// Why the policy needs a view of the session's own; "": it does not.
std::string ReasonForPrivateView(const SessionPolicy& policy) {
  const std::vector<Mount>& mounts = policy.mounts;
  const auto moved = std::find_if(mounts.begin(), mounts.end(), HasGuestOfItsOwn);
  if (moved != mounts.end()) {
    return absl::StrCat("mount ", moved->host, " is seen at ", moved->guest);
  }
  const auto overlay = std::find_if(mounts.begin(), mounts.end(), IsOverlay);
  if (overlay != mounts.end()) return absl::StrCat("mount ", overlay->host, " is an overlay");
  return policy.filesystem.reserve ? "mounts may be given later (filesystem.reserve)" : "";
}

absl::Status ChooseView(CompiledPolicy* compiled) {
  const std::vector<Mount>& mounts = compiled->policy.mounts;
  const auto moved = std::find_if(mounts.begin(), mounts.end(), HasGuestOfItsOwn);
  const auto overlay = std::find_if(mounts.begin(), mounts.end(), IsOverlay);
  ViewPlan& view = compiled->view;
  switch (compiled->policy.filesystem.view) {
    case ViewRule::kHost:
      if (moved != mounts.end()) {
        return InvalidGuest(*moved, "not the host's path, but filesystem.view is \"host\"");
      }
      if (overlay != mounts.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat(LocationText(overlay->where), ": mount.mode: ", overlay->host,
                         ": an overlay is mounted in a view of the session's own, but "
                         "filesystem.view is \"host\""));
      }
      if (compiled->policy.filesystem.reserve) {
        return absl::InvalidArgumentError(
            "policy: filesystem.reserve: mounts are given later in a view of the session's own "
            "only, but filesystem.view is \"host\"");
      }
      view.reason = "filesystem.view is \"host\"";
      return absl::OkStatus();
    case ViewRule::kPrivate:
      view.is_private = true;
      view.reason = "filesystem.view is \"private\"";
      return absl::OkStatus();
    case ViewRule::kAuto: break;
  }
  const std::string needed = ReasonForPrivateView(compiled->policy);
  if (needed.empty()) return absl::OkStatus();
  view.is_private = true;
  view.reason = needed;
  return absl::OkStatus();
}

void CollectLinks(const std::string& path, std::vector<WalkedLink>* links) {
  for (WalkedLink& link : WalkedLinks(path)) links->push_back(std::move(link));
}

bool IsGranted(const CompiledPolicy& compiled, const std::string& path) {
  return std::any_of(compiled.system.begin(), compiled.system.end(),
                     [&path](const SystemGrant& grant) { return IsAtOrBelow(path, grant.path); });
}

// Is it seen in the view through something that is there anyway?
bool IsInGrant(const CompiledPolicy& compiled, const std::string& path) {
  return IsGranted(compiled, path) ||
         std::any_of(compiled.mounts.begin(), compiled.mounts.end(),
                     [&path](const CompiledMount& each) {
                       return !each.is_private_tmp && IsAtOrBelow(path, each.mount.host);
                     });
}

// "/bin" and its kind: what is granted is looked for there, whoever wrote the policy.
void CollectLinksOfRoot(CompiledPolicy* compiled) {
  const std::unique_ptr<DIR, int (*)(DIR*)> root(opendir("/"), closedir);
  if (root == nullptr) return;
  while (const dirent* entry = readdir(root.get())) {
    if (entry->d_type != DT_LNK) continue;
    const std::string path = absl::StrCat("/", entry->d_name);
    char real[PATH_MAX];
    if (realpath(path.c_str(), real) == nullptr || !IsGranted(*compiled, real)) continue;
    CollectLinks(path, &compiled->view.links);
  }
}

// Where a socket file of the host's is mounted in it, that is not refused as another file system.
CompiledMount TemporaryMount(const std::vector<std::string>& sockets) {
  CompiledMount compiled;
  compiled.mount.cross_device =
      std::any_of(sockets.begin(), sockets.end(),
                  [](const std::string& path) { return IsAtOrBelow(path, kTemporaryPath); });
  compiled.mount.host = compiled.mount.guest = compiled.mount.alias = kTemporaryPath;
  compiled.is_private_tmp = true;
  return compiled;
}

void AddSystemTrees(const CompiledPolicy& compiled, std::vector<ViewEntry>* entries) {
  std::vector<SystemGrant> grants = compiled.system;
  std::sort(grants.begin(), grants.end(),
            [](const SystemGrant& a, const SystemGrant& b) { return a.path < b.path; });
  std::string around = "//";
  for (const SystemGrant& grant : grants) {
    if (grant.path == kMultiplexer || IsAtOrBelow(grant.path, "/dev/pts")) continue;
    if (grant.device) {
      entries->push_back({.kind = ViewEntry::Kind::kTree,
                          .path = grant.path,
                          .source = grant.path,
                          .devices = true});
      continue;
    }
    if (IsAtOrBelow(grant.path, "/proc") || IsAtOrBelow(grant.path, around)) continue;
    around = grant.path;
    // Whether it may be executed is Landlock's to say: a tree that may not can hold one that may.
    entries->push_back({.kind = ViewEntry::Kind::kTree,
                        .path = grant.path,
                        .source = grant.path,
                        .read_only = true,
                        .executable = true});
  }
}

void AddMounts(const CompiledPolicy& compiled, std::vector<ViewEntry>* entries) {
  for (const CompiledMount& each : compiled.mounts) {
    const Mount& mount = each.mount;
    if (each.is_private_tmp) {
      entries->push_back(
          {.kind = ViewEntry::Kind::kMemory, .path = kTemporaryPath, .executable = true});
      continue;
    }
    ViewEntry entry = PlanMountEntry(mount);
    if (each.is_shared_memory) entry.path = kSharedMemoryPath;
    entry.overlay = each.overlay;
    entries->push_back(std::move(entry));
  }
}

// Where a path of the host's is seen.
std::string GuestPathOf(const CompiledPolicy& compiled, const std::string& path) {
  const Mount* nearest = nullptr;
  for (const CompiledMount& each : compiled.mounts) {
    const bool holds = !each.is_private_tmp && IsAtOrBelow(path, each.mount.host);
    if (!holds || (nearest != nullptr && nearest->host.size() >= each.mount.host.size())) continue;
    nearest = &each.mount;
  }
  return nearest == nullptr ? path : nearest->guest + path.substr(nearest->host.size());
}

// The socket files that may be connected to, each as it is now: one that its server makes anew is
// another file.
void AddSockets(const CompiledPolicy& compiled, std::vector<ViewEntry>* entries) {
  for (const std::string& path : compiled.network.unix_sockets) {
    struct stat info;
    if (IsInGrant(compiled, path) || lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) {
      continue;
    }
    entries->push_back(
        {.kind = ViewEntry::Kind::kTree, .path = path, .source = path, .read_only = true});
  }
}

}  // namespace

// One directory of the host's seen at two places would be two islands with one content.
absl::Status CheckGuestPair(const Mount& one, const Mount& other) {
  if (one.guest == other.guest) {
    return InvalidGuest(
        other, absl::StrCat("another mount is there already (", LocationText(one.where), ")"));
  }
  const bool one_is_outer = IsAtOrBelow(other.host, one.host);
  if (!one_is_outer && !IsAtOrBelow(one.host, other.host)) return absl::OkStatus();
  const Mount& outer = one_is_outer ? one : other;
  const Mount& inner = one_is_outer ? other : one;
  if (inner.guest == outer.guest + inner.host.substr(outer.host.size())) return absl::OkStatus();
  return InvalidGuest(inner, absl::StrCat("its directory ", inner.host, " lies in that of mount ",
                                          outer.guest, ", and would be seen twice"));
}

absl::Status DecideView(const KernelFeatures& features, CompiledPolicy* compiled) {
  std::vector<Mount>& mounts = compiled->policy.mounts;
  for (const Mount& mount : mounts) {
    if (absl::Status checked = CheckOverlay(mount); !checked.ok()) return checked;
  }
  if (absl::Status chosen = ChooseView(compiled); !chosen.ok()) return chosen;
  const bool is_private = compiled->view.is_private;
  for (Mount& mount : mounts) {
    if (!is_private) {
      mount.guest = mount.host;
      continue;
    }
    if (mount.guest.empty()) mount.guest = mount.alias;
    if (absl::Status checked = CheckGuest(mount); !checked.ok()) return checked;
  }
  if (!is_private) return absl::OkStatus();
  // An overlay's mount shows its own root, whatever lies below it.
  const auto moved = [](const Mount& mount) {
    return mount.guest != mount.host && !IsOverlay(mount);
  };
  compiled->view.moves_mounts =
      compiled->policy.filesystem.reserve || std::any_of(mounts.begin(), mounts.end(), moved);
  for (size_t i = 0; i < mounts.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (absl::Status checked = CheckGuestPair(mounts[j], mounts[i]); !checked.ok())
        return checked;
    }
  }
  compiled->view.as_user = !features.ipc_namespaces;
  if (!compiled->view.as_user) return absl::OkStatus();
  for (const Mount& mount : mounts) {
    if (IsOverlay(mount)) WarnOfOtherOwners(mount, compiled);
  }
  if (features.user_namespace_obstacle.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "policy: a view of the session's own is needed (", compiled->view.reason,
      "), and for an ordinary user a user namespace with it, which this machine forbids: ",
      features.user_namespace_obstacle));
}

bool LeavesViewOpen(const SessionPolicy& policy) {
  return policy.filesystem.view == ViewRule::kAuto && ReasonForPrivateView(policy).empty();
}

absl::Status CompleteView(CompiledPolicy* compiled) {
  if (!compiled->view.is_private) return absl::OkStatus();
  for (const CompiledMount& each : compiled->mounts) {
    for (const SystemGrant& grant : compiled->system) {
      if (!IsAtOrBelow(grant.path, each.mount.guest)) continue;
      return InvalidGuest(each.mount,
                          absl::StrCat("would hide ", grant.path, ", which the policy grants"));
    }
  }
  if (absl::Status checked = CheckReserved(*compiled); !checked.ok()) return checked;
  for (const std::string& path : compiled->view.spelled) {
    CollectLinks(path, &compiled->view.links);
  }
  CollectLinksOfRoot(compiled);
  for (const std::string& path : compiled->policy.network.unix_sockets) {
    CollectLinks(path, &compiled->view.links);
    struct stat info;
    if (stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) continue;
    compiled->warnings.push_back(absl::StrCat(
        "network.unix ", path, " is no socket now: it will not be in the session's private view"));
  }
  // What is granted below it makes it the skeleton of those grants.
  const bool granted =
      std::any_of(compiled->system.begin(), compiled->system.end(),
                  [](const SystemGrant& grant) { return IsAtOrBelow(grant.path, kTemporaryPath); });
  const bool taken = granted || std::any_of(compiled->mounts.begin(), compiled->mounts.end(),
                                            [](const CompiledMount& each) {
                                              return each.mount.guest == kTemporaryPath;
                                            });
  if (taken || compiled->policy.filesystem.tmp == TmpRule::kNone) return absl::OkStatus();
  compiled->mounts.push_back(TemporaryMount(compiled->policy.network.unix_sockets));
  return absl::OkStatus();
}

std::string HostPathOf(const CompiledPolicy& compiled, const std::string& path) {
  if (!compiled.view.is_private) return path;
  const std::string normal = NormalizeLexically(path);
  for (const CompiledMount& each : compiled.mounts) {  // longest guest path first
    if (!IsAtOrBelow(normal, each.mount.guest)) continue;
    return each.mount.host + normal.substr(each.mount.guest.size());
  }
  if (normal == "/" || IsGranted(compiled, normal)) return normal;
  return "";
}

ViewEntry PlanMountEntry(const Mount& mount) {
  const bool overlay = mount.mode == MountMode::kOverlay;
  return {.kind = overlay ? ViewEntry::Kind::kOverlay : ViewEntry::Kind::kTree,
          .path = mount.guest,
          .source = mount.host,
          .read_only = !mount.is_writable(),
          .executable = mount.exec,
          .follows_links = mount.symlinks != SymlinkRule::kNone};
}

std::vector<ViewEntry> PlanViewEntries(const CompiledPolicy& compiled) {
  using Kind = ViewEntry::Kind;
  std::vector<ViewEntry> entries;
  AddSystemTrees(compiled, &entries);
  AddMounts(compiled, &entries);
  if (compiled.policy.filesystem.reserve) {
    entries.push_back({.kind = Kind::kReserved, .path = kReservedPath, .read_only = true});
  }
  AddSockets(compiled, &entries);
  entries.push_back({.kind = Kind::kProcesses, .path = "/proc"});
  entries.push_back({.kind = Kind::kTerminals, .path = "/dev/pts", .devices = true});
  entries.push_back({.kind = Kind::kLink, .path = kMultiplexer, .source = "pts/ptmx"});
  if (!compiled.view.terminal.empty() && !IsGranted(compiled, kConsole)) {
    entries.push_back(
        {.kind = Kind::kTree, .path = kConsole, .source = compiled.view.terminal, .devices = true});
  }
  // Programs look here as well (getmntent(3)).
  entries.push_back({.kind = Kind::kLink, .path = "/etc/mtab", .source = "../proc/self/mounts"});
  entries.push_back({.kind = Kind::kLink, .path = "/dev/fd", .source = "/proc/self/fd"});
  entries.push_back({.kind = Kind::kLink, .path = "/dev/stdin", .source = "/proc/self/fd/0"});
  entries.push_back({.kind = Kind::kLink, .path = "/dev/stdout", .source = "/proc/self/fd/1"});
  entries.push_back({.kind = Kind::kLink, .path = "/dev/stderr", .source = "/proc/self/fd/2"});
  for (const WalkedLink& link : compiled.view.links) {
    entries.push_back({.kind = Kind::kLink, .path = link.path, .source = link.text});
  }
  return entries;
}

void SeeFromInside(CompiledPolicy* compiled) {
  // By the mounts as they lie on the host.
  for (std::string& socket : compiled->network.unix_sockets) {
    socket = GuestPathOf(*compiled, socket);
  }
  std::map<std::string, std::string> names = {{kMultiplexer, kOwnMultiplexer}};
  if (!compiled->view.terminal.empty()) names[compiled->view.terminal] = kConsole;
  for (CompiledMount& each : compiled->mounts) {
    Mount& mount = each.mount;
    if (each.is_shared_memory) mount.guest = kSharedMemoryPath;
    names[mount.host] = mount.guest;
    mount.host = mount.alias = mount.guest;
  }
  for (Mount& mount : compiled->policy.mounts) mount.host = mount.alias = mount.guest;
  const auto rename = [&names](std::string& path) {
    if (const auto name = names.find(path); name != names.end()) path = name->second;
  };
  for (LandlockPlan* plan : {&compiled->broker_domain, &compiled->session_domain}) {
    for (LandlockGrant& grant : plan->grants) {
      if (grant.reason != kReservedReason) rename(grant.path);
    }
  }
  for (SystemGrant& grant : compiled->system) {
    if (grant.device) rename(grant.path);
  }
}

}  // namespace sessionctl
