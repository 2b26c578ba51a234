#include "supervisor/session_domains.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {

absl::StatusOr<LandlockRuleset> MakeRuleset(const LandlockPlan& plan, const SessionView& view) {
  absl::StatusOr<LandlockRuleset> ruleset =
      LandlockRuleset::Create(plan.handled_fs, plan.handled_net, plan.scoped);
  if (!ruleset.ok()) return ruleset;
  for (const LandlockPortGrant& grant : plan.ports) {
    if (absl::Status added = ruleset->AllowPort(grant.port, grant.access); !added.ok()) {
      return added;
    }
  }
  for (const LandlockGrant& grant : plan.grants) {
    OwnedFd opened;
    int fd = -1;
    // The rule for a mount binds to the very directory that is held, whatever its name means by
    // now.
    for (const MountView& mount : view.mounts()) {
      if (mount.rules->mount.host == grant.path) fd = mount.root.fd();
    }
    if (fd < 0) {
      // The path is canonical: a link in any component was put there since.
      SysResult<OwnedFd> object =
          OpenAt2(AT_FDCWD, grant.path.c_str(),
                  {.flags = O_PATH | O_CLOEXEC, .resolve = kResolveNoSymlinks});
      if (!object.ok() && object.error() == ENOENT) continue;  // a system path that went away
      if (!object.ok()) {
        return absl::PermissionDeniedError(
            absl::StrCat("grant ", grant.path, ": ", strerror(object.error())));
      }
      opened = std::move(*object);
      fd = opened.get();
    }
    if (absl::Status added = ruleset->Allow(fd, grant.access); !added.ok()) {
      return absl::Status(added.code(),
                          absl::StrCat("grant ", grant.path, ": ", std::string(added.message())));
    }
  }
  return ruleset;
}

}  // namespace sessionctl
