// Changes as text for people and for `git apply`: the difference between the lower directory and
// what the session sees. Reads both layers. Any thread.
#ifndef SUPERVISOR_OVERLAY_DIFF_TEXT_H_
#define SUPERVISOR_OVERLAY_DIFF_TEXT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "supervisor/overlay/changes.h"

namespace sessionctl {

enum class DiffForm {
  kPatch,  // unified, in git's form; what that cannot say, in lines that begin with "# "
  kStat,   // a line a file with what came and went, and their sum
  kNames,  // "M path"
};

struct DiffLimits {
  size_t file = size_t{1} << 20;     // bytes: of a larger one it is only said that it differs
  size_t output = size_t{16} << 20;  // bytes: then it is cut, and says so
};

// Errors: kCancelled, kInternal. What cannot be read says so in its place.
absl::StatusOr<std::string> DiffText(const OverlayLayers& layers,
                                     const std::vector<OverlayChange>& changes, DiffForm form,
                                     const DiffLimits& limits = {},
                                     const std::function<bool()>& stop = {});

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_DIFF_TEXT_H_
