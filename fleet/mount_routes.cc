// Routes of the control API: the mounts of a session, and those that it gets while it runs.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <climits>
#include <memory>
#include <utility>

#include "fleet/api.h"
#include "fleet/problem.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"
#include "supervisor/session_control.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

constexpr std::chrono::seconds kMountTime(25);  // the monitor's own patience is less

HttpReply MountsReply(int status, const SessionRecord& record) {
  ordered_json mounts = ordered_json::array();
  for (const SessionMount& mount : record.mounts) mounts.push_back(SessionMountToJson(mount));
  return JsonReply(status, {{"mounts", std::move(mounts)}});
}

HttpReply MountsOf(int status, const SessionDirectory& directory) {
  absl::StatusOr<SessionRecord> record = directory.ReadRecord();
  return record.ok() ? MountsReply(status, *record) : ProblemOf(record.status(), "id");
}

void ListMounts(Api& api, const ExchangePtr& exchange) {
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  absl::StatusOr<SessionDirectory> directory = api.supervisor.store().Find(*id);
  exchange->Reply(directory.ok() ? MountsOf(200, *directory) : ProblemOf(directory.status(), "id"));
}

void PublishChange(Api& api, const KnownSession& session, const ControlRequest& request) {
  const bool adds = request.operation == ControlRequest::Operation::kAddMount;
  std::string message = request.guest;
  if (adds && request.guest.empty()) message = request.host;
  if (adds) message = request.host + " at " + message + " (" + request.mode + ")";
  api.supervisor.Publish({.type = adds ? "session.mount_added" : "session.mount_removed",
                          .session = session.record.id,
                          .name = session.record.name,
                          .labels = session.record.labels,
                          .place = session.record.place,
                          .message = std::move(message)});
}

// Asks the session's monitor, which records what it has done before it answers.
void ChangeMounts(Api& api, const ExchangePtr& exchange, ControlRequest request, int status) {
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  absl::StatusOr<KnownSession> view = api.supervisor.Find(*id);
  absl::StatusOr<SessionDirectory> found = api.supervisor.store().Find(*id);
  if (!view.ok() || !found.ok()) {
    return exchange->Reply(ProblemOf(view.ok() ? found.status() : view.status(), "id"));
  }
  if (!view->alive) {
    return exchange->Reply(Problem(409, "conflict", "session " + *id + " has ended", "id"));
  }
  const auto directory = std::make_shared<SessionDirectory>(*std::move(found));
  boost::asio::post(api.streams, [&api, exchange, directory, status, session = *std::move(view),
                                  request = std::move(request)] {
    const absl::Status asked = AskForMount(directory->fd(), request, kMountTime);
    HttpReply reply = asked.ok() ? MountsOf(status, *directory)
                      : absl::IsNotFound(asked)
                          ? Problem(409, "conflict", "the session has ended", "id")
                          : ProblemOf(asked);
    boost::asio::post(api.supervisor.io(), [&api, exchange, session, request, done = asked.ok(),
                                            reply = std::move(reply)] {
      if (done) PublishChange(api, session, request);
      exchange->Reply(reply);
    });
  });
}

// A path: a string, or {"base64": …} for bytes that are not UTF-8.
std::string AbsolutePathOf(BodyFields& fields, const char* name, bool required) {
  const ordered_json* value = fields.Any(name);
  if (value == nullptr && !required) return "";
  const std::optional<std::string> path = value != nullptr ? BytesFromJson(*value) : std::nullopt;
  const bool wrong = !path.has_value() || path->empty() || path->front() != '/' ||
                     path->size() >= PATH_MAX || path->find('\0') != std::string::npos;
  if (!wrong) return *path;
  fields.Refuse(name, "an absolute path of at most 4,095 bytes is needed");
  return "";
}

void AddMount(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  BodyFields fields(*body);
  ControlRequest request;
  request.operation = ControlRequest::Operation::kAddMount;
  request.host = AbsolutePathOf(fields, "host", /*required=*/true);
  request.guest = AbsolutePathOf(fields, "guest", /*required=*/false);
  request.mode = fields.Text("mode", 16).value_or("rw");
  if (request.mode == "overlay") {
    fields.Refuse("mode", "an overlay is mounted at a session's start only");
  } else if (request.mode != "ro" && request.mode != "rw") {
    fields.Refuse("mode", "ro or rw is needed");
  }
  if (Refused(exchange, fields.Wrong())) return;
  ChangeMounts(api, exchange, std::move(request), 201);
}

void RemoveMount(Api& api, const ExchangePtr& exchange) {
  const auto& query = exchange->request().query;
  const auto guest = query.find("guest");
  const bool wrong = guest == query.end() || guest->second.empty() || guest->second[0] != '/' ||
                     guest->second.size() >= PATH_MAX ||
                     guest->second.find('\0') != std::string::npos;
  if (wrong) {
    return exchange->Reply(Problem(400, "invalid", "an absolute path is needed", "guest"));
  }
  ControlRequest request;
  request.operation = ControlRequest::Operation::kRemoveMount;
  request.guest = guest->second;
  ChangeMounts(api, exchange, std::move(request), 200);
}

}  // namespace

std::vector<Route> MountRoutes() {
  return {{"GET", "/v1/sessions/{id}/mounts", ListMounts},
          {"POST", "/v1/sessions/{id}/mounts", AddMount},
          {"DELETE", "/v1/sessions/{id}/mounts", RemoveMount, {"guest"}}};
}

}  // namespace sessionctl
