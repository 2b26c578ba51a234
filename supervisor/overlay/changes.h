// What a session has changed: the upper layer of an overlay held against the lower one. Knows
// nothing of sessions and changes nothing. Reads both layers beneath held directories and believes
// neither: depth, number of changes and memory are bounded, and what an overlay that sessionctl
// mounted cannot contain is an error. The overlay itself should be mounted by nobody who writes
// meanwhile; else what comes back is what was seen on the way. Any thread.
#ifndef SUPERVISOR_OVERLAY_CHANGES_H_
#define SUPERVISOR_OVERLAY_CHANGES_H_

#include <time.h>

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "supervisor/overlay/entry.h"

namespace sessionctl {

struct OverlayLayers {
  int upper = -1;  // directories, held open
  int lower = -1;
  timespec baseline{};  // by the clock of file systems: when the session first saw the lower layer
};

enum class ChangeKind {
  kAdded,
  kModified,  // content, target or type
  kDeleted,
  kMetadata,  // mode, owner, times or attributes alone
};
const char* ChangeKindName(ChangeKind kind);

struct OverlayChange {
  ChangeKind kind = ChangeKind::kAdded;
  std::string path;                  // relative to the mount
  std::optional<LayerEntry> before;  // in the lower layer, now
  std::optional<LayerEntry> after;   // in the upper layer

  bool content = false, type = false, mode = false, owner = false, times = false,
       attributes = false;  // what differs, where both are there
  // The whole tree around it was added, or deleted.
  bool within_added = false, within_deleted = false;

  // The other half of a rename (an added and a deleted file), and how it is known: the kernel noted
  // of which object the new one is the copy, or they have the same bytes.
  std::string renamed;
  bool renamed_by_identity = false;
  // The first name of the same file, for a second hard link. It may be of an unchanged one.
  std::string same_file;

  // Why a commit would undo somebody else's work; "" when it would not.
  std::string conflict;
};

inline constexpr int kMaxLayerDepth = 128;
inline constexpr size_t kMaxChanges = 1'000'000;

// A directory stands before what is in it; names are in byte order. Errors, with the path:
// kFailedPrecondition (deeper than kMaxLayerDepth, more than kMaxChanges, no layer of ours),
// kPermissionDenied, kCancelled (`stop` said so), kInternal.
absl::StatusOr<std::vector<OverlayChange>> FindChanges(const OverlayLayers& layers,
                                                       const std::function<bool()>& stop = {});

// Fills in `renamed`. Content is compared for at most a few files of the same size. For
// FindChanges.
void FindRenames(const OverlayLayers& layers,
                 const std::map<std::string, std::string>& lower_handles,
                 std::vector<OverlayChange>* changes);

struct ChangeCounts {
  size_t added = 0, modified = 0, deleted = 0, renamed = 0, metadata = 0, conflicts = 0;
};
// A rename counts once, and neither as added nor as deleted.
ChangeCounts CountChanges(const std::vector<OverlayChange>& changes);

// A status that names the path, of an errno.
absl::Status LayerError(int error, const char* what, const std::string& path);

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_CHANGES_H_
