#include "supervisor/session_overlays.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "sandbox/base/syscalls.h"
#include "supervisor/overlay_layer.h"

namespace sessionctl {
namespace {

bool IsOverlay(const Mount& mount) { return mount.mode == MountMode::kOverlay; }

absl::StatusOr<KnownDirectory> Known(const OwnedFd& directory) {
  SysResult<std::string> path = PathOfDescriptor(directory.get());
  SysResult<struct stat> info = Fstat(directory.get());
  if (!path.ok()) return absl::ErrnoToStatus(path.error(), kOverlayDirectory);
  if (!info.ok()) return absl::ErrnoToStatus(info.error(), *path);
  return KnownDirectory{*std::move(path), info->st_dev, info->st_ino};
}

absl::StatusOr<OverlayDirectories> MakeOne(const Mount& mount, int session, int index) {
  SysResult<OwnedFd> lower =
      OpenAt2(AT_FDCWD, mount.host.c_str(),
              {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = kResolveNoSymlinks});
  if (!lower.ok()) return absl::ErrnoToStatus(lower.error(), mount.host);
  OverlayLayer layer = {.host = mount.host, .guest = mount.guest, .on_exit = mount.on_exit};
  absl::StatusOr<OwnedFd> made = MakeOverlayLayer(session, index, lower->get(), &layer);
  if (!made.ok()) return made.status();
  absl::StatusOr<KnownDirectory> directory = Known(*made);
  if (!directory.ok()) return directory.status();
  return OverlayDirectories{.lower = {mount.host, layer.device, layer.inode},
                            .layer = *std::move(directory)};
}

}  // namespace

bool HasOverlays(const CompiledPolicy& policy) {
  const std::vector<Mount>& mounts = policy.policy.mounts;
  return std::any_of(mounts.begin(), mounts.end(), IsOverlay);
}

absl::StatusOr<SessionOverlays> MakeSessionOverlays(const CompiledPolicy& policy, int session) {
  SessionOverlays overlays;
  const std::vector<Mount>& mounts = policy.policy.mounts;
  for (size_t index = 0; index < mounts.size(); ++index) {
    const Mount& mount = mounts[index];
    if (!IsOverlay(mount)) continue;
    if (session < 0) return absl::InternalError("an overlay needs the session's directory");
    absl::StatusOr<OverlayDirectories> made = MakeOne(mount, session, static_cast<int>(index));
    if (!made.ok()) return made.status();
    overlays.emplace(mount.host, *std::move(made));
  }
  return overlays;
}

void AddSessionOverlays(const SessionOverlays& overlays, CompiledPolicy* policy) {
  for (CompiledMount& each : policy->mounts) {
    const auto found = overlays.find(each.mount.host);
    if (found != overlays.end() && IsOverlay(each.mount)) each.overlay = found->second;
  }
}

}  // namespace sessionctl
