// Brings what a session has changed in its overlay into the lower directory: all of it or nothing,
// whatever happens meanwhile. Knows nothing of sessions.
//
// First copies of everything are made in a staging directory in the lower directory (so that they
// are on its file system), then the journal is synced, then each copy is moved into its place by
// one rename, and what was there into the staging directory. So a crash loses nothing:
// RecoverCommit finishes what can be finished, and else takes it back. Others may see the steps one
// after the other.
#ifndef SUPERVISOR_OVERLAY_COMMIT_H_
#define SUPERVISOR_OVERLAY_COMMIT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "supervisor/overlay/changes.h"
#include "supervisor/overlay/commit_plan.h"

namespace sessionctl {

struct CommitOptions {
  std::vector<std::string> paths;  // relative to the mount; none: everything
  bool dry_run = false;
  bool force = false;  // also over what was changed in the lower directory since
  KeepPrivileges privileges = KeepPrivileges::kNo;
  std::function<bool()> stop;         // asked now and then; true: nothing is to be committed
  std::function<void()> before_step;  // for tests: before anything that a crash may come before
};

struct CommitReport {
  bool committed = false;  // false: a dry run, or there are conflicts and nothing was done
  std::vector<OverlayChange> changes;  // those that were asked for
  std::vector<CommitNote> conflicts;
  std::vector<CommitNote> notes;
};

// `directory`: of the layer, where the journal is kept; nobody else may write there. The overlay
// must not be mounted. When all is committed the upper layer is emptied. Errors: kUnavailable:
// another commit is at work; kNotFound (`paths`), kCancelled, kFailedPrecondition,
// kPermissionDenied, kResourceExhausted: nothing has changed; kDataLoss: it could not be taken back
// entirely, and where the rest is.
absl::StatusOr<CommitReport> CommitChanges(const OverlayLayers& layers, int directory,
                                           const CommitOptions& options);

enum class Recovery { kNothingToDo, kFinished, kUndone };

// After a crash, before anything else is done with the layer. Errors: as above, and kUnavailable:
// the commit is still at work.
absl::StatusOr<Recovery> RecoverCommit(const OverlayLayers& layers, int directory,
                                       const std::function<void()>& before_step = {});

// Empties the upper layer. Where the lower directory is gone (-1), a commit that was interrupted is
// forgotten: there is nothing any more to finish or undo it in. Errors: kUnavailable,
// kPermissionDenied.
absl::Status DiscardChanges(const OverlayLayers& layers, int directory);

// Has a commit of this layer a journal: because it is at work, or because it was interrupted?
bool WasCommitInterrupted(int directory);
// Does somebody hold the layer's lock?
bool IsCommitAtWork(int directory);

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_COMMIT_H_
