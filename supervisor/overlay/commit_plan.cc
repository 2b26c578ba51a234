#include "supervisor/overlay/commit_plan.h"

#include <unistd.h>

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "supervisor/overlay/quoted_path.h"

namespace sessionctl {
namespace {

constexpr mode_t kWritable = 0300;  // names can be made in it, and it can be moved

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

bool IsWithin(const std::string& path, const std::string& directory) {
  return directory.empty() || path == directory ||
         (path.starts_with(directory) && path[directory.size()] == '/');
}

// A directory that the lower layer does not have: what is in it needs it.
bool MakesDirectory(const OverlayChange& change) {
  return change.after && change.after->IsDirectory() &&
         (change.kind == ChangeKind::kAdded || change.type);
}

class Planner {
 public:
  Planner(int lower, KeepPrivileges privileges) : lower_(lower), privileges_(privileges) {}

  absl::StatusOr<CommitPlan> Plan(const std::vector<const OverlayChange*>& selected) {
    for (const OverlayChange* change : selected) {
      if (absl::Status taken = Take(*change); !taken.ok()) return taken;
    }
    // From the top down, then what is to be done, then from the bottom up.
    std::vector<PlannedStep> steps;
    for (auto& [path, step] : opening_) steps.push_back(std::move(step));
    const int offset = static_cast<int>(steps.size() + main_.size());
    for (PlannedStep& step : main_) {
      if (const auto closing = closing_.find(step.step.path);
          step.sealed_by >= 0 && closing != closing_.end()) {
        const auto after = std::distance(closing, closing_.end()) - 1;
        step.sealed_by = offset + static_cast<int>(after);
      }
      steps.push_back(std::move(step));
    }
    for (auto step = closing_.rbegin(); step != closing_.rend(); ++step) {
      steps.push_back(std::move(step->second));
    }
    return CommitPlan{std::move(steps), std::move(notes_)};
  }

 private:
  absl::Status Take(const OverlayChange& change);
  void TakeAttributes(const OverlayChange& change, const ObjectAttributes& wanted);
  // Makes the directory writable for the time of the commit, if it is not.
  absl::Status NeedWritable(const std::string& directory);
  void Open(const std::string& path, const LayerEntry& entry);
  ObjectAttributes Wanted(const OverlayChange& change);

  const int lower_;
  const KeepPrivileges privileges_;
  std::map<std::string, PlannedStep> opening_, closing_;
  std::vector<PlannedStep> main_;
  std::set<std::string> looked_at_;
  std::vector<CommitNote> notes_;
};

// Without what would lend privileges, but for what the lower layer's object lends already: its
// bytes and its owner stay.
ObjectAttributes Planner::Wanted(const OverlayChange& change) {
  ObjectAttributes wanted = AttributesOf(*change.after);
  const ObjectAttributes whole = wanted;
  if (privileges_ == KeepPrivileges::kYes || !DropPrivileges(change.after->mode, &wanted)) {
    return wanted;
  }
  if (change.kind == ChangeKind::kMetadata && !change.owner) {
    wanted.mode |= whole.mode & change.before->mode & (S_ISUID | S_ISGID);
    if (!change.attributes) wanted.attributes = whole.attributes;
  }
  if (wanted.mode != whole.mode || wanted.attributes != whole.attributes) {
    notes_.push_back({change.path, "set-user-ID, set-group-ID and capabilities are dropped"});
  }
  return wanted;
}

void Planner::Open(const std::string& path, const LayerEntry& entry) {
  ObjectAttributes open = AttributesOf(entry);
  open.mode |= kWritable | S_IRUSR;
  PlannedStep opening = {.step = {.kind = StepKind::kAttributes,
                                  .path = path,
                                  .before = entry.inode,
                                  .after = entry.inode,
                                  .old = AttributesOf(entry),
                                  .wanted = open}};
  opening_.emplace(path, std::move(opening));
}

absl::Status Planner::NeedWritable(const std::string& directory) {
  if (geteuid() == 0 || !looked_at_.insert(directory).second) return absl::OkStatus();
  SysResult<OwnedFd> pinned = PinEntry(lower_, directory);
  if (!pinned.ok()) return LayerError(pinned.error(), "cannot look at", directory);
  SysResult<LayerEntry> entry = ReadEntry(pinned->get());
  if (!entry.ok()) return LayerError(entry.error(), "cannot look at", directory);
  const bool writable = (entry->mode & kWritable) == kWritable;
  // Somebody else's: the kernel decides.
  if (writable || entry->uid != geteuid() || opening_.contains(directory)) return absl::OkStatus();
  Open(directory, *entry);
  PlannedStep closing = opening_.at(directory);
  std::swap(closing.step.old, closing.step.wanted);
  // Where it has a change of its own, that is how it is closed.
  const auto [place, fresh] = closing_.emplace(directory, closing);
  if (!fresh) place->second.step.old = closing.step.old;
  return absl::OkStatus();
}

void Planner::TakeAttributes(const OverlayChange& change, const ObjectAttributes& wanted) {
  PlannedStep planned = {.step = {.kind = StepKind::kAttributes,
                                  .path = change.path,
                                  .before = change.before->inode,
                                  .after = change.before->inode,
                                  .times = change.times,
                                  .old = AttributesOf(*change.before),
                                  .wanted = wanted}};
  const bool first = change.after->IsDirectory() && (change.after->mode & kWritable) == kWritable;
  auto& where = first ? opening_ : closing_;
  where.insert_or_assign(change.path, std::move(planned));
}

absl::Status Planner::Take(const OverlayChange& change) {
  const bool copied = change.kind == ChangeKind::kAdded || change.kind == ChangeKind::kModified;
  if (copied && (S_ISSOCK(change.after->mode) || S_ISCHR(change.after->mode) ||
                 S_ISBLK(change.after->mode))) {
    notes_.push_back(
        {change.path, absl::StrCat("a ", EntryTypeName(change.after->mode), " is not committed")});
    return absl::OkStatus();
  }
  const ObjectAttributes wanted = change.after ? Wanted(change) : ObjectAttributes();
  if (!main_.empty() && IsWithin(change.path, main_.back().step.path) &&
      main_.back().step.path != change.path) {
    if (copied) main_.back().copies.push_back(&change);
    return absl::OkStatus();  // what was deleted there goes with the directory around it
  }
  if (change.kind == ChangeKind::kMetadata) {
    TakeAttributes(change, wanted);
    return absl::OkStatus();
  }
  if (absl::Status writable = NeedWritable(ParentOf(change.path)); !writable.ok()) return writable;
  PlannedStep planned = {.step = {.kind = change.kind == ChangeKind::kAdded ? StepKind::kAdd
                                          : copied                          ? StepKind::kReplace
                                                                            : StepKind::kRemove,
                                  .path = change.path,
                                  .staged = absl::StrCat(main_.size()),
                                  .before = change.before ? change.before->inode : 0}};
  const auto locked = [](const LayerEntry& entry) {
    return entry.IsDirectory() && geteuid() != 0 && (entry.mode & kWritable) != kWritable;
  };
  if (change.before && locked(*change.before)) Open(change.path, *change.before);
  if (copied) planned.copies.push_back(&change);
  if (copied && locked(*change.after)) {
    PlannedStep closing = {
        .step = {
            .kind = StepKind::kAttributes, .path = change.path, .old = wanted, .wanted = wanted}};
    closing.step.old.mode |= kWritable | S_IRUSR;
    closing_.insert_or_assign(change.path, std::move(closing));
    planned.sealed_by = 0;  // numbered by Plan
  }
  main_.push_back(std::move(planned));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<const OverlayChange*>> SelectChanges(
    const std::vector<OverlayChange>& changes, const std::vector<std::string>& paths) {
  std::map<std::string, size_t> by_path;
  for (size_t index = 0; index < changes.size(); ++index) by_path[changes[index].path] = index;
  std::set<size_t> selected;
  const auto select = [&](size_t index) {
    selected.insert(index);
    for (std::string parent = ParentOf(changes[index].path); !parent.empty();
         parent = ParentOf(parent)) {
      const auto found = by_path.find(parent);
      if (found != by_path.end() && MakesDirectory(changes[found->second])) {
        selected.insert(found->second);
      }
    }
  };
  for (const std::string& path : paths) {
    bool any = false;
    for (size_t index = 0; index < changes.size(); ++index) {
      if (!IsWithin(changes[index].path, path)) continue;
      any = true;
      select(index);
      if (!changes[index].renamed.empty()) select(by_path.at(changes[index].renamed));
    }
    if (!any) return absl::NotFoundError(absl::StrCat("nothing has changed at ", QuotedPath(path)));
  }
  std::vector<const OverlayChange*> list;
  for (size_t index = 0; index < changes.size(); ++index) {
    if (paths.empty() || selected.contains(index)) list.push_back(&changes[index]);
  }
  return list;
}

absl::StatusOr<CommitPlan> PlanCommit(int lower, const std::vector<const OverlayChange*>& selected,
                                      KeepPrivileges privileges) {
  return Planner(lower, privileges).Plan(selected);
}

}  // namespace sessionctl
