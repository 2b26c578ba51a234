// The control API: one table of routes, from which requests are dispatched, 404 and 405 are
// answered, and the test derives that holds docs/openapi.json against it. On the io_context's
// thread.
#ifndef FLEET_API_H_
#define FLEET_API_H_

#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fleet/deployment_manager.h"
#include "fleet/exchange.h"
#include "fleet/metrics.h"
#include "fleet/request_fields.h"
#include "fleet/supervisor.h"
#include "nlohmann/json_fwd.hpp"

namespace sessionctl {

// What handlers work on. Lives as long as the io_context runs.
struct Api {
  Supervisor& supervisor;
  boost::asio::thread_pool& pool;     // one thread, for what may block
  boost::asio::thread_pool& streams;  // for handing clients over to monitors, which may be stopped
  boost::asio::thread_pool& changes;  // for overlays: as long as copying takes
  Metrics& metrics;
  std::chrono::steady_clock::time_point started;
  std::function<void(const std::string& why)> leave;  // the supervisor's process ends
  std::function<size_t()> connections;
  std::function<void(OwnedFd)> serve;  // a connection that was accepted elsewhere
  DeploymentManager& deployments;
};

using RouteHandler = void (*)(Api& api, const ExchangePtr& exchange);

struct Route {
  const char* method;
  const char* pattern;  // "/v1/sessions/{id}"
  RouteHandler handler;
  // The parameters that it takes in the query; any other is refused.
  std::vector<const char*> query = {};
  bool body = true;  // of a POST or PUT: does it take one?

  bool takes_body() const;
};

// All there are.
const std::vector<Route>& Routes();
// Each file of handlers gives its own.
std::vector<Route> SessionRoutes();   // list, inspect, stop, kill, restart, wait, delete, prune
std::vector<Route> MountRoutes();     // mounts, also while the session runs
std::vector<Route> ChangeRoutes();    // changes, commit, discard
std::vector<Route> StartRoutes();     // create
std::vector<Route> StreamRoutes();    // logs, events, attach, exec
std::vector<Route> HandOverRoutes();  // connections of the system-wide front
std::vector<Route> DeploymentRoutes();
std::vector<Route> UsageRoutes();   // what sessions use now
std::vector<Route> SystemRoutes();  // health, metrics, version, shutdown, policies

// Answers `exchange` or hands it to its handler.
void Dispatch(Api& api, const ExchangePtr& exchange);

// What several files of handlers share.
std::string DumpLine(const nlohmann::ordered_json& value);  // with a newline
HttpReply JsonReply(int status, const nlohmann::ordered_json& value);
nlohmann::ordered_json ViewToJson(const KnownSession& view);
// The session that the route's {id} means, answered with 404 or 400 when there is none: nullopt.
std::optional<std::string> SessionOf(Api& api, const ExchangePtr& exchange);
// The body as a JSON object, an empty one for an empty body; answered with 400: nullopt.
std::optional<nlohmann::ordered_json> BodyObject(const ExchangePtr& exchange);
// Answers with 400 and says true when something was wrong.
bool Refused(const ExchangePtr& exchange, const std::optional<FieldError>& wrong);
// A member in milliseconds, at most a day.
std::optional<std::chrono::milliseconds> TimeoutOf(BodyFields& fields);
// "label=K=V,K" and "state=…" and "deployment=…" of the query. Answered with 400: nullopt.
std::optional<Selector> SelectorOf(const ExchangePtr& exchange);

inline constexpr int64_t kMaxTimeout = int64_t{86'400} * 1000;  // ms
inline constexpr size_t kMaxPolicy = size_t{256} << 10;         // bytes of TOML

}  // namespace sessionctl

#endif  // FLEET_API_H_
