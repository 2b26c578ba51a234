// Carries out the steps of a commit's journal beneath the lower directory, and takes them back.
// Whoever may write to the lower directory may be at work in it: parents are opened beneath it
// anew for each step and followed over no link, an object is moved first and then looked at, and
// put back when it is not the one that was meant.
#ifndef SUPERVISOR_OVERLAY_COMMIT_APPLY_H_
#define SUPERVISOR_OVERLAY_COMMIT_APPLY_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "sandbox/base/owned_fd.h"
#include "supervisor/overlay/commit_journal.h"

namespace sessionctl {

// Where a step acts: a directory beneath the lower one, and a name in it.
struct CommitPlace {
  OwnedFd parent;
  std::string directory, name;
};

class CommitSteps {
 public:
  // Held by the caller. What was changed in the lower directory after the staging directory was
  // made is not what the commit was decided on. `before_step` may be null.
  CommitSteps(int lower, int staging, const CommitJournal& journal,
              std::function<void()> before_step);

  // All that are not done yet. Errors: kAborted: somebody has changed what a step is about, and
  // which path it was; others as the file system says. Then everything is to be taken back.
  absl::Status Apply();

  // Takes all back, last first. Something that cannot be taken back stays, and what belongs in its
  // place stays in the staging directory: kDataLoss, with the paths.
  absl::Status Undo();

 private:
  absl::Status ApplyOne(const CommitStep& step);
  absl::Status UndoOne(const CommitStep& step);
  absl::Status TakeBack(const CommitPlace& place, const CommitStep& step);
  absl::Status PutBack(const CommitPlace& place, const CommitStep& step);
  absl::Status SetOne(const CommitStep& step, const ObjectAttributes& wanted);
  bool IsApplied(const CommitStep& step) const;
  bool IsMoved(const CommitStep& step) const;
  bool IsMovedAway(const CommitStep& step) const;
  absl::Status CheckBefore(int parent, const std::string& name, const CommitStep& step) const;
  // After an object was moved into the staging directory: is it the one?
  absl::Status CheckMoved(const CommitStep& step) const;
  bool IsUntouched(int pinned, int depth) const;
  // Did nobody else change it since the plan was made?
  bool IsAsPlanned(const struct stat& st) const;
  bool IsInPlace(int parent, const std::string& directory) const;

  const int lower_, staging_;
  const CommitJournal& journal_;
  const std::function<void()> before_step_;
  std::map<std::string, const CommitStep*> moved_away_;  // by path: what is replaced or removed
};

// The file systems below have written everything that was changed.
absl::Status SyncFileSystem(int directory);

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_COMMIT_APPLY_H_
