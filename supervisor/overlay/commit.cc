#include "supervisor/overlay/commit.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/safe_file.h"
#include "supervisor/overlay/commit_apply.h"
#include "supervisor/overlay/commit_stage.h"
#include "supervisor/overlay/quoted_path.h"

namespace sessionctl {
namespace {

constexpr char kLock[] = "commit.lock";

absl::StatusOr<LockFile> LockLayer(int directory) {
  SysResult<LockFile> lock = LockFile::Acquire(directory, kLock, LockWait::kTry);
  if (lock.ok()) return std::move(*lock);
  if (lock.error() == EWOULDBLOCK) {
    return absl::UnavailableError("another commit or discard of these changes is at work");
  }
  return LayerError(lock.error(), "cannot lock the layer", "");
}

std::string StagingName() {
  uint64_t number = 0;
  (void)!getrandom(&number, sizeof(number), 0);
  return absl::StrFormat(".sessionctl-commit-%016x", number);
}

// One commit from its first trace on disk to its last.
class Commit {
 public:
  Commit(const OverlayLayers& layers, int directory, std::function<void()> before_step)
      : layers_(layers), directory_(directory), before_step_(std::move(before_step)) {}

  // Makes the staging directory. What the lower directory is like from now on is watched.
  absl::Status Begin();
  // The staging directory that an interrupted commit has left. kNotFound: there is none.
  absl::Status Resume(CommitJournal journal);

  absl::Status Stage(CommitPlan* plan, const CommitOptions& options);
  // All or nothing: an error says that all was taken back, kDataLoss that it was not.
  absl::Status Apply();
  absl::Status Undo();
  // The end, in either case.
  absl::Status Clean();

  CommitJournal& journal() { return journal_; }

 private:
  void Step() const {
    if (before_step_) before_step_();
  }
  absl::Status Write(CommitState state);
  absl::Status OpenStaging();

  const OverlayLayers& layers_;
  const int directory_;
  const std::function<void()> before_step_;
  CommitJournal journal_;
  OwnedFd staging_;
};

absl::Status Commit::Write(CommitState state) {
  Step();
  journal_.state = state;
  return WriteCommitJournal(directory_, journal_);
}

absl::Status Commit::OpenStaging() {
  SysResult<OwnedFd> opened = PinEntry(layers_.lower, journal_.staging);
  if (opened.error() == ENOENT) return absl::NotFoundError("no staging directory");
  if (!opened.ok()) return LayerError(opened.error(), "cannot open", journal_.staging);
  SysResult<LayerEntry> entry = ReadEntry(opened->get());
  if (!entry.ok()) return LayerError(entry.error(), "cannot open", journal_.staging);
  const bool ours = entry->IsDirectory() && entry->uid == geteuid() &&
                    (journal_.staging_inode == 0 || entry->inode == journal_.staging_inode);
  if (!ours) {
    return absl::FailedPreconditionError(
        absl::StrCat(journal_.staging, " in the lower directory was replaced"));
  }
  staging_ = std::move(*opened);
  return absl::OkStatus();
}

absl::Status Commit::Begin() {
  SysResult<struct stat> lower = Fstat(layers_.lower);
  if (!lower.ok()) return LayerError(lower.error(), "cannot look at the lower directory", "");
  journal_.device = lower->st_dev;
  journal_.inode = lower->st_ino;
  journal_.staging = StagingName();
  if (absl::Status written = Write(CommitState::kStaging); !written.ok()) return written;
  Step();
  if (mkdirat(layers_.lower, journal_.staging.c_str(), 0700) != 0) {
    return LayerError(errno, "cannot make a directory in the lower directory", "");
  }
  Step();
  if (absl::Status opened = OpenStaging(); !opened.ok()) return opened;
  SysResult<LayerEntry> entry = ReadEntry(staging_.get());
  if (!entry.ok()) return LayerError(entry.error(), "cannot look at", journal_.staging);
  journal_.staging_inode = entry->inode;
  journal_.since = entry->changed;
  // What is made in it must not inherit an access control list or a group.
  ObjectAttributes plain = AttributesOf(*entry);
  plain.mode = 0700;
  plain.attributes.clear();
  if (!SetAttributes(staging_.get(), plain, false).ok()) {
    return absl::FailedPreconditionError("cannot set the staging directory's attributes");
  }
  return Write(CommitState::kStaging);
}

absl::Status Commit::Resume(CommitJournal journal) {
  journal_ = std::move(journal);
  SysResult<struct stat> lower = Fstat(layers_.lower);
  if (!lower.ok() || lower->st_dev != journal_.device || lower->st_ino != journal_.inode) {
    return absl::FailedPreconditionError(
        "the lower directory is not the one that a commit was interrupted in");
  }
  return OpenStaging();
}

absl::Status Commit::Stage(CommitPlan* plan, const CommitOptions& options) {
  ::sessionctl::Stage stage(layers_, staging_.get(), options.privileges, options.stop,
                            before_step_);
  if (absl::Status made = stage.Make(plan); !made.ok()) return made;
  for (const PlannedStep& planned : plan->steps) journal_.steps.push_back(planned.step);
  Step();
  if (absl::Status synced = SyncFileSystem(staging_.get()); !synced.ok()) return synced;
  return Write(CommitState::kApplying);
}

absl::Status Commit::Apply() {
  CommitSteps steps(layers_.lower, staging_.get(), journal_, before_step_);
  absl::Status applied = steps.Apply();
  if (applied.ok()) applied = SyncFileSystem(staging_.get());
  if (applied.ok()) return Write(CommitState::kCleaning);
  if (absl::Status undone = Undo(); !undone.ok()) {
    return absl::DataLossError(
        absl::StrCat(std::string(applied.message()), "; ", std::string(undone.message())));
  }
  return applied;
}

absl::Status Commit::Undo() {
  if (absl::Status written = Write(CommitState::kUndoing); !written.ok()) return written;
  CommitSteps steps(layers_.lower, staging_.get(), journal_, before_step_);
  if (absl::Status undone = steps.Undo(); !undone.ok()) {
    // The staging directory holds what could not be put back: it stays, for a person to look at.
    (void)RemoveCommitJournal(directory_);
    return undone;
  }
  journal_.empties_layer = false;
  if (absl::Status synced = SyncFileSystem(staging_.get()); !synced.ok()) return synced;
  return absl::OkStatus();
}

absl::Status Commit::Clean() {
  if (staging_.valid()) {
    Step();
    // Before its inode is known there is nothing in it.
    if (journal_.staging_inode != 0) {
      const SysStatus emptied = RemoveContents(staging_.get());
      if (!emptied.ok()) return LayerError(emptied.error(), "cannot empty", journal_.staging);
    }
    Step();
    if (unlinkat(layers_.lower, journal_.staging.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      return LayerError(errno, "cannot remove", journal_.staging);
    }
  }
  if (journal_.empties_layer) {
    Step();
    const SysStatus emptied = RemoveContents(layers_.upper);
    if (!emptied.ok()) return LayerError(emptied.error(), "cannot empty the layer", "");
  }
  Step();
  return RemoveCommitJournal(directory_);
}

absl::StatusOr<Recovery> Recover(const OverlayLayers& layers, int directory,
                                 const std::function<void()>& before_step) {
  absl::StatusOr<CommitJournal> journal = ReadCommitJournal(directory);
  if (absl::IsNotFound(journal.status())) return Recovery::kNothingToDo;
  if (!journal.ok()) return journal.status();
  Commit commit(layers, directory, before_step);
  const CommitState state = journal->state;
  absl::Status resumed = commit.Resume(std::move(*journal));
  const bool gone = absl::IsNotFound(resumed);
  if (!resumed.ok() && !gone) return resumed;
  if (gone && (state == CommitState::kApplying || state == CommitState::kUndoing)) {
    (void)RemoveCommitJournal(directory);
    return absl::DataLossError(absl::StrCat(
        "a commit was interrupted, and somebody has removed ", commit.journal().staging,
        " from the lower directory: what has been committed stays, what was replaced is lost"));
  }
  bool finished = state == CommitState::kCleaning;
  if (state == CommitState::kApplying) {
    absl::Status applied = commit.Apply();
    if (absl::IsDataLoss(applied)) return applied;
    finished = applied.ok();
  }
  if (state == CommitState::kUndoing) {
    if (absl::Status undone = commit.Undo(); !undone.ok()) return undone;
  }
  if (!finished) commit.journal().empties_layer = false;
  if (absl::Status cleaned = commit.Clean(); !cleaned.ok()) return cleaned;
  return finished ? Recovery::kFinished : Recovery::kUndone;
}

// What was asked for, and what stands in its way.
absl::Status Decide(const OverlayLayers& layers, const CommitOptions& options, CommitReport* report,
                    CommitPlan* plan) {
  absl::StatusOr<std::vector<OverlayChange>> changes = FindChanges(layers, options.stop);
  if (!changes.ok()) return changes.status();
  absl::StatusOr<std::vector<const OverlayChange*>> selected =
      SelectChanges(*changes, options.paths);
  if (!selected.ok()) return selected.status();
  for (const OverlayChange* change : *selected) report->changes.push_back(*change);
  std::vector<const OverlayChange*> kept;
  for (const OverlayChange& change : report->changes) {
    kept.push_back(&change);
    if (!change.conflict.empty()) report->conflicts.push_back({change.path, change.conflict});
  }
  absl::StatusOr<CommitPlan> planned = PlanCommit(layers.lower, kept, options.privileges);
  if (!planned.ok()) return planned.status();
  report->notes = std::move(planned->notes);
  *plan = std::move(*planned);
  return absl::OkStatus();
}

}  // namespace

bool WasCommitInterrupted(int directory) {
  return faccessat(directory, kCommitJournalFile, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool IsCommitAtWork(int directory) {
  const SysResult<bool> held = LockFile::IsHeld(directory, kLock);
  return held.ok() && *held;
}

absl::StatusOr<Recovery> RecoverCommit(const OverlayLayers& layers, int directory,
                                       const std::function<void()>& before_step) {
  absl::StatusOr<LockFile> lock = LockLayer(directory);
  if (!lock.ok()) return lock.status();
  return Recover(layers, directory, before_step);
}

absl::Status DiscardChanges(const OverlayLayers& layers, int directory) {
  absl::StatusOr<LockFile> lock = LockLayer(directory);
  if (!lock.ok()) return lock.status();
  absl::Status ready =
      layers.lower >= 0 ? Recover(layers, directory, {}).status() : RemoveCommitJournal(directory);
  if (!ready.ok()) return ready;
  const SysStatus emptied = RemoveContents(layers.upper);
  return emptied.ok() ? absl::OkStatus()
                      : LayerError(emptied.error(), "cannot empty the layer", "");
}

absl::StatusOr<CommitReport> CommitChanges(const OverlayLayers& layers, int directory,
                                           const CommitOptions& options) {
  absl::StatusOr<LockFile> lock = LockLayer(directory);
  if (!lock.ok()) return lock.status();
  if (auto recovered = Recover(layers, directory, {}); !recovered.ok()) return recovered.status();
  CommitReport report;
  CommitPlan plan;
  if (options.dry_run) {
    if (absl::Status decided = Decide(layers, options, &report, &plan); !decided.ok()) {
      return decided;
    }
    return report;
  }
  Commit commit(layers, directory, options.before_step);
  absl::Status done = commit.Begin();
  if (done.ok()) done = Decide(layers, options, &report, &plan);
  const bool wanted = report.conflicts.empty() || options.force;
  commit.journal().empties_layer = options.paths.empty();
  if (done.ok() && wanted) done = commit.Stage(&plan, options);
  if (done.ok() && wanted) done = commit.Apply();
  report.committed = done.ok() && wanted;
  if (!report.committed) commit.journal().empties_layer = false;
  if (absl::IsDataLoss(done)) return done;
  absl::Status cleaned = commit.Clean();
  if (absl::IsAborted(done)) {
    report.conflicts.push_back({"", std::string(done.message())});
    return cleaned.ok() ? absl::StatusOr<CommitReport>(std::move(report)) : cleaned;
  }
  if (!done.ok()) return done;
  if (!cleaned.ok()) return cleaned;
  return report;
}

}  // namespace sessionctl
