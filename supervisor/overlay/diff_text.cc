#include "supervisor/overlay/diff_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/overlay/line_diff.h"
#include "supervisor/overlay/quoted_path.h"

namespace sessionctl {
namespace {

// One side of a file's difference.
struct Side {
  bool there = false;
  std::string content;
  std::string why_not;  // "" : it is all here
};

SysResult<std::string> ReadAll(int file, size_t size) {
  std::string content(size, '\0');
  size_t used = 0;
  while (used < size) {
    const ssize_t got = read(file, content.data() + used, size - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return LastErrno();
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  content.resize(used);
  return content;
}

Side ReadSide(int layer, const std::string& path, const std::optional<LayerEntry>& entry,
              size_t limit) {
  if (!entry || (!entry->IsRegular() && !entry->IsLink())) return {};
  if (entry->IsLink()) return {.there = true, .content = entry->target};
  if (entry->size > limit) {
    return {.there = true, .why_not = absl::StrCat(entry->size, " bytes")};
  }
  SysResult<OwnedFd> pinned = PinEntry(layer, path);
  SysResult<OwnedFd> file = pinned.ok() ? OpenContent(pinned->get()) : Errno(pinned.error());
  SysResult<std::string> content = file.ok() ? ReadAll(file->get(), limit) : Errno(file.error());
  if (!content.ok()) return {.there = true, .why_not = strerror(content.error())};
  if (IsBinary(*content)) return {.there = true, .why_not = "binary"};
  return {.there = true, .content = std::move(*content)};
}

// As git knows it.
const char* GitMode(const LayerEntry& entry) {
  if (entry.IsLink()) return "120000";
  return (entry.mode & S_IXUSR) != 0 ? "100755" : "100644";
}

char Letter(const OverlayChange& change) {
  if (!change.renamed.empty()) return 'R';
  switch (change.kind) {
    case ChangeKind::kAdded: return 'A';
    case ChangeKind::kModified: return 'M';
    case ChangeKind::kDeleted: return 'D';
    case ChangeKind::kMetadata: return 'T';
  }
  return '?';
}

// What a patch cannot say.
std::string Remarks(const OverlayChange& change) {
  std::string text;
  const std::string name = QuotedPath(change.path);
  const auto is_plain = [](const std::optional<LayerEntry>& entry) {
    return !entry || entry->IsRegular() || entry->IsLink();
  };
  if (change.kind == ChangeKind::kMetadata || change.type || !is_plain(change.before) ||
      !is_plain(change.after)) {
    const LayerEntry& now = change.after ? *change.after : *change.before;
    absl::StrAppend(&text, "# ", ChangeKindName(change.kind), " ", EntryTypeName(now.mode), " ",
                    name, "\n");
  }
  if (change.mode) {
    absl::StrAppendFormat(&text, "# mode %04o -> %04o %s\n", change.before->mode & 07777,
                          change.after->mode & 07777, name);
  }
  if (change.owner) {
    absl::StrAppendFormat(&text, "# owner %d:%d -> %d:%d %s\n", change.before->uid,
                          change.before->gid, change.after->uid, change.after->gid, name);
  }
  if (change.attributes) absl::StrAppend(&text, "# extended attributes differ ", name, "\n");
  if (change.times && change.kind == ChangeKind::kMetadata) {
    absl::StrAppend(&text, "# times differ ", name, "\n");
  }
  if (!change.same_file.empty()) {
    absl::StrAppend(&text, "# hard link to ", QuotedPath(change.same_file), " ", name, "\n");
  }
  if (!change.conflict.empty())
    absl::StrAppend(&text, "# conflict: ", change.conflict, " ", name, "\n");
  return text;
}

struct FileDiff {
  Side before, after;
  LineDiff lines;
  bool whole() const { return before.why_not.empty() && after.why_not.empty(); }
};

class Writer {
 public:
  Writer(const OverlayLayers& layers, const DiffLimits& limits)
      : layers_(layers), limits_(limits) {}

  FileDiff Compare(const OverlayChange& change) const {
    const bool moved = change.kind != ChangeKind::kDeleted && !change.renamed.empty();
    FileDiff diff;
    diff.before =
        moved ? Renamed(change) : ReadSide(layers_.lower, change.path, change.before, limits_.file);
    diff.after = ReadSide(layers_.upper, change.path, change.after, limits_.file);
    if (diff.whole()) diff.lines = DiffLines(diff.before.content, diff.after.content);
    return diff;
  }

  // One change of content; a changed type is two.
  std::string Patch(const OverlayChange& change) const {
    if (change.type) {
      OverlayChange gone = change, come = change;
      gone.kind = ChangeKind::kDeleted;
      gone.after.reset();
      come.kind = ChangeKind::kAdded;
      come.before.reset();
      gone.type = come.type = false;
      return PatchOne(gone) + PatchOne(come);
    }
    return PatchOne(change);
  }

 private:
  Side Renamed(const OverlayChange& change) const {
    SysResult<OwnedFd> pinned = PinEntry(layers_.lower, change.renamed);
    SysResult<LayerEntry> entry = pinned.ok() ? ReadEntry(pinned->get()) : Errno(pinned.error());
    if (!entry.ok()) return {.there = true, .why_not = strerror(entry.error())};
    return ReadSide(layers_.lower, change.renamed, *entry, limits_.file);
  }

  std::string PatchOne(const OverlayChange& change) const {
    const FileDiff diff = Compare(change);
    if (!diff.before.there && !diff.after.there) return "";
    const bool moved = change.kind != ChangeKind::kDeleted && !change.renamed.empty();
    const std::string old_name = "a/" + (moved ? change.renamed : change.path);
    const std::string new_name = "b/" + change.path;
    std::string text =
        absl::StrCat("diff --git ", QuotedPath(old_name), " ", QuotedPath(new_name), "\n");
    if (moved) {
      absl::StrAppend(&text,
                      diff.whole() && diff.lines.hunks.empty() ? "similarity index 100%\n" : "",
                      "rename from ", QuotedPath(change.renamed), "\nrename to ",
                      QuotedPath(change.path), "\n");
    } else if (!diff.before.there) {
      absl::StrAppend(&text, "new file mode ", GitMode(*change.after), "\n");
    } else if (!diff.after.there) {
      absl::StrAppend(&text, "deleted file mode ", GitMode(*change.before), "\n");
    } else if (strcmp(GitMode(*change.before), GitMode(*change.after)) != 0) {
      absl::StrAppend(&text, "old mode ", GitMode(*change.before), "\nnew mode ",
                      GitMode(*change.after), "\n");
    } else if (diff.whole() && diff.lines.hunks.empty()) {
      return "";
    }
    const std::string from = diff.before.there ? QuotedPath(old_name) : "/dev/null";
    const std::string to = diff.after.there ? QuotedPath(new_name) : "/dev/null";
    if (!diff.whole()) {
      // Of the bytes of a file whose metadata alone differ nothing is to be said.
      if (change.kind == ChangeKind::kMetadata) return text;
      const std::string& why =
          diff.after.why_not.empty() ? diff.before.why_not : diff.after.why_not;
      return absl::StrCat(text, "Binary files ", from, " and ", to, " differ\n",
                          why == "binary" ? "" : absl::StrCat("# ", why, "\n"));
    }
    if (!diff.lines.hunks.empty()) {
      absl::StrAppend(&text, "--- ", from, "\n+++ ", to, "\n", diff.lines.hunks);
    }
    return text;
  }

  const OverlayLayers& layers_;
  const DiffLimits& limits_;
};

std::string Bar(size_t added, size_t removed) {
  constexpr size_t kWidth = 40;
  const size_t sum = added + removed;
  const size_t shown = std::min(sum, kWidth);
  const size_t plus = sum == 0 ? 0 : (added * shown + sum - 1) / sum;
  return std::string(plus, '+') + std::string(shown - plus, '-');
}

std::string StatLine(const OverlayChange& change, const FileDiff& diff) {
  std::string name = QuotedPath(change.path);
  if (!change.renamed.empty()) name = absl::StrCat(QuotedPath(change.renamed), " => ", name);
  const std::string& why = diff.after.why_not.empty() ? diff.before.why_not : diff.after.why_not;
  const bool file = diff.before.there || diff.after.there;
  const LayerEntry& entry = change.after ? *change.after : *change.before;
  const std::string what =
      !file          ? absl::StrCat(ChangeKindName(change.kind), " ", EntryTypeName(entry.mode))
      : !why.empty() ? absl::StrCat("(", why, ")")
      : diff.lines.added + diff.lines.removed == 0
          ? ChangeKindName(change.kind)
          : absl::StrCat(diff.lines.added + diff.lines.removed, " ",
                         Bar(diff.lines.added, diff.lines.removed));
  return absl::StrFormat(" %c %s | %s\n", Letter(change), name, what);
}

}  // namespace

absl::StatusOr<std::string> DiffText(const OverlayLayers& layers,
                                     const std::vector<OverlayChange>& changes, DiffForm form,
                                     const DiffLimits& limits, const std::function<bool()>& stop) {
  const Writer writer(layers, limits);
  std::string text;
  size_t added = 0, removed = 0, count = 0;
  for (const OverlayChange& change : changes) {
    if (stop && stop()) return absl::CancelledError("stopped");
    // The added half of a rename tells it.
    if (change.kind == ChangeKind::kDeleted && !change.renamed.empty()) continue;
    ++count;
    if (form == DiffForm::kPatch) {
      absl::StrAppend(&text, Remarks(change), writer.Patch(change));
    } else if (form == DiffForm::kStat) {
      const FileDiff diff = writer.Compare(change);
      added += diff.lines.added;
      removed += diff.lines.removed;
      text += StatLine(change, diff);
    } else {
      const std::string from = change.renamed.empty() ? "" : QuotedPath(change.renamed) + " => ";
      absl::StrAppend(&text, std::string(1, Letter(change)), " ", from, QuotedPath(change.path),
                      "\n");
    }
    if (text.size() > limits.output) {
      return absl::StrCat(text, "# cut here: the output is larger than ", limits.output,
                          " bytes\n");
    }
  }
  if (form == DiffForm::kStat && count > 0) {
    absl::StrAppend(&text, " ", count, count == 1 ? " change, " : " changes, ", added,
                    " insertions(+), ", removed, " deletions(-)\n");
  }
  return text;
}

}  // namespace sessionctl
