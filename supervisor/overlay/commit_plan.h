// Which steps bring changes into the lower directory. Reads the lower directory, writes nothing.
#ifndef SUPERVISOR_OVERLAY_COMMIT_PLAN_H_
#define SUPERVISOR_OVERLAY_COMMIT_PLAN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "supervisor/overlay/changes.h"
#include "supervisor/overlay/commit_journal.h"

namespace sessionctl {

// Something that a commit leaves out, or that stands in its way.
struct CommitNote {
  std::string path;
  std::string text;
};

struct PlannedStep {
  CommitStep step;
  // What is to be copied for it: the object itself, then everything in it, directories first.
  std::vector<const OverlayChange*> copies;
  // An added directory that must stay writable until it is in its place: its own attributes are set
  // by a later step, of this index. -1: none.
  int sealed_by = -1;
};

struct CommitPlan {
  std::vector<PlannedStep> steps;
  std::vector<CommitNote> notes;  // what is not committed, and why
};

// Those of `changes` at or below one of `paths`, all when there are none; with the directories that
// they need, and the other halves of renames. Errors: kNotFound: nothing has changed at a path.
absl::StatusOr<std::vector<const OverlayChange*>> SelectChanges(
    const std::vector<OverlayChange>& changes, const std::vector<std::string>& paths);

// Modes come so that the caller, if it is an ordinary user, may do each step: what has to be
// writable for a step is made so before, and gets its own mode after. Errors: kFailedPrecondition,
// kPermissionDenied, with the path.
absl::StatusOr<CommitPlan> PlanCommit(int lower, const std::vector<const OverlayChange*>& selected,
                                      KeepPrivileges privileges);

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_COMMIT_PLAN_H_
