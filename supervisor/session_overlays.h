// The overlays of a session that starts: their layers in the session's directory, and where they
// are, for the broker that mounts them. For the broker's parent.
#ifndef SUPERVISOR_SESSION_OVERLAYS_H_
#define SUPERVISOR_SESSION_OVERLAYS_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "policy/policy_compiler.h"
#include "sandbox/overlay_mount.h"

namespace sessionctl {

// By the path of the lower directory.
using SessionOverlays = std::map<std::string, OverlayDirectories>;

bool HasOverlays(const CompiledPolicy& policy);

// Makes a layer for each mount in overlay mode (overlay_layer.h). `session`: the session's
// directory in the store; -1: it has none, which is an error where there is an overlay. Errors:
// those of MakeOverlayLayer.
absl::StatusOr<SessionOverlays> MakeSessionOverlays(const CompiledPolicy& policy, int session);

// Says in the broker's policy where the layers are.
void AddSessionOverlays(const SessionOverlays& overlays, CompiledPolicy* policy);

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_OVERLAYS_H_
