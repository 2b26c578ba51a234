#include "fleet/api.h"

#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "fleet/problem.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;
constexpr int kMaxDepth = 16;
constexpr size_t kMaxValues = 100'000;  // of one body
constexpr char kVersionPrefix[] = "/v1/";

std::vector<std::string> Segments(const std::string& path) {
  std::vector<std::string> segments = absl::StrSplit(path, '/');
  return segments;
}

// The parameters when `path` is of that pattern.
bool MatchesPattern(const std::vector<std::string>& pattern, const std::vector<std::string>& path,
                    std::vector<std::string>* parameters) {
  if (pattern.size() != path.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!pattern[i].empty() && pattern[i][0] == '{') {
      if (path[i].empty()) return false;
      parameters->push_back(PercentDecode(path[i], /*query=*/false));
    } else if (pattern[i] != path[i]) {
      return false;
    }
  }
  return true;
}

constexpr std::array<SessionState, 5> kStates = {SessionState::kStarting, SessionState::kRunning,
                                                 SessionState::kExited, SessionState::kFailed,
                                                 SessionState::kLost};

bool AddStates(const std::string& name, std::vector<SessionState>& states) {
  bool known = false;
  for (const SessionState state : kStates) {
    const bool ended = state != SessionState::kStarting && state != SessionState::kRunning;
    if (name == SessionStateName(state) || (name == "ended" && ended)) {
      states.push_back(state);
      known = true;
    }
  }
  return known;
}

// What a request may hold beside its path: nothing that the route does not take. A filter that is
// misspelt, or sent in the body, must not become none at all.
std::optional<FieldError> Unexpected(const Route& route, const HttpRequest& request) {
  for (const auto& [name, value] : request.query) {
    const auto known = [&name = name](const char* each) { return name == each; };
    if (std::none_of(route.query.begin(), route.query.end(), known)) {
      return FieldError{name, "unknown parameter"};
    }
  }
  if (!route.takes_body() && !request.body.empty()) {
    return FieldError{"", "this request takes no body"};
  }
  return std::nullopt;
}

}  // namespace

bool Route::takes_body() const {
  return body && (std::string(method) == "POST" || std::string(method) == "PUT");
}

const std::vector<Route>& Routes() {
  static const auto& routes = *new std::vector<Route>([] {
    std::vector<Route> all;
    for (const auto& part :
         {SessionRoutes(), MountRoutes(), ChangeRoutes(), StartRoutes(), StreamRoutes(),
          HandOverRoutes(), DeploymentRoutes(), UsageRoutes(), SystemRoutes()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }());
  return routes;
}

void Dispatch(Api& api, const ExchangePtr& exchange) {
  const HttpRequest& request = exchange->request();
  const std::vector<std::string> path = Segments(request.path);
  std::string allow;
  for (const Route& route : Routes()) {
    std::vector<std::string> parameters;
    if (!MatchesPattern(Segments(route.pattern), path, &parameters)) continue;
    if (request.method == route.method) {
      if (Refused(exchange, Unexpected(route, request))) return;
      exchange->parameters = std::move(parameters);
      return route.handler(api, exchange);
    }
    allow += (allow.empty() ? "" : ", ") + std::string(route.method);
  }
  if (allow.empty() && !absl::StartsWith(request.path, kVersionPrefix)) {
    return exchange->Reply(Problem(404, "no_version", "paths begin with /v1/ here"));
  }
  if (allow.empty()) return exchange->Reply(Problem(404, "no_route", "no such path"));
  HttpReply reply = Problem(405, "no_method", "this path takes " + allow);
  reply.allow = allow;
  exchange->Reply(std::move(reply));
}

std::string DumpLine(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

HttpReply JsonReply(int status, const ordered_json& value) {
  return {.status = status,
          .body = value.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n"};
}

ordered_json ViewToJson(const KnownSession& view) {
  if (view.unreadable.empty()) return RecordToJsonValue(view.record);
  return {{"id", view.record.id},
          {"name", view.record.name},
          {"state", "unreadable"},
          {"alive", view.alive},
          {"message", view.unreadable}};
}

std::optional<std::string> SessionOf(Api& api, const ExchangePtr& exchange) {
  const std::string& reference = exchange->parameters[0];
  if (reference.size() > kMaxNameSize) {
    exchange->Reply(Problem(400, "invalid", "longer than 128 bytes", "id"));
    return std::nullopt;
  }
  absl::StatusOr<std::string> id = api.supervisor.Resolve(reference);
  if (id.ok()) return *std::move(id);
  exchange->Reply(absl::IsInvalidArgument(id.status())
                      ? Problem(400, "ambiguous", std::string(id.status().message()), "id")
                      : ProblemOf(id.status(), "id"));
  return std::nullopt;
}

std::optional<ordered_json> BodyObject(const ExchangePtr& exchange) {
  const std::string& body = exchange->request().body;
  if (body.find_first_not_of(" \t\r\n") == std::string::npos) return ordered_json::object();
  // Depth and number are bounded while it is read: neither recursion nor memory by a few bytes.
  size_t values = 0;
  bool too_much = false;
  const auto limit = [&](int depth, ordered_json::parse_event_t, ordered_json&) {
    too_much = too_much || depth > kMaxDepth || ++values > kMaxValues;
    return !too_much;
  };
  ordered_json value = ordered_json::parse(body, limit, /*allow_exceptions=*/false);
  if (!too_much && !value.is_discarded() && value.is_object()) return value;
  exchange->Reply(too_much ? Problem(400, "too_large",
                                     "the body is nested deeper than 16, or has more than 100,000 "
                                     "values")
                           : Problem(400, "malformed", "the body is not a JSON object"));
  return std::nullopt;
}

bool Refused(const ExchangePtr& exchange, const std::optional<FieldError>& wrong) {
  if (!wrong.has_value()) return false;
  exchange->Reply(Problem(400, "invalid", wrong->message, wrong->field));
  return true;
}

std::optional<std::chrono::milliseconds> TimeoutOf(BodyFields& fields) {
  const std::optional<int64_t> time = fields.Integer("timeout_ms", 0, kMaxTimeout);
  if (!time.has_value()) return std::nullopt;
  return std::chrono::milliseconds(*time);
}

std::optional<Selector> SelectorOf(const ExchangePtr& exchange) {
  Selector selector;
  for (const auto& [key, value] : exchange->request().query) {
    const std::vector<std::string> parts = absl::StrSplit(value, ',', absl::SkipEmpty());
    for (const std::string& part : parts) {
      if (key == "label") {
        const size_t equals = part.find('=');
        if (equals == 0) {
          exchange->Reply(Problem(400, "invalid", "KEY or KEY=VALUE is needed", "label"));
          return std::nullopt;
        }
        selector.labels[part.substr(0, equals)] =
            equals == std::string::npos ? "" : part.substr(equals + 1);
      } else if (key == "deployment") {
        selector.deployment = part;
      } else if (key == "state" && !AddStates(part, selector.states)) {
        exchange->Reply(Problem(400, "invalid", "no such state: " + part, "state"));
        return std::nullopt;
      }
    }
  }
  return selector;
}

}  // namespace sessionctl
