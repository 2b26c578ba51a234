// What a session in overlay mode has changed stands in its directory in the store, one directory a
// mount, named by the mount's index in the policy:
//   overlay/0/upper       the kernel's upper directory (overlayfs with "userxattr", for root too)
//   overlay/0/work        and its work directory
//   overlay/0/layer.json  OverlayLayer: what lies below
// Made before the session starts, and read by whoever looks at the changes or commits them. Any
// thread; no state.
#ifndef SUPERVISOR_OVERLAY_LAYER_H_
#define SUPERVISOR_OVERLAY_LAYER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/policy.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {

inline constexpr char kOverlayDirectory[] = "overlay";
inline constexpr char kOverlayUpper[] = "upper";
inline constexpr char kOverlayWork[] = "work";
inline constexpr char kOverlayLayerFile[] = "layer.json";

// The content of layer.json.
struct OverlayLayer {
  std::string host;     // the lower directory, canonical
  uint64_t device = 0;  // its identity when it was mounted, as stat(2) shows it
  uint64_t inode = 0;
  std::string guest;  // where the session sees it
  OnExit on_exit = OnExit::kKeep;
};

// "keep", "discard" or "commit".
const char* OnExitName(OnExit rule);

std::string OverlayLayerToJson(const OverlayLayer& layer);
// Errors: kDataLoss, with what is wrong; kUnimplemented: a format of a later version.
absl::StatusOr<OverlayLayer> OverlayLayerFromJson(const std::string& json);

// The directory below, looked up again by its path. Errors: kNotFound, and kFailedPrecondition when
// another directory stands there now.
absl::StatusOr<OwnedFd> OpenLowerDirectory(const OverlayLayer& layer);

// Makes overlay/INDEX with its directories and layer.json, in the session's directory `session`,
// and returns it. The upper directory gets the owner, mode, access control list and attributes of
// `lower`: they are what the session sees of the mount's root. Sets `layer.device` and
// `layer.inode`. The layer of an ordinary user is that user's own. Errors:
// kAlreadyExists, kInvalidArgument (a path that is not UTF-8), and those of the file system.
absl::StatusOr<OwnedFd> MakeOverlayLayer(int session, int index, int lower, OverlayLayer* layer);

// A layer as it stands on disk.
struct HeldOverlayLayer {
  int index = 0;
  OverlayLayer layer;
  OwnedFd directory;  // overlay/INDEX
};

// All layers of the session's directory, by index; none where it has no overlay. Errors: kDataLoss.
absl::StatusOr<std::vector<HeldOverlayLayer>> OpenOverlayLayers(int session);

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_LAYER_H_
