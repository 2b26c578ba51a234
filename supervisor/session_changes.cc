#include "supervisor/session_changes.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/safe_file.h"
#include "supervisor/overlay/quoted_path.h"
#include "supervisor/overlay_layer.h"
#include "supervisor/session_store.h"

namespace sessionctl {
namespace {

// One mount's layers, held open.
struct HeldLayers {
  OverlayLayer layer;
  OwnedFd directory, upper, lower;
  timespec baseline{};

  OverlayLayers layers() const {
    return {.upper = upper.get(), .lower = lower.get(), .baseline = baseline};
  }
};

enum class LowerGone {
  kIsAnError,
  kIsNone,  // then it is not held
};

absl::StatusOr<HeldLayers> Hold(HeldOverlayLayer layer, LowerGone gone = LowerGone::kIsAnError) {
  absl::StatusOr<OwnedFd> lower = OpenLowerDirectory(layer.layer);
  const bool is_gone =
      absl::IsNotFound(lower.status()) || absl::IsFailedPrecondition(lower.status());
  if (is_gone && gone == LowerGone::kIsNone) lower = OwnedFd();
  if (is_gone && !lower.ok()) {
    return absl::FailedPreconditionError(std::string(lower.status().message()));
  }
  if (!lower.ok()) return lower.status();
  SysResult<OwnedFd> upper = OpenDirectoryBeneath(layer.directory.get(), kOverlayUpper);
  if (!upper.ok()) {
    return LayerError(upper.error(), "cannot open the changes of", layer.layer.guest);
  }
  // Written just before the session began: what was changed below since then it may not have seen.
  struct stat st;
  if (fstatat(layer.directory.get(), kOverlayLayerFile, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return LayerError(errno, "cannot look at the changes of", layer.layer.guest);
  }
  return HeldLayers{.layer = std::move(layer.layer),
                    .directory = std::move(layer.directory),
                    .upper = std::move(*upper),
                    .lower = *std::move(lower),
                    .baseline = st.st_mtim};
}

// All of the session's, with nothing half done.
absl::StatusOr<std::vector<HeldLayers>> HoldAll(int session) {
  absl::StatusOr<std::vector<HeldOverlayLayer>> layers = OpenOverlayLayers(session);
  if (!layers.ok()) return layers.status();
  std::vector<HeldLayers> all;
  for (HeldOverlayLayer& layer : *layers) {
    absl::StatusOr<HeldLayers> held = Hold(std::move(layer));
    if (!held.ok()) return held.status();
    if (WasCommitInterrupted(held->directory.get())) {
      auto recovered = RecoverCommit(held->layers(), held->directory.get());
      if (!recovered.ok()) return recovered.status();
    }
    all.push_back(*std::move(held));
  }
  return all;
}

// May they be changed?
absl::Status CheckEnded(int session) {
  if (SysResult<bool> held = LockFile::IsHeld(session, kSessionLockFile); held.ok() && *held) {
    return absl::FailedPreconditionError(
        "the session runs: its changes can be committed or discarded when it has ended");
  }
  return absl::OkStatus();
}

absl::Status NoOverlay() {
  return absl::FailedPreconditionError("the session has no mount in overlay mode");
}

// "/mnt/data/a/b" or "a/b", without needless slashes and dots.
absl::StatusOr<std::string> Normal(const std::string& path) {
  std::vector<std::string> parts;
  for (const auto& part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part == "..") {
      return absl::InvalidArgumentError(absl::StrCat(QuotedPath(path), ": \"..\" is not allowed"));
    }
    parts.emplace_back(part);
  }
  std::string normal = path.starts_with("/") ? "/" : "";
  for (const std::string& part : parts) {
    absl::StrAppend(&normal, normal.empty() || normal == "/" ? "" : "/", part);
  }
  return normal;
}

// The mount that a path lies in, and the path in it.
absl::StatusOr<std::pair<size_t, std::string>> Locate(const std::vector<HeldLayers>& all,
                                                      const std::string& path) {
  absl::StatusOr<std::string> normal = Normal(path);
  if (!normal.ok()) return normal.status();
  if (!normal->starts_with("/")) {
    if (all.size() == 1) return std::pair(size_t{0}, *normal);
    return absl::InvalidArgumentError(absl::StrCat(
        QuotedPath(path), ": the session has several overlays, so the path must begin with /"));
  }
  size_t best = all.size();
  for (size_t index = 0; index < all.size(); ++index) {
    const std::string& guest = all[index].layer.guest;
    const bool within = guest == "/" || *normal == guest || normal->starts_with(guest + "/");
    if (within && (best == all.size() || guest.size() > all[best].layer.guest.size())) best = index;
  }
  if (best == all.size()) {
    return absl::NotFoundError(absl::StrCat(QuotedPath(path), " is in none of its overlays"));
  }
  const std::string& guest = all[best].layer.guest;
  const size_t skipped = guest == "/" ? 1 : std::min(guest.size() + 1, normal->size());
  return std::pair(best, normal->substr(skipped));
}

// For each mount what is to be committed of it.
absl::StatusOr<std::map<size_t, CommitOptions>> Choose(const std::vector<HeldLayers>& all,
                                                       const SessionCommit& commit) {
  const CommitOptions options = {
      .dry_run = commit.dry_run,
      .force = commit.force,
      .privileges = commit.keep_privileges ? KeepPrivileges::kYes : KeepPrivileges::kNo,
      .stop = commit.stop};
  std::map<size_t, CommitOptions> chosen;
  for (size_t index = 0; commit.paths.empty() && index < all.size(); ++index) {
    chosen.emplace(index, options);
  }
  for (const std::string& path : commit.paths) {
    auto place = Locate(all, path);
    if (!place.ok()) return place.status();
    chosen.emplace(place->first, options).first->second.paths.push_back(place->second);
  }
  for (auto& [index, of_mount] : chosen) {
    // The mount itself is everything.
    const auto& paths = of_mount.paths;
    if (std::find(paths.begin(), paths.end(), "") != paths.end()) of_mount.paths.clear();
  }
  return chosen;
}

absl::StatusOr<std::vector<MountCommit>> CommitEach(const std::vector<HeldLayers>& all,
                                                    const std::map<size_t, CommitOptions>& chosen,
                                                    bool dry_run) {
  std::vector<MountCommit> commits;
  for (const auto& [index, options] : chosen) {
    const HeldLayers& held = all[index];
    CommitOptions each = options;
    each.dry_run = dry_run;
    absl::StatusOr<CommitReport> report = CommitChanges(held.layers(), held.directory.get(), each);
    if (!report.ok()) return report.status();
    commits.push_back({held.layer.host, held.layer.guest, *std::move(report)});
  }
  return commits;
}

bool HasConflict(const std::vector<MountCommit>& commits) {
  return std::any_of(commits.begin(), commits.end(),
                     [](const MountCommit& each) { return !each.report.conflicts.empty(); });
}

// What the policy wants of one mount, and why it could not be.
absl::Status EndOne(const HeldLayers& held) {
  if (held.layer.on_exit == OnExit::kDiscard) {
    return DiscardChanges(held.layers(), held.directory.get());
  }
  absl::StatusOr<CommitReport> report = CommitChanges(held.layers(), held.directory.get(), {});
  if (!report.ok()) return report.status();
  if (report->conflicts.empty()) return absl::OkStatus();
  const CommitNote& first = report->conflicts.front();
  return absl::AbortedError(absl::StrCat(report->conflicts.size(), " conflicts, the first at ",
                                         QuotedPath(first.path), ": ", first.text));
}

}  // namespace

absl::StatusOr<std::vector<MountChanges>> ReadSessionChanges(int session, const StopAsked& stop) {
  absl::StatusOr<std::vector<HeldLayers>> all = HoldAll(session);
  if (!all.ok()) return all.status();
  std::vector<MountChanges> mounts;
  for (const HeldLayers& held : *all) {
    absl::StatusOr<std::vector<OverlayChange>> changes = FindChanges(held.layers(), stop);
    if (!changes.ok()) return changes.status();
    mounts.push_back({held.layer.host, held.layer.guest, held.layer.on_exit, *std::move(changes)});
  }
  return mounts;
}

absl::StatusOr<std::string> ReadSessionDiff(int session, DiffForm form, const StopAsked& stop) {
  absl::StatusOr<std::vector<HeldLayers>> all = HoldAll(session);
  if (!all.ok()) return all.status();
  std::string text;
  for (const HeldLayers& held : *all) {
    absl::StatusOr<std::vector<OverlayChange>> changes = FindChanges(held.layers(), stop);
    if (!changes.ok()) return changes.status();
    absl::StatusOr<std::string> part = DiffText(held.layers(), *changes, form, {}, stop);
    if (!part.ok()) return part.status();
    if (all->size() > 1) absl::StrAppend(&text, "# in ", QuotedPath(held.layer.guest), "\n");
    text += *part;
  }
  return text;
}

absl::StatusOr<std::vector<MountCommit>> CommitSessionChanges(int session,
                                                              const SessionCommit& commit) {
  if (absl::Status ended = CheckEnded(session); !ended.ok()) return ended;
  absl::StatusOr<std::vector<HeldLayers>> all = HoldAll(session);
  if (!all.ok()) return all.status();
  if (all->empty()) return NoOverlay();
  absl::StatusOr<std::map<size_t, CommitOptions>> chosen = Choose(*all, commit);
  if (!chosen.ok()) return chosen.status();
  if (commit.dry_run || chosen->size() > 1) {
    absl::StatusOr<std::vector<MountCommit>> looked = CommitEach(*all, *chosen, /*dry_run=*/true);
    if (!looked.ok() || commit.dry_run || (HasConflict(*looked) && !commit.force)) return looked;
  }
  return CommitEach(*all, *chosen, /*dry_run=*/false);
}

absl::Status DiscardSessionChanges(int session) {
  if (absl::Status ended = CheckEnded(session); !ended.ok()) return ended;
  absl::StatusOr<std::vector<HeldOverlayLayer>> layers = OpenOverlayLayers(session);
  if (!layers.ok()) return layers.status();
  if (layers->empty()) return NoOverlay();
  for (HeldOverlayLayer& layer : *layers) {
    absl::StatusOr<HeldLayers> held = Hold(std::move(layer), LowerGone::kIsNone);
    if (!held.ok()) return held.status();
    absl::Status discarded = DiscardChanges(held->layers(), held->directory.get());
    if (!discarded.ok()) return discarded;
  }
  return absl::OkStatus();
}

std::vector<std::string> RecoverSessionChanges(int session) {
  absl::StatusOr<std::vector<HeldOverlayLayer>> layers = OpenOverlayLayers(session);
  if (!layers.ok()) return {std::string(layers.status().message())};
  std::vector<std::string> failures;
  for (HeldOverlayLayer& layer : *layers) {
    if (!WasCommitInterrupted(layer.directory.get())) continue;
    absl::StatusOr<HeldLayers> held = Hold(std::move(layer));
    absl::Status done = held.status();
    if (done.ok()) done = RecoverCommit(held->layers(), held->directory.get()).status();
    if (!done.ok() && !absl::IsUnavailable(done)) failures.emplace_back(done.message());
  }
  return failures;
}

std::vector<std::string> EndSessionOverlays(int session) {
  absl::StatusOr<std::vector<HeldOverlayLayer>> layers = OpenOverlayLayers(session);
  if (!layers.ok()) return {std::string(layers.status().message())};
  std::vector<std::string> failures;
  for (HeldOverlayLayer& layer : *layers) {
    if (layer.layer.on_exit == OnExit::kKeep) continue;
    const std::string guest = layer.layer.guest;
    const char* verb = layer.layer.on_exit == OnExit::kCommit ? "committed" : "discarded";
    absl::StatusOr<HeldLayers> held = Hold(std::move(layer));
    const absl::Status done = held.ok() ? EndOne(*held) : held.status();
    if (done.ok()) continue;
    failures.push_back(absl::StrCat("the changes in ", guest, " were not ", verb, ": ",
                                    std::string(done.message())));
  }
  return failures;
}

std::string WhatHoldsSessionChanges(int session) {
  absl::StatusOr<std::vector<HeldOverlayLayer>> layers = OpenOverlayLayers(session);
  if (!layers.ok()) return "";
  for (const HeldOverlayLayer& layer : *layers) {
    if (IsCommitAtWork(layer.directory.get())) return "its changes are being committed";
    // Where the lower directory is gone there is nothing to finish it in.
    if (WasCommitInterrupted(layer.directory.get()) && OpenLowerDirectory(layer.layer).ok()) {
      return "a commit of its changes was interrupted, and must be finished or undone first";
    }
  }
  return "";
}

}  // namespace sessionctl
