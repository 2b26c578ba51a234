#include "supervisor/overlay/commit_stage.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

struct Split {
  std::string directory, name;
};

Split SplitPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

Stage::Stage(const OverlayLayers& layers, int staging, KeepPrivileges privileges,
             std::function<bool()> stop, std::function<void()> before_step)
    : layers_(layers),
      staging_(staging),
      privileges_(privileges),
      stop_(std::move(stop)),
      before_step_(std::move(before_step)) {}

absl::Status Stage::Make(CommitPlan* plan) {
  for (PlannedStep& planned : plan->steps) {
    if (planned.copies.empty()) continue;
    if (absl::Status made = MakeTree(&planned); !made.ok()) return made;
    if (planned.sealed_by < 0) continue;
    CommitStep& seal = plan->steps[static_cast<size_t>(planned.sealed_by)].step;
    seal.before = seal.after = planned.step.after;
  }
  return absl::OkStatus();
}

absl::Status Stage::MakeTree(PlannedStep* planned) {
  const std::string& top = planned->step.path;
  const auto staged = [&](const OverlayChange& change) {
    return planned->step.staged + change.path.substr(top.size());
  };
  for (const OverlayChange* change : planned->copies) {
    if (stop_ && stop_()) return absl::CancelledError("stopped");
    if (before_step_) before_step_();
    if (absl::Status made = MakeOne(*change, staged(*change)); !made.ok()) return made;
  }
  // Directories when nothing is made in them any more.
  for (auto change = planned->copies.rbegin(); change != planned->copies.rend(); ++change) {
    if (!(*change)->after->IsDirectory()) continue;
    const bool later = (*change)->path == top && planned->sealed_by >= 0;
    if (absl::Status done = Finish(**change, staged(**change), later); !done.ok()) return done;
  }
  SysResult<OwnedFd> made = PinEntry(staging_, planned->step.staged);
  if (!made.ok()) return LayerError(made.error(), "cannot stage", top);
  SysResult<struct stat> st = Fstat(made->get());
  if (!st.ok()) return LayerError(st.error(), "cannot stage", top);
  planned->step.after = st->st_ino;
  return absl::OkStatus();
}

absl::Status Stage::MakeOne(const OverlayChange& change, const std::string& staged) {
  const Split at = SplitPath(staged);
  SysResult<OwnedFd> directory = PinEntry(staging_, at.directory);
  if (!directory.ok()) return LayerError(directory.error(), "cannot stage", change.path);
  if (!change.same_file.empty()) {
    SysResult<OwnedFd> linked = LinkTo(change, directory->get(), at.name);
    if (!linked.ok()) return LayerError(linked.error(), "cannot link", change.path);
    if (linked->valid()) return absl::OkStatus();
  }
  SysResult<OwnedFd> source = PinEntry(layers_.upper, change.path);
  if (!source.ok()) return LayerError(source.error(), "cannot read", change.path);
  SysResult<OwnedFd> copy =
      CopyObject(source->get(), *change.after, directory->get(), at.name, stop_);
  if (copy.error() == ECANCELED) return absl::CancelledError("stopped");
  if (!copy.ok()) return LayerError(copy.error(), "cannot copy", change.path);
  staged_.emplace(change.path, staged);
  return change.after->IsDirectory() ? absl::OkStatus() : Finish(change, staged, false);
}

SysResult<OwnedFd> Stage::LinkTo(const OverlayChange& change, int directory,
                                 const std::string& name) {
  const auto found = staged_.find(change.same_file);
  SysResult<OwnedFd> first = found != staged_.end() ? PinEntry(staging_, found->second)
                                                    : PinEntry(layers_.lower, change.same_file);
  if (!first.ok()) return OwnedFd();
  if (found == staged_.end()) {
    SysResult<OwnedFd> upper = PinEntry(layers_.upper, change.path);
    if (!upper.ok()) return Errno(upper.error());
    SysResult<bool> same = SameContent(upper->get(), first->get());
    if (!same.ok() || !*same) return OwnedFd();  // its first name is not committed
  }
  const FdPath path(first->get());
  if (linkat(AT_FDCWD, path.c_str(), directory, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    // Another file system's limit, or a file that may not be linked: a copy then.
    if (errno == EMLINK || errno == EPERM) return OwnedFd();
    return LastErrno();
  }
  return first;
}

absl::Status Stage::Finish(const OverlayChange& change, const std::string& staged,
                           bool sealed_later) {
  SysResult<OwnedFd> pinned = PinEntry(staging_, staged);
  if (!pinned.ok()) return LayerError(pinned.error(), "cannot stage", change.path);
  ObjectAttributes wanted = AttributesOf(*change.after);
  if (privileges_ == KeepPrivileges::kNo) DropPrivileges(change.after->mode, &wanted);
  if (sealed_later) wanted.mode |= S_IRWXU;
  const SysStatus set = SetAttributes(pinned->get(), wanted, true);
  if (!set.ok()) return LayerError(set.error(), "cannot set the attributes of", change.path);
  return absl::OkStatus();
}

}  // namespace sessionctl
