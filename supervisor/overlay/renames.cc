// Which added file is which deleted one under another name.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "supervisor/overlay/changes.h"

namespace sessionctl {
namespace {

// What comparing may cost: files looked at for one, and bytes in all.
constexpr int kMaxCandidates = 8;
constexpr uint64_t kMaxCompared = uint64_t{1} << 30;

bool IsFileAlone(const std::optional<LayerEntry>& entry) { return entry && entry->IsRegular(); }

bool IsNewFile(const OverlayChange& change) {
  return change.kind == ChangeKind::kAdded && IsFileAlone(change.after) &&
         change.same_file.empty() && change.renamed.empty();
}

bool IsGoneFile(const OverlayChange& change) {
  return change.kind == ChangeKind::kDeleted && IsFileAlone(change.before) &&
         change.renamed.empty();
}

void Pair(OverlayChange* added, OverlayChange* deleted, bool by_identity) {
  added->renamed = deleted->path;
  deleted->renamed = added->path;
  added->renamed_by_identity = deleted->renamed_by_identity = by_identity;
}

void PairByIdentity(const std::map<std::string, std::string>& lower_handles,
                    std::vector<OverlayChange>* changes) {
  std::map<std::string, OverlayChange*> gone;
  for (OverlayChange& change : *changes) {
    if (!IsGoneFile(change)) continue;
    if (const auto handle = lower_handles.find(change.path); handle != lower_handles.end()) {
      gone.emplace(handle->second, &change);
    }
  }
  for (OverlayChange& change : *changes) {
    if (!IsNewFile(change)) continue;
    const auto found = gone.find(HandleInOrigin(change.after->origin));
    if (found != gone.end() && IsGoneFile(*found->second)) Pair(&change, found->second, true);
  }
}

bool SameBytes(const OverlayLayers& layers, const OverlayChange& added,
               const OverlayChange& deleted) {
  SysResult<OwnedFd> upper = PinEntry(layers.upper, added.path);
  SysResult<OwnedFd> lower = PinEntry(layers.lower, deleted.path);
  if (!upper.ok() || !lower.ok()) return false;
  SysResult<bool> same = SameContent(upper->get(), lower->get());
  return same.ok() && *same;
}

void PairByContent(const OverlayLayers& layers, std::vector<OverlayChange>* changes) {
  std::multimap<uint64_t, OverlayChange*> gone;  // by size
  for (OverlayChange& change : *changes) {
    if (IsGoneFile(change) && change.before->size > 0) gone.emplace(change.before->size, &change);
  }
  uint64_t compared = 0;
  for (OverlayChange& change : *changes) {
    if (!IsNewFile(change)) continue;
    auto [begin, end] = gone.equal_range(change.after->size);
    for (int tries = 0; begin != end && tries < kMaxCandidates; ++begin) {
      if (!IsGoneFile(*begin->second)) continue;  // it has found its other half
      if (change.after->size > kMaxCompared - compared) break;
      compared += change.after->size;
      ++tries;
      if (!SameBytes(layers, change, *begin->second)) continue;
      Pair(&change, begin->second, false);
      break;
    }
  }
}

}  // namespace

void FindRenames(const OverlayLayers& layers,
                 const std::map<std::string, std::string>& lower_handles,
                 std::vector<OverlayChange>* changes) {
  PairByIdentity(lower_handles, changes);
  PairByContent(layers, changes);
}

}  // namespace sessionctl
