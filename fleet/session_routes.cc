// Routes of the control API: what there is of sessions, and how they end.
#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <utility>

#include "fleet/api.h"
#include "fleet/problem.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"
#include "sandbox/signal_names.h"

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
  bool ok;
  const std::optional<milliseconds> timeout = TimeoutMember(*body, exchange, &ok);
  if (!ok) return;
  const auto wait = body->find("wait");
  const bool at_once = wait != body->end() && wait->is_boolean() && !wait->get<bool>();
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

void Kill(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  int signal = SIGTERM;
  if (const auto it = body->find("signal"); it != body->end()) {
    signal = SignalNumber(it->is_string()           ? it->get<std::string>()
                          : it->is_number_integer() ? std::to_string(it->get<int64_t>())
                                                    : "");
  }
  if (signal == 0) return exchange->Reply(Problem(400, "invalid", "no such signal", "signal"));
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  const absl::Status sent = api.supervisor.Kill(*id, signal);
  exchange->Reply(sent.ok() ? HttpReply{.status = 204} : ProblemOf(sent, "id"));
}

void Restart(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  bool ok;
  const std::optional<milliseconds> timeout = TimeoutMember(*body, exchange, &ok);
  if (!ok) return;
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
  const auto it = exchange->request().query.find("timeout_ms");
  if (it == exchange->request().query.end()) return;
  timer->expires_after(milliseconds(strtoll(it->second.c_str(), nullptr, 10)));
  timer->async_wait([&api, exchange, watch](const boost::system::error_code& error) {
    if (error) return;
    api.supervisor.CancelAwait(watch);
    exchange->Reply(Problem(504, "timeout", "the session has not ended"));
  });
}

}  // namespace

std::vector<Route> SessionRoutes() {
  return {{"GET", "/v1/sessions", List},
          {"GET", "/v1/sessions/{id}", Inspect},
          {"DELETE", "/v1/sessions/{id}", Delete},
          {"POST", "/v1/sessions/{id}/stop", Stop},
          {"POST", "/v1/sessions/{id}/kill", Kill},
          {"POST", "/v1/sessions/{id}/restart", Restart},
          {"GET", "/v1/sessions/{id}/wait", Wait},
          {"POST", "/v1/prune", Prune}};
}

}  // namespace sessionctl
