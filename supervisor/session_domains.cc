#include "supervisor/session_domains.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {

namespace {

using Accesses = absl::flat_hash_map<std::string_view, uint64_t>;

absl::StatusOr<LandlockRuleset> WithPorts(const LandlockPlan& plan) {
  absl::StatusOr<LandlockRuleset> ruleset =
      LandlockRuleset::Create(plan.handled_fs, plan.handled_net, plan.scoped);
  if (!ruleset.ok()) return ruleset;
  for (const LandlockPortGrant& grant : plan.ports) {
    if (absl::Status added = ruleset->AllowPort(grant.port, grant.access); !added.ok()) {
      return added;
    }
  }
  return ruleset;
}

// The rule for a mount binds to the very directory that is held, whatever its name means by now.
int HeldMount(const std::string& path, const SessionView& view) {
  int fd = -1;
  for (const MountView& mount : view.mounts()) {
    if (mount.rules->mount.host == path) fd = mount.root.fd();
  }
  return fd;
}

// Gives `use` the object of a grant, and whether it is a directory; not called for a system path
// that went away.
template <typename Use>
absl::Status WithObject(const std::string& path, const SessionView& view, const Use& use) {
  OwnedFd opened;
  int fd = HeldMount(path, view);
  if (fd < 0) {
    // The path is canonical: a link in any component was put there since.
    SysResult<OwnedFd> object = OpenAt2(
        AT_FDCWD, path.c_str(), {.flags = O_PATH | O_CLOEXEC, .resolve = kResolveNoSymlinks});
    if (!object.ok() && object.error() == ENOENT) return absl::OkStatus();
    if (!object.ok()) {
      return absl::PermissionDeniedError(
          absl::StrCat("grant ", path, ": ", strerror(object.error())));
    }
    opened = std::move(*object);
    fd = opened.get();
  }
  SysResult<struct stat> info = Fstat(fd);
  if (!info.ok()) return absl::ErrnoToStatus(info.error(), "grant " + path);
  const absl::Status used = use(fd, S_ISDIR(info->st_mode));
  if (used.ok()) return used;
  return absl::Status(used.code(), absl::StrCat("grant ", path, ": ", std::string(used.message())));
}

}  // namespace

absl::StatusOr<SessionRulesets> MakeRulesets(const LandlockPlan& session_plan,
                                             const LandlockPlan& broker_plan,
                                             const SessionView& view) {
  absl::StatusOr<LandlockRuleset> session = WithPorts(session_plan);
  if (!session.ok()) return session.status();
  absl::StatusOr<LandlockRuleset> broker = WithPorts(broker_plan);
  if (!broker.ok()) return broker.status();
  Accesses inner;
  for (const LandlockGrant& grant : session_plan.grants) inner[grant.path] |= grant.access;
  for (const LandlockGrant& grant : broker_plan.grants) {
    // Most paths are in both: the kernel finds them once.
    const auto both = inner.find(grant.path);
    const uint64_t in_session = both != inner.end() ? both->second : 0;
    if (both != inner.end()) inner.erase(both);
    absl::Status added = WithObject(grant.path, view, [&](int fd, bool is_directory) {
      absl::Status outer = broker->Allow(fd, is_directory, grant.access);
      return outer.ok() && in_session != 0 ? session->Allow(fd, is_directory, in_session) : outer;
    });
    if (!added.ok()) return added;
  }
  for (const auto& [path, access] : inner) {
    const auto allow = [&session, access = access](int fd, bool is_directory) {
      return session->Allow(fd, is_directory, access);
    };
    absl::Status added = WithObject(std::string(path), view, allow);
    if (!added.ok()) return added;
  }
  return SessionRulesets{*std::move(session), *std::move(broker)};
}

}  // namespace sessionctl
