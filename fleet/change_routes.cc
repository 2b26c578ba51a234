// Routes of the control API: what a session has changed in its overlays, and what becomes of it.
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fleet/api.h"
#include "fleet/problem.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"
#include "supervisor/overlay/change_json.h"
#include "supervisor/overlay/quoted_path.h"
#include "supervisor/overlay_layer.h"
#include "supervisor/session_changes.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMaxListed = 100'000;  // changes in one answer
constexpr size_t kMaxPaths = 10'000;
constexpr size_t kMaxPath = 4096;  // PATH_MAX
constexpr size_t kMaxToldConflicts = 5;

// Works on the session's directory on the pool, and answers. A client that goes asks it to stop.
using Work = std::function<HttpReply(int session, const StopAsked& stop)>;

void DoOnPool(Api& api, const ExchangePtr& exchange, Work work) {
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  absl::StatusOr<SessionDirectory> found = api.supervisor.store().Find(*id);
  if (!found.ok()) return exchange->Reply(ProblemOf(found.status(), "id"));
  const auto directory = std::make_shared<SessionDirectory>(*std::move(found));
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  exchange->OnGone([gone] { gone->store(true); });
  boost::asio::post(api.changes, [&api, exchange, directory, gone, work = std::move(work)] {
    HttpReply reply = work(directory->fd(), [gone] { return gone->load(); });
    boost::asio::post(api.supervisor.io(),
                      [exchange, reply = std::move(reply)] { exchange->Reply(reply); });
  });
}

ordered_json MountToJson(const MountChanges& mount) {
  ordered_json json = {{"guest", mount.guest},
                       {"host", mount.host},
                       {"on_exit", OnExitName(mount.on_exit)},
                       {"summary", CountsToJson(CountChanges(mount.changes))},
                       {"truncated", mount.changes.size() > kMaxListed}};
  ordered_json list = ordered_json::array();
  for (const OverlayChange& change : mount.changes) {
    if (list.size() == kMaxListed) break;
    // The other half of a rename tells it.
    if (change.kind == ChangeKind::kDeleted && !change.renamed.empty()) continue;
    list.push_back(ChangeToJson(change, mount.guest));
  }
  json["changes"] = std::move(list);
  return json;
}

HttpReply ChangesReply(int session, const StopAsked& stop) {
  absl::StatusOr<std::vector<MountChanges>> mounts = ReadSessionChanges(session, stop);
  if (!mounts.ok()) return ProblemOf(mounts.status(), "id");
  ordered_json list = ordered_json::array();
  for (const MountChanges& mount : *mounts) list.push_back(MountToJson(mount));
  return JsonReply(200, {{"mounts", std::move(list)}});
}

HttpReply DiffReply(int session, DiffForm form, const StopAsked& stop) {
  absl::StatusOr<std::string> text = ReadSessionDiff(session, form, stop);
  if (!text.ok()) return ProblemOf(text.status(), "id");
  // Its lines are a file's, of whatever bytes.
  return {.content_type = "text/x-diff", .body = *std::move(text)};
}

void Changes(Api& api, const ExchangePtr& exchange) {
  const auto& query = exchange->request().query;
  const auto found = query.find("format");
  const std::string format = found == query.end() ? "json" : found->second;
  if (format == "json") return DoOnPool(api, exchange, ChangesReply);
  DiffForm form = DiffForm::kPatch;
  if (format == "stat") {
    form = DiffForm::kStat;
  } else if (format == "names") {
    form = DiffForm::kNames;
  } else if (format != "patch") {
    return exchange->Reply(
        Problem(400, "invalid", "json, patch, stat or names is needed", "format"));
  }
  DoOnPool(api, exchange,
           [form](int session, const StopAsked& stop) { return DiffReply(session, form, stop); });
}

std::vector<std::string> PathsOf(BodyFields& fields) {
  const ordered_json* value = fields.Any("paths");
  std::vector<std::string> paths;
  if (value == nullptr) return paths;
  if (!value->is_array() || value->size() > kMaxPaths) {
    fields.Refuse("paths", "a list of at most 10,000 paths is needed");
    return paths;
  }
  for (const ordered_json& each : *value) {
    const std::optional<std::string> path = BytesFromJson(each);
    const bool wrong = !path.has_value() || path->empty() || path->size() > kMaxPath ||
                       path->find('\0') != std::string::npos;
    if (wrong) {
      fields.Refuse(absl::StrCat("paths[", paths.size(), "]"),
                    "a string or {\"base64\": …} of 1 to 4,096 bytes is needed");
      return paths;
    }
    paths.push_back(*path);
  }
  return paths;
}

std::string GuestPath(const std::string& guest, const std::string& path) {
  if (path.empty()) return guest;
  return absl::StrCat(guest == "/" ? "" : guest, "/", path);
}

ordered_json NotesToJson(const std::string& guest, const std::vector<CommitNote>& notes) {
  ordered_json list = ordered_json::array();
  for (const CommitNote& note : notes) {
    list.push_back({{"path", BytesToJson(GuestPath(guest, note.path))}, {"message", note.text}});
  }
  return list;
}

ordered_json CommitToJson(const MountCommit& commit) {
  return {{"guest", commit.guest},
          {"host", commit.host},
          {"committed", commit.report.committed},
          {"summary", CountsToJson(CountChanges(commit.report.changes))},
          {"conflicts", NotesToJson(commit.guest, commit.report.conflicts)},
          {"notes", NotesToJson(commit.guest, commit.report.notes)}};
}

// The first few, in words.
std::string ConflictText(const std::vector<MountCommit>& commits) {
  size_t count = 0;
  std::string text;
  for (const MountCommit& commit : commits) {
    for (const CommitNote& conflict : commit.report.conflicts) {
      if (++count > kMaxToldConflicts) continue;
      absl::StrAppend(&text, text.empty() ? "" : "; ",
                      QuotedPath(GuestPath(commit.guest, conflict.path)), ": ", conflict.text);
    }
  }
  return absl::StrCat("nothing was committed: ", count,
                      count == 1 ? " conflict: " : " conflicts: ", text,
                      count > kMaxToldConflicts ? "; …" : "");
}

HttpReply CommitReply(int session, const SessionCommit& commit) {
  absl::StatusOr<std::vector<MountCommit>> commits = CommitSessionChanges(session, commit);
  if (absl::IsNotFound(commits.status()) || absl::IsInvalidArgument(commits.status())) {
    return Problem(400, "invalid", std::string(commits.status().message()), "paths");
  }
  if (!commits.ok()) return ProblemOf(commits.status(), "id");
  bool committed = !commit.dry_run;
  ordered_json mounts = ordered_json::array();
  for (const MountCommit& each : *commits) {
    committed = committed && each.report.committed;
    mounts.push_back(CommitToJson(each));
  }
  if (!committed && !commit.dry_run) return Problem(409, "conflict", ConflictText(*commits), "id");
  return JsonReply(200, {{"committed", committed}, {"mounts", std::move(mounts)}});
}

void Commit(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  BodyFields fields(*body);
  SessionCommit commit = {.paths = PathsOf(fields),
                          .dry_run = fields.Flag("dry_run", false),
                          .force = fields.Flag("force", false),
                          .keep_privileges = fields.Flag("keep_privileges", false)};
  if (Refused(exchange, fields.Wrong())) return;
  DoOnPool(api, exchange, [commit](int session, const StopAsked& stop) {
    SessionCommit stoppable = commit;
    stoppable.stop = stop;
    return CommitReply(session, stoppable);
  });
}

void Discard(Api& api, const ExchangePtr& exchange) {
  DoOnPool(api, exchange, [](int session, const StopAsked&) {
    const absl::Status discarded = DiscardSessionChanges(session);
    return discarded.ok() ? HttpReply{.status = 204} : ProblemOf(discarded, "id");
  });
}

}  // namespace

std::vector<Route> ChangeRoutes() {
  return {{"GET", "/v1/sessions/{id}/changes", Changes, {"format"}},
          {"POST", "/v1/sessions/{id}/commit", Commit},
          {"POST", "/v1/sessions/{id}/discard", Discard, {}, /*body=*/false}};
}

}  // namespace sessionctl
