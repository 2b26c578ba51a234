#include "supervisor/overlay/changes.h"

#include <cerrno>
#include <cstring>
#include <set>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sandbox/base/owned_fd.h"
#include "supervisor/overlay/quoted_path.h"

namespace sessionctl {
namespace {

// What of a directory of the lower layer shows through the upper one.
enum class Below {
  kNothing,  // there is no such directory
  kHidden,   // it is there, but the upper one replaces it: what is not in the upper one has gone
  kMerged,   // what is not in the upper one is unchanged
};

std::string Joined(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : absl::StrCat(directory, "/", name);
}

class Walk {
 public:
  Walk(const OverlayLayers& layers, const std::function<bool()>& stop)
      : layers_(layers), stop_(stop) {}

  absl::StatusOr<std::vector<OverlayChange>> Run() {
    SysResult<OwnedFd> upper = PinEntry(layers_.upper, ""), lower = PinEntry(layers_.lower, "");
    if (!upper.ok()) return LayerError(upper.error(), "cannot open the upper layer", "");
    if (!lower.ok()) return LayerError(lower.error(), "cannot open the lower layer", "");
    SysResult<LayerEntry> mark = ReadEntry(upper->get());
    SysResult<LayerEntry> under = ReadEntry(lower->get());
    if (!mark.ok() || !under.ok()) return LayerError(EIO, "cannot read the layers", "");
    // The mount's own root: what it is like was given by whoever made the layer.
    absl::Status walked = Directory({.path = "",
                                     .upper = upper->get(),
                                     .lower = lower->get(),
                                     .below = mark->opaque ? Below::kHidden : Below::kMerged});
    if (!walked.ok()) return walked;
    FindRenames(layers_, handles_, &changes_);
    NoteLostOrigins();
    return std::move(changes_);
  }

 private:
  struct Place {
    std::string path;
    int upper = -1;  // -1: a tree of the lower layer that has been deleted
    int lower = -1;
    Below below = Below::kNothing;
    int depth = 0;
    bool within_added = false, within_deleted = false;
    std::string conflict;  // of everything in here
  };

  absl::Status Directory(const Place& place);
  absl::Status Name(const Place& place, const std::string& name);
  absl::Status Gone(const Place& place, const std::string& name);
  absl::Status Present(const Place& place, const std::string& name, OwnedFd upper,
                       const LayerEntry& after);
  absl::Status Compare(OverlayChange* change, int upper, int lower);
  absl::Status Children(const Place& place, const OverlayChange& change, int upper, int lower,
                        bool opaque);
  // The object of that name in the lower layer, with its entry; an invalid one when there is none.
  absl::StatusOr<OwnedFd> Lower(const Place& place, const std::string& name,
                                std::optional<LayerEntry>* entry);
  absl::Status Record(OverlayChange change);
  void NoteConflicts(OverlayChange* change) const;
  void NoteLostOrigins();
  bool IsOnAnother(const OverlayChange& change) const;

  const OverlayLayers& layers_;
  const std::function<bool()>& stop_;
  std::vector<OverlayChange> changes_;
  std::map<std::string, std::string> handles_;                 // path: of `before`
  std::map<std::pair<dev_t, ino_t>, std::string> first_name_;  // of hard links in the upper layer
};

absl::Status Walk::Record(OverlayChange change) {
  if (changes_.size() == kMaxChanges) {
    return absl::FailedPreconditionError(absl::StrCat("more than ", kMaxChanges, " changes"));
  }
  NoteConflicts(&change);
  changes_.push_back(std::move(change));
  return absl::OkStatus();
}

// Whatever changes an object sets its change time, which nobody can set back. So an object with an
// older one is what the session saw below its overlay. (A directory's is set by every new name in
// it, too; of one that stays it matters only where its own metadata is to be changed.)
void Walk::NoteConflicts(OverlayChange* change) const {
  if (!change->conflict.empty() || !change->before) return;
  if (Earlier(change->before->changed, layers_.baseline)) return;
  change->conflict = change->kind == ChangeKind::kDeleted
                         ? "it was changed or made in the lower directory since"
                         : "it was changed in the lower directory since";
}

// The kernel notes of each object that it copies up that it is a copy, and for root whose. When
// that one is at none of the places that were looked at, it was taken away from below the overlay.
// Where it is not known whose, any deleted file may be what was renamed.
void Walk::NoteLostOrigins() {
  std::set<std::string> known;
  for (const auto& [path, handle] : handles_) known.insert(handle);
  bool some_file_gone = false;
  for (const OverlayChange& change : changes_) {
    some_file_gone |=
        change.kind == ChangeKind::kDeleted && change.renamed.empty() && change.before->IsRegular();
  }
  for (OverlayChange& change : changes_) {
    if (!change.after || change.after->IsDirectory() || !change.after->copied) continue;
    // Of several names one may be the original's.
    if (!change.conflict.empty() || !change.renamed.empty() || change.after->links > 1) continue;
    const std::string handle = HandleInOrigin(change.after->origin);
    const bool lost = handle.empty() ? !change.before && !some_file_gone : !known.contains(handle);
    if (lost) change.conflict = "its original was removed or replaced in the lower directory since";
  }
}

// Does a directory that was copied up no longer lie on the one it was copied from? By its handle;
// else by its times: a rename sets the change time of what it moves, but not its modification time,
// while a new name in it sets both.
bool Walk::IsOnAnother(const OverlayChange& change) const {
  const bool below = change.before && change.before->IsDirectory();
  if (!change.after->copied || !below) return change.after->copied;
  const std::string origin = HandleInOrigin(change.after->origin);
  const auto handle = handles_.find(change.path);
  if (!origin.empty() && handle != handles_.end()) return handle->second != origin;
  return !Earlier(change.before->changed, layers_.baseline) &&
         !SameTime(change.before->changed, change.before->modified);
}

absl::StatusOr<OwnedFd> Walk::Lower(const Place& place, const std::string& name,
                                    std::optional<LayerEntry>* entry) {
  if (place.below == Below::kNothing) return OwnedFd();
  SysResult<OwnedFd> pinned = PinEntry(place.lower, name);
  if (pinned.error() == ENOENT) return OwnedFd();
  const std::string path = Joined(place.path, name);
  if (!pinned.ok()) return LayerError(pinned.error(), "cannot look at the lower directory's", path);
  SysResult<LayerEntry> read = ReadEntry(pinned->get());
  if (!read.ok()) return LayerError(read.error(), "cannot look at the lower directory's", path);
  *entry = std::move(*read);
  if (std::string handle = HandleOf(pinned->get()); !handle.empty()) {
    handles_.emplace(path, std::move(handle));
  }
  return std::move(*pinned);
}

absl::Status Walk::Directory(const Place& place) {
  if (place.depth > kMaxLayerDepth) {
    return absl::FailedPreconditionError(absl::StrCat(
        QuotedPath(place.path), ": more than ", kMaxLayerDepth, " directories in one another"));
  }
  std::set<std::string> names;
  if (place.upper >= 0) {
    SysResult<std::vector<std::string>> read = ReadNames(place.upper);
    if (!read.ok()) return LayerError(read.error(), "cannot read the directory", place.path);
    names.insert(read->begin(), read->end());
  }
  if (place.below == Below::kHidden) {
    SysResult<std::vector<std::string>> read = ReadNames(place.lower);
    if (!read.ok()) {
      return LayerError(read.error(), "cannot read the lower directory's", place.path);
    }
    names.insert(read->begin(), read->end());
  }
  for (const std::string& name : names) {
    if (stop_ && stop_()) return absl::CancelledError("stopped");
    if (absl::Status walked = Name(place, name); !walked.ok()) return walked;
  }
  return absl::OkStatus();
}

absl::Status Walk::Name(const Place& place, const std::string& name) {
  if (place.upper < 0) return Gone(place, name);
  SysResult<OwnedFd> upper = PinEntry(place.upper, name);
  if (upper.error() == ENOENT) {
    return place.below == Below::kHidden ? Gone(place, name) : absl::OkStatus();
  }
  const std::string path = Joined(place.path, name);
  if (!upper.ok()) return LayerError(upper.error(), "cannot look at", path);
  SysResult<LayerEntry> after = ReadEntry(upper->get());
  if (!after.ok()) return LayerError(after.error(), "cannot look at", path);
  if (after->foreign) {
    return absl::FailedPreconditionError(
        absl::StrCat(QuotedPath(path), ": the layer was written by another kind of overlay"));
  }
  if (after->whiteout) return Gone(place, name);
  return Present(place, name, std::move(*upper), *after);
}

absl::Status Walk::Gone(const Place& place, const std::string& name) {
  OverlayChange change = {.kind = ChangeKind::kDeleted,
                          .path = Joined(place.path, name),
                          .within_deleted = place.within_deleted,
                          .conflict = place.conflict};
  absl::StatusOr<OwnedFd> lower = Lower(place, name, &change.before);
  if (!lower.ok()) return lower.status();
  if (!lower->valid()) return absl::OkStatus();  // gone in both
  const bool directory = change.before->IsDirectory();
  const Place inside = {.path = change.path,
                        .lower = lower->get(),
                        .below = Below::kHidden,
                        .depth = place.depth + 1,
                        .within_deleted = true,
                        .conflict = place.conflict};
  if (absl::Status recorded = Record(std::move(change)); !recorded.ok()) return recorded;
  return directory ? Directory(inside) : absl::OkStatus();
}

absl::Status Walk::Compare(OverlayChange* change, int upper, int lower) {
  const LayerEntry &old = *change->before, &now = *change->after;
  change->type = (old.mode & S_IFMT) != (now.mode & S_IFMT) || old.represents != now.represents;
  if (change->type) return absl::OkStatus();
  if (now.IsRegular()) {
    change->content = old.size != now.size;
    if (!change->content) {
      SysResult<bool> same = SameContent(upper, lower);
      // What cannot be read has to be taken for changed.
      if (!same.ok() && same.error() != EACCES) {
        return LayerError(same.error(), "cannot compare", change->path);
      }
      change->content = !same.ok() || !*same;
    }
  }
  change->content |= old.target != now.target;
  change->mode = !now.IsLink() && (old.mode & 07777) != (now.mode & 07777);
  change->owner = old.uid != now.uid || old.gid != now.gid;
  // A directory's time is that of the last new name in it.
  change->times = !now.IsDirectory() && !SameTime(old.modified, now.modified);
  change->attributes = old.attributes != now.attributes;
  return absl::OkStatus();
}

absl::Status Walk::Present(const Place& place, const std::string& name, OwnedFd upper,
                           const LayerEntry& after) {
  OverlayChange change = {.kind = ChangeKind::kAdded,
                          .path = Joined(place.path, name),
                          .after = after,
                          .within_added = place.within_added,
                          .within_deleted = false,
                          .conflict = place.conflict};
  if (after.IsRegular() && after.links > 1) {
    const auto [first, fresh] =
        first_name_.emplace(std::pair(after.device, after.inode), change.path);
    if (!fresh) change.same_file = first->second;
  }
  absl::StatusOr<OwnedFd> lower = Lower(place, name, &change.before);
  if (!lower.ok()) return lower.status();
  if (change.before) {
    if (absl::Status compared = Compare(&change, upper.get(), lower->get()); !compared.ok()) {
      return compared;
    }
    const bool metadata = change.mode || change.owner || change.times || change.attributes;
    change.kind = change.type || change.content ? ChangeKind::kModified : ChangeKind::kMetadata;
    if (!change.type && !change.content && !metadata) {
      // A copy that is like the original is no change.
      return after.IsDirectory() ? Children(place, change, upper.get(), lower->get(), after.opaque)
                                 : absl::OkStatus();
    }
  }
  const bool in_directory = after.IsDirectory() || (change.before && change.before->IsDirectory());
  const OverlayChange place_of_children = {.path = change.path,
                                           .before = change.before,
                                           .after = change.after,
                                           .conflict = change.conflict};
  if (absl::Status recorded = Record(std::move(change)); !recorded.ok()) return recorded;
  if (!in_directory) return absl::OkStatus();
  return Children(place, place_of_children, upper.get(), lower->get(), after.opaque);
}

absl::Status Walk::Children(const Place& place, const OverlayChange& change, int upper, int lower,
                            bool opaque) {
  const bool below = change.before && change.before->IsDirectory();
  Place inside = {.path = change.path, .depth = place.depth + 1, .conflict = change.conflict};
  if (!change.after->IsDirectory()) {  // a directory was replaced by something else
    inside.lower = lower;
    inside.below = Below::kHidden;
    inside.within_deleted = true;
    return Directory(inside);
  }
  inside.upper = upper;
  inside.lower = below ? lower : -1;
  inside.within_added = !below;
  const bool hidden = opaque || place.below == Below::kHidden;
  if (below) inside.below = hidden ? Below::kHidden : Below::kMerged;
  if (!hidden && inside.conflict.empty() && IsOnAnother(change)) {
    inside.conflict = "its directory was removed or replaced in the lower directory since";
    if (!changes_.empty() && changes_.back().path == change.path) {
      changes_.back().conflict = inside.conflict;
    }
  }
  return Directory(inside);
}

}  // namespace

const char* ChangeKindName(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kAdded: return "added";
    case ChangeKind::kModified: return "modified";
    case ChangeKind::kDeleted: return "deleted";
    case ChangeKind::kMetadata: return "metadata";
  }
  return "";
}

absl::StatusOr<std::vector<OverlayChange>> FindChanges(const OverlayLayers& layers,
                                                       const std::function<bool()>& stop) {
  return Walk(layers, stop).Run();
}

ChangeCounts CountChanges(const std::vector<OverlayChange>& changes) {
  ChangeCounts counts;
  for (const OverlayChange& change : changes) {
    if (!change.conflict.empty()) ++counts.conflicts;
    if (!change.renamed.empty()) {
      if (change.kind != ChangeKind::kDeleted) ++counts.renamed;
      continue;
    }
    switch (change.kind) {
      case ChangeKind::kAdded: ++counts.added; break;
      case ChangeKind::kModified: ++counts.modified; break;
      case ChangeKind::kDeleted: ++counts.deleted; break;
      case ChangeKind::kMetadata: ++counts.metadata; break;
    }
  }
  return counts;
}

absl::Status LayerError(int error, const char* what, const std::string& path) {
  std::string text = absl::StrCat(what, path.empty() ? "" : " ", QuotedPath(path), ": ");
  switch (error) {
    case EXDEV: return absl::FailedPreconditionError(text + "another file system is mounted there");
    case ELOOP: return absl::FailedPreconditionError(text + "it was replaced by a symbolic link");
    case EACCES:
    case EPERM: return absl::PermissionDeniedError(text + strerror(error));
    case ENOSPC:
    case EDQUOT: return absl::ResourceExhaustedError(text + strerror(error));
    default: return absl::InternalError(text + strerror(error));
  }
}

}  // namespace sessionctl
