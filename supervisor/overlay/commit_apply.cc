#include "supervisor/overlay/commit_apply.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/overlay/changes.h"
#include "supervisor/overlay/quoted_path.h"

namespace sessionctl {
namespace {

constexpr int kUndoRetries = 2000;  // of a millisecond, in all

SysResult<CommitPlace> FindPlace(int lower, const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash);
  SysResult<OwnedFd> parent = PinEntry(lower, directory);
  if (!parent.ok()) return Errno(parent.error());
  SysResult<struct stat> st = Fstat(parent->get());
  if (!st.ok()) return Errno(st.error());
  if (!S_ISDIR(st->st_mode)) return Errno(ENOTDIR);
  return CommitPlace{std::move(*parent), directory,
                     slash == std::string::npos ? path : path.substr(slash + 1)};
}

// 0: nothing is there.
uint64_t InodeAt(int directory, const std::string& name) {
  struct stat st;
  if (fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return st.st_ino;
}

SysStatus Move(int from, const std::string& name, int to, const std::string& new_name,
               unsigned flags) {
  if (renameat2(from, name.c_str(), to, new_name.c_str(), flags) != 0) return LastErrno();
  return Done{};
}

absl::Status Changed(const std::string& path) {
  return absl::AbortedError(
      absl::StrCat(QuotedPath(path), " was changed in the lower directory during the commit"));
}

absl::Status StepError(int error, const std::string& path) {
  switch (error) {
    case EEXIST:
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV: return Changed(path);
    case EINVAL:
      return absl::FailedPreconditionError(
          absl::StrCat("cannot move ", QuotedPath(path),
                       ": the file system of the lower directory has no RENAME_EXCHANGE"));
    default: return LayerError(error, "cannot change", path);
  }
}

}  // namespace

CommitSteps::CommitSteps(int lower, int staging, const CommitJournal& journal,
                         std::function<void()> before_step)
    : lower_(lower), staging_(staging), journal_(journal), before_step_(std::move(before_step)) {
  for (const CommitStep& step : journal_.steps) {
    if (step.kind == StepKind::kReplace || step.kind == StepKind::kRemove) {
      moved_away_.emplace(step.path, &step);
    }
  }
}

absl::Status CommitSteps::Apply() {
  for (const CommitStep& step : journal_.steps) {
    if (IsApplied(step)) continue;
    if (before_step_) before_step_();
    if (absl::Status applied = ApplyOne(step); !applied.ok()) return applied;
  }
  return absl::OkStatus();
}

absl::Status CommitSteps::Undo() {
  std::vector<std::string> failures;
  int retries = kUndoRetries;
  for (auto step = journal_.steps.rbegin(); step != journal_.steps.rend(); ++step) {
    if (before_step_) before_step_();
    absl::Status undone = UndoOne(*step);
    // Somebody who swaps directories about is in the way for a moment only.
    for (; !undone.ok() && retries > 0; --retries) {
      usleep(1000);
      undone = UndoOne(*step);
    }
    if (!undone.ok()) failures.emplace_back(undone.message());
  }
  if (failures.empty()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("not everything could be taken back; what is missing is in ", journal_.staging,
                   ": ", absl::StrJoin(failures, "; ")));
}

bool CommitSteps::IsApplied(const CommitStep& step) const {
  const uint64_t staged = step.staged.empty() ? 0 : InodeAt(staging_, step.staged);
  switch (step.kind) {
    case StepKind::kAdd: return staged == 0;
    case StepKind::kReplace:
    case StepKind::kRemove: return staged == step.before;
    case StepKind::kAttributes: return IsMovedAway(step);  // else it is done again
  }
  return false;
}

// Does something lie in the staging directory that was at its place: the right object, or the one
// that was there in its stead, and was not put back?
bool CommitSteps::IsMoved(const CommitStep& step) const {
  const uint64_t staged = InodeAt(staging_, step.staged);
  return staged != 0 && staged != step.after;
}

// A directory that was made writable so that it can be moved, and has been.
bool CommitSteps::IsMovedAway(const CommitStep& step) const {
  const auto found = moved_away_.find(step.path);
  return found != moved_away_.end() && found->second->before == step.before &&
         IsApplied(*found->second);
}

// Is the directory that was written to still the one at that path beneath the lower directory?
bool CommitSteps::IsInPlace(int parent, const std::string& directory) const {
  SysResult<OwnedFd> now = PinEntry(lower_, directory);
  if (!now.ok()) return false;
  SysResult<struct stat> there = Fstat(now->get()), here = Fstat(parent);
  return there.ok() && here.ok() && there->st_ino == here->st_ino && there->st_dev == here->st_dev;
}

// Where a step has moved another name of the same file away, its change time is the commit's doing,
// and only its content can be judged.
bool CommitSteps::IsAsPlanned(const struct stat& st) const {
  if (Earlier(st.st_ctim, journal_.since)) return true;
  if (S_ISDIR(st.st_mode) || st.st_nlink < 2 || !Earlier(st.st_mtim, journal_.since)) return false;
  return std::any_of(journal_.steps.begin(), journal_.steps.end(), [&](const CommitStep& other) {
    if (other.kind != StepKind::kReplace && other.kind != StepKind::kRemove) return false;
    struct stat staged;
    const int found = fstatat(staging_, other.staged.c_str(), &staged, AT_SYMLINK_NOFOLLOW);
    return found == 0 && staged.st_ino == st.st_ino;
  });
}

absl::Status CommitSteps::CheckBefore(int parent, const std::string& name,
                                      const CommitStep& step) const {
  struct stat st;
  if (fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return Changed(step.path);
  if (st.st_ino != step.before) return Changed(step.path);
  // A directory's time is set by the commit's own steps, too: what is in it is looked at later.
  if (!S_ISDIR(st.st_mode) && !IsAsPlanned(st)) return Changed(step.path);
  return absl::OkStatus();
}

bool CommitSteps::IsUntouched(int pinned, int depth) const {
  SysResult<std::vector<std::string>> names = ReadNames(pinned);
  if (!names.ok() || depth > kMaxLayerDepth) return false;
  for (const std::string& name : *names) {
    SysResult<OwnedFd> entry = PinEntry(pinned, name);
    if (!entry.ok()) return false;
    SysResult<struct stat> st = Fstat(entry->get());
    if (!st.ok() || !IsAsPlanned(*st)) return false;
    if (S_ISDIR(st->st_mode) && !IsUntouched(entry->get(), depth + 1)) return false;
  }
  return true;
}

absl::Status CommitSteps::CheckMoved(const CommitStep& step) const {
  SysResult<OwnedFd> moved = PinEntry(staging_, step.staged);
  if (!moved.ok()) return Changed(step.path);
  SysResult<struct stat> st = Fstat(moved->get());
  if (!st.ok() || st->st_ino != step.before) return Changed(step.path);
  if (S_ISREG(st->st_mode) && !Earlier(st->st_mtim, journal_.since)) return Changed(step.path);
  if (S_ISDIR(st->st_mode) && !IsUntouched(moved->get(), 0)) return Changed(step.path);
  return absl::OkStatus();
}

absl::Status CommitSteps::SetOne(const CommitStep& step, const ObjectAttributes& wanted) {
  SysResult<OwnedFd> pinned = PinEntry(lower_, step.path);
  if (!pinned.ok()) return StepError(pinned.error(), step.path);
  SysResult<struct stat> st = Fstat(pinned->get());
  if (!st.ok()) return StepError(st.error(), step.path);
  if (st->st_ino != step.before || st->st_dev != journal_.device) return Changed(step.path);
  const SysStatus set = SetAttributes(pinned->get(), wanted, step.times);
  return set.ok() ? absl::OkStatus() : StepError(set.error(), step.path);
}

absl::Status CommitSteps::ApplyOne(const CommitStep& step) {
  if (step.kind == StepKind::kAttributes) return SetOne(step, step.wanted);
  SysResult<CommitPlace> place = FindPlace(lower_, step.path);
  if (!place.ok()) return StepError(place.error(), step.path);
  const int parent = place->parent.get();
  if (step.kind == StepKind::kAdd) {
    const SysStatus moved = Move(staging_, step.staged, parent, place->name, RENAME_NOREPLACE);
    if (!moved.ok()) return StepError(moved.error(), step.path);
    if (IsInPlace(parent, place->directory)) return absl::OkStatus();
    // Its directory was moved out under it, and it with it.
    (void)Move(parent, place->name, staging_, step.staged, RENAME_NOREPLACE);
    return Changed(step.path);
  }
  const unsigned flags = step.kind == StepKind::kReplace ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  if (!IsMoved(step)) {
    absl::Status before = CheckBefore(parent, place->name, step);
    if (!before.ok()) return before;
    const SysStatus moved = Move(parent, place->name, staging_, step.staged, flags);
    if (!moved.ok()) return StepError(moved.error(), step.path);
  }
  if (before_step_) before_step_();
  absl::Status right = CheckMoved(step);
  if (right.ok() && !IsInPlace(parent, place->directory)) right = Changed(step.path);
  if (!right.ok()) (void)Move(staging_, step.staged, parent, place->name, flags);
  return right;
}

absl::Status CommitSteps::UndoOne(const CommitStep& step) {
  if (step.kind == StepKind::kAttributes) {
    absl::Status set = IsMovedAway(step) ? absl::OkStatus() : SetOne(step, step.old);
    // What is somebody else's now is not ours to set back.
    return absl::IsAborted(set) ? absl::OkStatus() : set;
  }
  const bool done = step.kind == StepKind::kAdd ? IsApplied(step) : IsMoved(step);
  if (!done) return absl::OkStatus();
  SysResult<CommitPlace> place = FindPlace(lower_, step.path);
  if (!place.ok()) return StepError(place.error(), step.path);
  return step.kind == StepKind::kAdd ? TakeBack(*place, step) : PutBack(*place, step);
}

// The commit's own object, if it is still there.
absl::Status CommitSteps::TakeBack(const CommitPlace& place, const CommitStep& step) {
  const int parent = place.parent.get();
  if (InodeAt(parent, place.name) != step.after) return absl::OkStatus();
  const SysStatus moved = Move(parent, place.name, staging_, step.staged, RENAME_NOREPLACE);
  if (!moved.ok()) return StepError(moved.error(), step.path);
  if (InodeAt(staging_, step.staged) == step.after) return absl::OkStatus();
  (void)Move(staging_, step.staged, parent, place.name, RENAME_NOREPLACE);
  return absl::OkStatus();
}

// What the step has moved away; in exchange for the commit's own object where that is still there.
absl::Status CommitSteps::PutBack(const CommitPlace& place, const CommitStep& step) {
  const int parent = place.parent.get();
  const uint64_t there = InodeAt(parent, place.name);
  if (there != 0 && there != step.after) return Changed(step.path);
  const unsigned flags = there == 0 ? RENAME_NOREPLACE : RENAME_EXCHANGE;
  const SysStatus moved = Move(staging_, step.staged, parent, place.name, flags);
  if (!moved.ok()) return StepError(moved.error(), step.path);
  if (flags == RENAME_NOREPLACE || InodeAt(staging_, step.staged) == step.after) {
    return absl::OkStatus();
  }
  (void)Move(staging_, step.staged, parent, place.name, flags);
  return Changed(step.path);
}

absl::Status SyncFileSystem(int directory) {
  SysResult<OwnedFd> opened = Reopen(directory, O_RDONLY | O_DIRECTORY);
  if (!opened.ok()) return LayerError(opened.error(), "cannot sync the file system", "");
  if (syncfs(opened->get()) != 0) return LayerError(errno, "cannot sync the file system", "");
  return absl::OkStatus();
}

}  // namespace sessionctl
