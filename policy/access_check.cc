#include "policy/access_check.h"

#include <linux/capability.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/path_text.h"

namespace sessionctl {
namespace {

std::string Absolute(const CompiledMount& mount, std::string_view path) {
  std::string absolute = mount.mount.guest;
  if (!path.empty()) absolute.append("/").append(path);
  return absolute;
}

bool ChangesNames(Operation operation) {
  return operation == Operation::kRemove || operation == Operation::kRenameFrom ||
         operation == Operation::kRenameTo;
}

// Whether the operation uses the object itself (not only one of its names).
bool UsesObject(Operation operation) {
  return operation == Operation::kRead || operation == Operation::kWrite ||
         operation == Operation::kMetadata || operation == Operation::kLinkFrom;
}

// A directory of a private view that was made for what is granted below it.
bool IsOnTheWay(const CompiledPolicy& policy, std::string_view path) {
  if (!policy.view.is_private) return false;
  const auto leads_to = [path](const std::string& granted) { return IsAtOrBelow(granted, path); };
  for (const CompiledMount& each : policy.mounts) {
    if (leads_to(each.mount.guest)) return true;
  }
  for (const SystemGrant& grant : policy.system) {
    if (leads_to(grant.path)) return true;
  }
  return false;
}

Verdict CheckSystemGrant(const CompiledPolicy& policy, const AccessRequest& request) {
  if (!request.is_copy && TellsHostPaths(policy, request.path)) {
    return {EACCES, "filesystem.view: it tells the host's paths of the mounts"};
  }
  for (const SystemGrant& grant : policy.system) {
    if (!IsAtOrBelow(request.path, grant.path)) continue;
    if (grant.device) {
      const bool allowed =
          request.operation == Operation::kRead || request.operation == Operation::kWrite;
      return {allowed ? 0 : EACCES, absl::StrCat("filesystem.devices ", grant.path)};
    }
    return {request.operation == Operation::kRead ? 0 : EROFS,
            absl::StrCat(grant.exec ? "filesystem.exec " : "filesystem.read ", grant.path)};
  }
  if (request.operation == Operation::kRead && IsOnTheWay(policy, request.path)) {
    return {0, "filesystem.view"};
  }
  return {EACCES, "no grant"};
}

// A socket file that the policy names, wherever it is.
Verdict CheckNamedSocket(const CompiledPolicy& policy, const std::string& path) {
  for (const std::string& socket : policy.network.unix_sockets) {
    if (path == socket) return {0, absl::StrCat("network.unix ", socket)};
  }
  return {EACCES, "no rule of network.unix, and no mount with mode=rw"};
}

Verdict CheckReadOnly(const AccessRequest& request) {
  if (request.operation == Operation::kRead) return {};
  const CompiledMount& mount = *request.mount;
  if (!mount.mount.is_writable()) {
    return {EROFS, absl::StrCat("mount ", mount.mount.guest, " mode=ro")};
  }
  const std::string* rule = mount.read_only.Match(request.path);
  if (rule != nullptr) return {EROFS, absl::StrCat("read_only ", *rule)};
  return {};
}

bool MakesName(Operation operation) {
  return operation == Operation::kCreate || operation == Operation::kCreateLink ||
         operation == Operation::kRenameTo;
}

// A hidden name is not there, so what needs it to be there finds nothing. To make one is refused,
// whether something stands there or not: the answer depends on the policy alone.
Verdict CheckHide(const AccessRequest& request) {
  const GlobSet& hide = request.mount->hide;
  if (hide.empty()) return {};
  const Operation operation = request.operation;
  if (const std::string* rule = hide.Match(request.path); rule != nullptr) {
    const size_t slash = request.path.rfind('/');
    const bool below =
        slash != std::string_view::npos && hide.Match(request.path.substr(0, slash)) != nullptr;
    if (below || !MakesName(operation)) return {ENOENT, absl::StrCat("hide ", *rule)};
    Verdict read_only = CheckReadOnly(request);
    return read_only.allowed() ? Verdict{EACCES, absl::StrCat("hide ", *rule)} : read_only;
  }
  const bool two_ends = ChangesNames(operation) || operation == Operation::kLinkFrom;
  if (!two_ends || request.other_path.empty()) return {};
  const std::string* rule = hide.Match(request.other_path);
  if (rule == nullptr) return {};
  if (operation == Operation::kRenameTo) return {ENOENT, absl::StrCat("hide ", *rule)};
  Verdict read_only = CheckReadOnly(request);
  return read_only.allowed() ? Verdict{EACCES, absl::StrCat("hide ", *rule)} : read_only;
}

Verdict CheckDeny(const AccessRequest& request) {
  const GlobSet& deny = request.mount->deny;
  const std::string* rule = deny.Match(request.path);
  const bool two_ends =
      ChangesNames(request.operation) || request.operation == Operation::kLinkFrom;
  if (rule == nullptr && two_ends && !request.other_path.empty()) {
    rule = deny.Match(request.other_path);
  }
  if (rule == nullptr) return {};
  return {EACCES, absl::StrCat("deny ", *rule)};
}

// Another mount of the session is an island of its own: nothing reaches into it through the mount
// around it, and no name above it moves, or what it guards would show up at a place where other
// rules hold.
Verdict CheckNestedMounts(const CompiledPolicy& policy, const AccessRequest& request) {
  if (policy.mounts.size() < 2) return {};
  const std::string path = Absolute(*request.mount, request.path);
  for (const CompiledMount& other : policy.mounts) {
    if (other.mount.guest.size() <= request.mount->mount.guest.size()) continue;
    if (IsAtOrBelow(path, other.mount.guest)) {
      return {EACCES, absl::StrCat("belongs to mount ", other.mount.guest)};
    }
    if (ChangesNames(request.operation) && IsAtOrBelow(other.mount.guest, path)) {
      return {EBUSY, absl::StrCat("mount ", other.mount.guest, " lies below")};
    }
  }
  return {};
}

// A device in a mount is never opened. Who may make one may also change and link it.
bool MayUseDevice(const CompiledPolicy& policy, Operation operation) {
  if (!UsesObject(operation) && operation != Operation::kCreate) return true;
  const bool opens = operation == Operation::kRead || operation == Operation::kWrite;
  return !opens && (policy.identity.kept & CapabilityBit(CAP_MKNOD)) != 0;
}

Verdict CheckObject(const CompiledPolicy& policy, const AccessRequest& request) {
  const Operation operation = request.operation;
  if (request.is_device && !MayUseDevice(policy, operation)) {
    return {EACCES, "a device inside a mount"};
  }
  if (request.mount->mount.hardlinks == HardlinkRule::kAny) return {};
  if (operation == Operation::kLinkFrom) return {EPERM, "hardlinks = \"single\""};
  if (UsesObject(operation) && request.is_regular && request.link_count > 1) {
    return {EACCES, "hardlinks = \"single\""};
  }
  return {};
}

// A directory takes what is below it along: no rule may lose its hold on that (trap 39), and none
// may gain it, or content made under another name would stand where the session may make none. A
// regular file has nothing below it, and its own two names are checked as such.
Verdict CheckMoveChangesCover(const AccessRequest& request) {
  if (request.operation != Operation::kRenameFrom || request.is_regular) return {};
  const std::string* rule = nullptr;
  const auto changes = [&](const GlobSet& globs) {
    return !globs.StillCoveredAfterRename(request.path, request.other_path, &rule) ||
           !globs.StillCoveredAfterRename(request.other_path, request.path, &rule);
  };
  if (changes(request.mount->hide)) return {EACCES, absl::StrCat("hide ", *rule, " below it")};
  if (changes(request.mount->deny)) return {EACCES, absl::StrCat("deny ", *rule, " below it")};
  if (changes(request.mount->read_only)) {
    return {EROFS, absl::StrCat("read_only ", *rule, " below it")};
  }
  return {};
}

// A symbolic link at a name through which an anchored pattern passes: what the host then reaches by
// that name is somewhere else, where the pattern does not hold. A name that no pattern knows is
// what it is compared with.
Verdict CheckLinkOnTheWay(const AccessRequest& request) {
  if (request.operation != Operation::kCreateLink) return {};
  const size_t slash = request.path.rfind('/');
  const size_t stem = slash == std::string_view::npos ? 0 : slash + 1;
  const std::string unknown = absl::StrCat(std::string(request.path.substr(0, stem)), "\x01");
  const std::string* rule = nullptr;
  if (!request.mount->hide.StillCoveredAfterRename(request.path, unknown, &rule)) {
    return {EACCES, absl::StrCat("hide ", *rule, " below it")};
  }
  if (!request.mount->deny.StillCoveredAfterRename(request.path, unknown, &rule)) {
    return {EACCES, absl::StrCat("deny ", *rule, " below it")};
  }
  if (!request.mount->read_only.StillCoveredAfterRename(request.path, unknown, &rule)) {
    return {EROFS, absl::StrCat("read_only ", *rule, " below it")};
  }
  return {};
}

// Whoever connects to a socket makes its owner act: that asks for as much as writing does.
Verdict CheckConnect(const CompiledPolicy& policy, const AccessRequest& request) {
  if (request.mount == nullptr) return CheckNamedSocket(policy, std::string(request.path));
  if (Verdict verdict = CheckHide(request); !verdict.allowed()) return verdict;
  if (Verdict verdict = CheckDeny(request); !verdict.allowed()) return verdict;
  if (Verdict verdict = CheckNestedMounts(policy, request); !verdict.allowed()) return verdict;
  if (Verdict verdict = CheckReadOnly(request); !verdict.allowed()) {
    Verdict named = CheckNamedSocket(policy, Absolute(*request.mount, request.path));
    return named.allowed() ? named : Verdict{EACCES, std::move(verdict.rule)};
  }
  return {};
}

std::string MountRule(const CompiledMount& mount) {
  return absl::StrCat("mount ", mount.mount.guest, " mode=", MountModeName(mount.mount.mode));
}

}  // namespace

const char* OperationName(Operation operation) {
  switch (operation) {
    case Operation::kRead: return "read";
    case Operation::kWrite: return "write";
    case Operation::kCreate: return "create";
    case Operation::kCreateLink: return "create_link";
    case Operation::kRemove: return "remove";
    case Operation::kRenameFrom: return "rename_from";
    case Operation::kRenameTo: return "rename_to";
    case Operation::kLinkFrom: return "link_from";
    case Operation::kMetadata: return "metadata";
    case Operation::kConnect: return "connect";
    case Operation::kLookUp: return "look_up";
  }
  return "?";
}

// The mounts of a namespace, each with the directory of its file system that it shows
// (proc_pid_mountinfo(5)).
bool TellsHostPaths(const CompiledPolicy& policy, std::string_view path) {
  return policy.view.moves_mounts && IsAtOrBelow(path, "/proc") && path.ends_with("/mountinfo");
}

Verdict CheckAccess(const CompiledPolicy& policy, const AccessRequest& request) {
  if (request.operation == Operation::kConnect) return CheckConnect(policy, request);
  if (request.operation == Operation::kLookUp) {  // whatever is not hidden, as natively
    return request.mount == nullptr ? Verdict{} : CheckHide(request);
  }
  if (request.mount == nullptr) return CheckSystemGrant(policy, request);
  if (request.path.empty() && ChangesNames(request.operation)) {
    return {EBUSY, absl::StrCat("the root of mount ", request.mount->mount.guest)};
  }
  // Nobody but root may change the host's /dev/shm either, and its maker has to empty it.
  if (request.mount->is_shared_memory && request.path.empty() &&
      request.operation == Operation::kMetadata) {
    return {EPERM, "filesystem.shared_memory"};
  }
  if (Verdict verdict = CheckHide(request); !verdict.allowed()) return verdict;
  if (Verdict verdict = CheckDeny(request); !verdict.allowed()) return verdict;
  if (Verdict verdict = CheckNestedMounts(policy, request); !verdict.allowed()) return verdict;
  if (Verdict verdict = CheckReadOnly(request); !verdict.allowed()) return verdict;
  if (Verdict verdict = CheckObject(policy, request); !verdict.allowed()) return verdict;
  if (Verdict verdict = CheckMoveChangesCover(request); !verdict.allowed()) return verdict;
  if (Verdict verdict = CheckLinkOnTheWay(request); !verdict.allowed()) return verdict;
  return {0, MountRule(*request.mount)};
}

}  // namespace sessionctl
