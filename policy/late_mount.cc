#include "policy/late_mount.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/grant_resolver.h"
#include "policy/path_text.h"
#include "policy/view_plan.h"

namespace sessionctl {
namespace {

absl::Status CheckPlace(const Mount& mount, const std::vector<Mount>& others) {
  if (mount.guest == kReservedPath || !IsAtOrBelow(mount.guest, kReservedPath)) {
    return absl::InvalidArgumentError(absl::StrCat(
        LocationText(mount.where), ": ", mount.guest, ": a mount that is given later lies below ",
        kReservedPath, ", which is what filesystem.reserve keeps room in"));
  }
  for (const Mount& other : others) {
    if (other.guest == mount.guest || !IsAtOrBelow(other.guest, mount.guest)) continue;
    return absl::InvalidArgumentError(absl::StrCat(LocationText(mount.where), ": ", mount.guest,
                                                   ": would hide the mount at ", other.guest));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckReserve(const CompiledPolicy& compiled) {
  if (compiled.policy.filesystem.reserve) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "this session's policy has reserved no room for mounts: [filesystem] reserve = true "
      "(--reserve) has to be there when it starts, because no Landlock domain can be widened",
      compiled.view.is_private
          ? ""
          : "; and it has the host's view, in which no mount is the session's own"));
}

absl::StatusOr<Mount> ResolveLateMount(const CompiledPolicy& compiled,
                                       const std::vector<Mount>& later, const Mount& mount,
                                       const PolicyVariables& variables) {
  if (absl::Status reserved = CheckReserve(compiled); !reserved.ok()) return reserved;
  if (mount.mode == MountMode::kOverlay) {
    return absl::InvalidArgumentError(absl::StrCat(
        LocationText(mount.where), ": an overlay is mounted at a session's start only"));
  }
  std::vector<Mount> all = compiled.policy.mounts;
  all.insert(all.end(), later.begin(), later.end());
  absl::StatusOr<Mount> resolved =
      ResolveMount(mount, variables, compiled.identity, WritableMounts(all, variables));
  if (!resolved.ok()) return resolved;
  if (resolved->guest.empty()) resolved->guest = resolved->alias;
  if (absl::Status placed = CheckPlace(*resolved, all); !placed.ok()) return placed;
  std::vector<Mount> alone = {*std::move(resolved)};
  if (absl::Status kept = KeepStateDirectory(variables.state_directory, &alone); !kept.ok()) {
    return kept;
  }
  all.push_back(alone[0]);
  if (absl::Status apart = CheckMountsDoNotOverlap(all); !apart.ok()) return apart;
  all.pop_back();
  for (const Mount& other : all) {
    if (absl::Status checked = CheckGuestPair(other, alone[0]); !checked.ok()) return checked;
  }
  return std::move(alone[0]);
}

}  // namespace sessionctl
