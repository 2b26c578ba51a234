// Routes of the control API about the supervisor itself, and about policies.
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "fleet/api.h"
#include "fleet/problem.h"
#include "nlohmann/json.hpp"
#include "policy/policy_compiler.h"
#include "policy/policy_parser.h"
#include "sandbox/kernel_features.h"
#include "supervisor/mediator/syscall_table.h"
#include "supervisor/session_monitor.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

constexpr char kExplainedSession[] = "000000000000";

void Health(Api& api, const ExchangePtr& exchange) {
  const auto up = std::chrono::steady_clock::now() - api.started;
  exchange->Reply(JsonReply(
      200, {{"status", "ok"},
            {"pid", getpid()},
            {"zygote", api.supervisor.zygote_pid()},
            {"alive", api.supervisor.alive()},
            {"starting", api.supervisor.starting()},
            {"uptime_ms", std::chrono::duration_cast<std::chrono::milliseconds>(up).count()},
            {"state_directory", api.supervisor.store().path()}}));
}

void ShowMetrics(Api& api, const ExchangePtr& exchange) {
  exchange->Reply({.status = 200,
                   .content_type = "text/plain; version=0.0.4",
                   .body = api.metrics.Text(api.supervisor, api.connections())});
}

void Version(Api&, const ExchangePtr& exchange) {
  exchange->Reply(JsonReply(200, {{"version", SESSIONCTL_VERSION}, {"api", "v1"}}));
}

// The supervisor leaves; the sessions stay.
void Shutdown(Api& api, const ExchangePtr& exchange) {
  exchange->Reply(JsonReply(202, {{"pid", getpid()}}));
  api.leave("asked to by a client");
}

// Compiles a policy on the pool, whose directories and names may be slow to look at.
void Review(Api& api, const ExchangePtr& exchange, bool explain) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  BodyFields fields(*body);
  const std::optional<std::string> text = fields.Text("policy", kMaxPolicy);
  if (!text.has_value()) fields.Refuse("policy", "a policy as TOML text is needed");
  if (Refused(exchange, fields.Wrong())) return;
  boost::asio::post(api.pool, [&api, exchange, explain, toml = *text] {
    absl::StatusOr<SessionPolicy> policy = ParsePolicy(toml, "policy");
    HttpReply reply;
    if (!policy.ok()) {
      reply = Problem(400, "policy", std::string(policy.status().message()), "policy");
    } else {
      // Looks only: a directory that a start would make is not made.
      for (Mount& mount : policy->mounts) mount.create = false;
      absl::StatusOr<CompiledPolicy> compiled = CompilePolicy(
          *policy, SessionVariables(kExplainedSession), ProbeKernelFeatures(), MediatedCalls());
      if (!compiled.ok()) {
        reply = Problem(400, "policy", std::string(compiled.status().message()), "policy");
      } else if (explain) {
        reply = {.content_type = "text/plain; charset=utf-8",
                 .body = ExplainPolicy(*compiled, MediatedCalls())};
      } else {
        reply = JsonReply(200, {{"ok", true},
                                {"warnings", compiled->warnings},
                                {"missing_walls", compiled->missing_walls}});
      }
    }
    boost::asio::post(api.supervisor.io(),
                      [exchange, reply = std::move(reply)] { exchange->Reply(reply); });
  });
}

void Check(Api& api, const ExchangePtr& exchange) { Review(api, exchange, /*explain=*/false); }
void Explain(Api& api, const ExchangePtr& exchange) { Review(api, exchange, /*explain=*/true); }

}  // namespace

std::vector<Route> SystemRoutes() {
  return {
      {"GET", "/v1/health", Health},         {"GET", "/v1/metrics", ShowMetrics},
      {"GET", "/v1/version", Version},       {"POST", "/v1/shutdown", Shutdown, {}, /*body=*/false},
      {"POST", "/v1/policies/check", Check}, {"POST", "/v1/policies/explain", Explain}};
}

}  // namespace sessionctl
