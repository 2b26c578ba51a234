// Route of the control API that tells what running sessions use.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "fleet/api.h"
#include "fleet/session_usage.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

ordered_json UsageToJson(const LiveUsage& usage) {
  const SessionRecord& record = usage.session.record;
  ordered_json json = {{"id", record.id},
                       {"name", record.name},
                       {"deployment", record.place.deployment},
                       {"started", record.started},
                       {"cpu_us", usage.cpu_microseconds},
                       {"memory_bytes", usage.memory},
                       {"processes", usage.processes},
                       {"mediated_calls", usage.mediated_calls},
                       {"denials", usage.denials}};
  return json;
}

// Of the sessions that run and that the query selects.
void ShowUsage(Api& api, const ExchangePtr& exchange) {
  std::optional<Selector> selector = SelectorOf(exchange);
  if (!selector.has_value()) return;
  selector->states = {SessionState::kRunning};
  std::vector<KnownSession> sessions = api.supervisor.List(*selector);
  std::erase_if(sessions, [](const KnownSession& session) { return !session.alive; });
  boost::asio::post(api.pool, [&api, exchange, sessions = std::move(sessions)]() mutable {
    ordered_json all = ordered_json::array();
    for (const LiveUsage& usage : LookAtUsage(api.supervisor.store(), std::move(sessions))) {
      all.push_back(UsageToJson(usage));
    }
    boost::asio::post(api.supervisor.io(),
                      [exchange, all = std::move(all)] { exchange->Reply(JsonReply(200, all)); });
  });
}

}  // namespace

std::vector<Route> UsageRoutes() {
  return {{"GET", "/v1/usage", ShowUsage, {"label", "deployment"}}};
}

}  // namespace sessionctl
