// Routes of the control API about deployments.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "fleet/api.h"
#include "fleet/deployment_json.h"
#include "fleet/problem.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"
#include "policy/deployment_policy.h"
#include "policy/environment_rules.h"
#include "policy/policy_compiler.h"
#include "policy/policy_parser.h"
#include "sandbox/kernel_features.h"
#include "supervisor/mediator/syscall_table.h"
#include "supervisor/session_monitor.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

constexpr char kPlaceholderSession[] = "000000000000";
constexpr char kSource[] = "deployment";  // the file, in messages

// A body of POST /v1/deployments, read.
struct ApplyRequest {
  Deployment deployment;
  std::vector<std::string> environment;
  bool dry = false;
  std::vector<std::string> warnings;
};

// Looks at the machine: for the pool. What no session of it could be started with is an error; what
// is only missing here and now is a warning.
absl::Status CheckPolicies(ApplyRequest& request) {
  const KernelFeatures features = ProbeKernelFeatures();
  for (const DeploymentSession& session : request.deployment.sessions) {
    SessionPolicy policy = PolicyOf(request.deployment, session, 1);
    // A mount that a start makes is not made by looking.
    std::erase_if(policy.mounts, [](const Mount& mount) { return mount.create; });
    const absl::Status compiled =
        CompilePolicy(policy, SessionVariables(kPlaceholderSession), features, MediatedCalls())
            .status();
    if (compiled.ok()) continue;
    const std::string message =
        "session \"" + session.name + "\": " + std::string(compiled.message());
    if (absl::IsInvalidArgument(compiled)) return absl::InvalidArgumentError(message);
    request.warnings.push_back(message);
  }
  return absl::OkStatus();
}

HttpReply ReplyApplied(const absl::StatusOr<AppliedDeployment>& applied, bool dry,
                       const std::vector<std::string>& warnings) {
  if (!applied.ok()) return ProblemOf(applied.status());
  return JsonReply(200, {{"name", applied->name},
                         {"version", applied->version},
                         {"dry_run", dry},
                         {"plan", PlanToJson(applied->plan)},
                         {"text", PlanText(applied->plan)},
                         {"warnings", warnings}});
}

// What is wrong with the text: the deployment cannot be.
absl::StatusOr<Deployment> ReadDeployment(const std::string& text) {
  absl::StatusOr<Deployment> deployment = ParseDeployment(text, kSource);
  if (!deployment.ok()) return deployment.status();
  if (deployment->name.empty()) {
    return absl::InvalidArgumentError("there is no [deployment] in it");
  }
  if (!deployment->policy.process.keep_fds.empty()) {
    return absl::InvalidArgumentError(
        "process.keep_fds: a session of the supervisor inherits no descriptors");
  }
  return deployment;
}

// nullopt: answered with 400.
std::optional<ApplyRequest> ReadApply(const ordered_json& body, const ExchangePtr& exchange) {
  ApplyRequest request;
  SpawnSpec environment;
  BodyFields fields(body);
  request.dry = fields.Flag("dry_run", false);
  if (const ordered_json* value = fields.Any("environment"); value != nullptr) {
    if (const auto wrong = ReadSpecEnvironment(*value, environment); wrong.has_value()) {
      fields.Refuse(wrong->field, wrong->message);
    }
  }
  const std::optional<std::string> text = fields.Text("deployment", kMaxPolicy);
  if (!text.has_value()) fields.Refuse("deployment", "a deployment as TOML text is needed");
  if (Refused(exchange, fields.Wrong())) return std::nullopt;
  absl::StatusOr<Deployment> deployment = ReadDeployment(*text);
  if (!deployment.ok()) {
    exchange->Reply(
        Problem(400, "policy", std::string(deployment.status().message()), "deployment"));
    return std::nullopt;
  }
  request.deployment = *std::move(deployment);
  request.environment =
      PassingVariables(request.deployment.policy.environment, environment.environment);
  return request;
}

// {"deployment": TOML, "environment": {…}, "dry_run": false}
void Apply(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  std::optional<ApplyRequest> request = ReadApply(*body, exchange);
  if (!request.has_value()) return;
  boost::asio::post(api.pool, [&api, exchange, request = *std::move(request)]() mutable {
    absl::Status checked = CheckPolicies(request);
    boost::asio::post(api.supervisor.io(), [&api, exchange, checked = std::move(checked),
                                            request = std::move(request)]() mutable {
      if (!checked.ok()) {
        return exchange->Reply(
            Problem(400, "policy", std::string(checked.message()), "deployment"));
      }
      exchange->Reply(
          ReplyApplied(api.deployments.Apply(std::move(request.deployment),
                                             std::move(request.environment), request.dry),
                       request.dry, request.warnings));
    });
  });
}

void ListDeployments(Api& api, const ExchangePtr& exchange) {
  ordered_json all = ordered_json::array();
  for (const std::string& name : api.deployments.Names()) {
    absl::StatusOr<DeploymentView> view = api.deployments.Inspect(name);
    if (view.ok()) all.push_back(DeploymentToJson(*view, /*summary=*/true));
  }
  exchange->Reply(JsonReply(200, all));
}

// ?summary=1: without the places.
void InspectDeployment(Api& api, const ExchangePtr& exchange) {
  QueryFields query(exchange->request().query);
  const bool summary = query.Flag("summary");
  if (Refused(exchange, query.Wrong())) return;
  absl::StatusOr<DeploymentView> view = api.deployments.Inspect(exchange->parameters[0]);
  if (!view.ok()) return exchange->Reply(ProblemOf(view.status(), "name"));
  exchange->Reply(JsonReply(200, DeploymentToJson(*view, summary)));
}

// {"replicas": {"SESSION": N}, "dry_run": false}
void Scale(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  BodyFields fields(*body);
  const bool dry = fields.Flag("dry_run", false);
  const ordered_json* wanted = fields.Any("replicas");
  std::map<std::string, int> replicas;
  if (wanted == nullptr || !wanted->is_object() || wanted->empty()) {
    fields.Refuse("replicas", "an object of sessions and numbers is needed");
  } else {
    BodyFields numbers(*wanted);
    for (const auto& [name, number] : wanted->items()) {
      replicas[name] = static_cast<int>(numbers.Integer(name.c_str(), 0, kMaxReplicas).value_or(0));
    }
    if (const auto wrong = numbers.Wrong(); wrong.has_value()) {
      fields.Refuse("replicas." + wrong->field, wrong->message);
    }
  }
  if (Refused(exchange, fields.Wrong())) return;
  exchange->Reply(
      ReplyApplied(api.deployments.Scale(exchange->parameters[0], replicas, dry), dry, {}));
}

// Answers at once; it is gone when GET says 404.
void Remove(Api& api, const ExchangePtr& exchange) {
  const std::string& name = exchange->parameters[0];
  if (const absl::Status removed = api.deployments.Remove(name); !removed.ok()) {
    return exchange->Reply(ProblemOf(removed, "name"));
  }
  exchange->Reply(JsonReply(202, {{"name", name}}));
}

}  // namespace

std::vector<Route> DeploymentRoutes() {
  return {{"POST", "/v1/deployments", Apply},
          {"GET", "/v1/deployments", ListDeployments},
          {"GET", "/v1/deployments/{name}", InspectDeployment, {"summary"}},
          {"DELETE", "/v1/deployments/{name}", Remove},
          {"POST", "/v1/deployments/{name}/scale", Scale}};
}

}  // namespace sessionctl
