// What the control API and `diff --json` say of changes. Pure.
#ifndef SUPERVISOR_OVERLAY_CHANGE_JSON_H_
#define SUPERVISOR_OVERLAY_CHANGE_JSON_H_

#include <string>
#include <vector>

#include "nlohmann/json_fwd.hpp"
#include "supervisor/overlay/changes.h"

namespace sessionctl {

// One change, as docs/openapi.json describes it (Change). `guest` is the mount's path in the
// session. A path that is not UTF-8 is {"base64": "…"}.
nlohmann::ordered_json ChangeToJson(const OverlayChange& change, const std::string& guest);

nlohmann::ordered_json CountsToJson(const ChangeCounts& counts);

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_CHANGE_JSON_H_
