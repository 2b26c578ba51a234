// Routes of the control API: what there is of sessions, and how they end.
#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "fleet/api.h"
#include "fleet/problem.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;
using std::chrono::milliseconds;

void List(Api& api, const ExchangePtr& exchange) {
  const std::optional<Selector> selector = SelectorOf(exchange);
  if (!selector.has_value()) return;
  ordered_json sessions = ordered_json::array();
  for (const KnownSession& view : api.supervisor.List(*selector))
    sessions.push_back(ViewToJson(view));
  exchange->Reply(JsonReply(200, sessions));
}

void ReplySession(const ExchangePtr& exchange, const absl::StatusOr<KnownSession>& view) {
  if (!view.ok()) return exchange->Reply(ProblemOf(view.status(), "id"));
  if (!view->unreadable.empty()) {
    return exchange->Reply(Problem(422, "unreadable_record",
                                   "session " + view->record.id + ": " + view->unreadable +
                                       (view->alive ? "; it lives" : "; it does not live")));
  }
  exchange->Reply(JsonReply(200, ViewToJson(*view)));
}

void Inspect(Api& api, const ExchangePtr& exchange) {
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (id.has_value()) ReplySession(exchange, api.supervisor.Find(*id));
}

void Delete(Api& api, const ExchangePtr& exchange) {
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  absl::Status removed = api.supervisor.Remove(*id);
  exchange->Reply(removed.ok() ? HttpReply{.status = 204} : ProblemOf(removed, "id"));
}

void Prune(Api& api, const ExchangePtr& exchange) {
  const std::optional<Selector> selector = SelectorOf(exchange);
  if (!selector.has_value()) return;
  exchange->Reply(JsonReply(200, ordered_json(api.supervisor.Prune(*selector))));
}

// {"timeout_ms": 10000, "wait": true}: answers when it has ended, or at once.
void Stop(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  BodyFields fields(*body);
  const std::optional<milliseconds> timeout = TimeoutOf(fields);
  const bool at_once = !fields.Flag("wait", true);
  if (Refused(exchange, fields.Wrong())) return;
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  api.supervisor.Stop(*id, timeout, [&api, exchange, id, at_once](const absl::Status& stopped) {
    if (at_once) return;
    if (!stopped.ok()) return exchange->Reply(ProblemOf(stopped, "id"));
    absl::StatusOr<KnownSession> view = api.supervisor.Find(*id);
    exchange->Reply(view.ok() ? JsonReply(200, ViewToJson(*view)) : HttpReply{.status = 204});
  });
  if (at_once) exchange->Reply(JsonReply(202, {{"id", *id}}));
}

// A name or a number; SIGTERM when there is none.
int SignalOf(BodyFields& fields) {
  const ordered_json* value = fields.Any("signal");
  if (value == nullptr) return SIGTERM;
  const int signal = SignalFromJson(*value);
  if (signal == 0) fields.Refuse("signal", "no such signal");
  return signal;
}

void Kill(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  BodyFields fields(*body);
  const int signal = SignalOf(fields);
  if (Refused(exchange, fields.Wrong())) return;
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  const absl::Status sent = api.supervisor.Kill(*id, signal);
  exchange->Reply(sent.ok() ? HttpReply{.status = 204} : ProblemOf(sent, "id"));
}

void Restart(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  BodyFields fields(*body);
  const std::optional<milliseconds> timeout = TimeoutOf(fields);
  if (Refused(exchange, fields.Wrong())) return;
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  api.supervisor.Restart(*id, timeout, [exchange](const absl::StatusOr<SpawnResult>& result) {
    if (!result.ok()) return exchange->Reply(ProblemOf(result.status(), "id"));
    exchange->Reply(JsonReply(200, {{"id", result->id},
                                    {"name", result->name},
                                    {"exit_code", result->exit_code},
                                    {"message", result->message}}));
  });
}

// Answers when the session has ended; with ?timeout_ms=N, 504 when it has not by then.
void Wait(Api& api, const ExchangePtr& exchange) {
  QueryFields query(exchange->request().query);
  const std::optional<uint64_t> timeout = query.Number("timeout_ms", kMaxTimeout);
  if (Refused(exchange, query.Wrong())) return;
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  auto timer = std::make_shared<boost::asio::steady_timer>(api.supervisor.io());
  const Supervisor::WatchId watch =
      api.supervisor.Await(*id, [exchange, timer](const absl::StatusOr<KnownSession>& view) {
        timer->cancel();
        ReplySession(exchange, view);
      });
  exchange->OnGone([&api, watch, timer] {
    timer->cancel();
    api.supervisor.CancelAwait(watch);
  });
  if (!timeout.has_value()) return;
  timer->expires_after(milliseconds(*timeout));
  timer->async_wait([&api, exchange, watch](const boost::system::error_code& error) {
    if (error) return;
    api.supervisor.CancelAwait(watch);
    exchange->Reply(Problem(504, "timeout", "the session has not ended", "timeout_ms"));
  });
}

}  // namespace

std::vector<Route> SessionRoutes() {
  return {{"GET", "/v1/sessions", List, {"label", "state", "deployment"}},
          {"GET", "/v1/sessions/{id}", Inspect},
          {"DELETE", "/v1/sessions/{id}", Delete},
          {"POST", "/v1/sessions/{id}/stop", Stop},
          {"POST", "/v1/sessions/{id}/kill", Kill},
          {"POST", "/v1/sessions/{id}/restart", Restart},
          {"GET", "/v1/sessions/{id}/wait", Wait, {"timeout_ms"}},
          {"POST", "/v1/prune", Prune, {"label", "state", "deployment"}, /*body=*/false}};
}

}  // namespace sessionctl
