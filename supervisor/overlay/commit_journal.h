// The journal of a commit: what it is about to do, written and synced before it does it, so that a
// commit that was interrupted can be finished or undone by whoever comes next. A plain value; reads
// and writes beneath a directory of the session's own.
//
// How far it has come is not written but seen: each step moves an object between its place and the
// staging directory, and the inode that lies there tells which side of the step it is.
#ifndef SUPERVISOR_OVERLAY_COMMIT_JOURNAL_H_
#define SUPERVISOR_OVERLAY_COMMIT_JOURNAL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supervisor/overlay/object_copy.h"

namespace sessionctl {

inline constexpr char kCommitJournalFile[] = "commit.json";

enum class StepKind {
  kAdd,         // staged → its place, where nothing is
  kReplace,     // staged ↔ its place: what was there lies in the staging directory afterwards
  kRemove,      // its place → the staging directory
  kAttributes,  // set where it is
};

struct CommitStep {
  StepKind kind = StepKind::kAdd;
  std::string path;     // relative to the lower directory
  std::string staged;   // the name in the staging directory; "" for kAttributes
  uint64_t before = 0;  // inode of what is there before the step; 0: nothing
  uint64_t after = 0;   // and after it
  bool times = false;   // kAttributes: these too
  ObjectAttributes old, wanted;
};

enum class CommitState {
  kStaging,   // nothing of the lower directory has been touched, but for the staging directory
  kApplying,  // to be finished; or, where that is not possible, undone
  kUndoing,
  kCleaning,  // done: the staging directory and, if `empties_layer`, the layer are to be emptied
};

struct CommitJournal {
  CommitState state = CommitState::kStaging;
  uint64_t device = 0, inode = 0;  // of the lower directory
  std::string staging;             // the name of a directory in it
  uint64_t staging_inode = 0;      // 0: not known to exist
  timespec since{};                // when it was made
  bool empties_layer = false;
  std::vector<CommitStep> steps;
};

std::string CommitJournalToJson(const CommitJournal& journal);
// Errors: kDataLoss, with what is wrong; kUnimplemented: of a later version.
absl::StatusOr<CommitJournal> CommitJournalFromJson(const std::string& json);

// Synced to disk. Errors: those of the file system.
absl::Status WriteCommitJournal(int directory, const CommitJournal& journal);
// Errors: kNotFound: there is none.
absl::StatusOr<CommitJournal> ReadCommitJournal(int directory);
absl::Status RemoveCommitJournal(int directory);

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_COMMIT_JOURNAL_H_
