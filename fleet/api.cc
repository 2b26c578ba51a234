#include "fleet/api.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_split.h"
#include "fleet/problem.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;
constexpr int64_t kMaxTimeout = int64_t{86'400} * 1000;

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

}  // namespace

const std::vector<Route>& Routes() {
  static const auto& routes = *new std::vector<Route>([] {
    std::vector<Route> all;
    for (const auto& part : {SessionRoutes(), StartRoutes(), StreamRoutes(), SystemRoutes()}) {
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
      exchange->parameters = std::move(parameters);
      return route.handler(api, exchange);
    }
    allow += (allow.empty() ? "" : ", ") + std::string(route.method);
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
  absl::StatusOr<std::string> id = api.supervisor.Resolve(exchange->parameters[0]);
  if (id.ok()) return *std::move(id);
  exchange->Reply(absl::IsInvalidArgument(id.status())
                      ? Problem(400, "ambiguous", std::string(id.status().message()), "id")
                      : ProblemOf(id.status(), "id"));
  return std::nullopt;
}

std::optional<ordered_json> BodyObject(const ExchangePtr& exchange) {
  const std::string& body = exchange->request().body;
  if (body.find_first_not_of(" \t\r\n") == std::string::npos) return ordered_json::object();
  // Depth is bounded by the callback: a parser that recurses must not meet a million brackets.
  bool too_deep = false;
  const auto limit = [&](int depth, ordered_json::parse_event_t, ordered_json&) {
    too_deep = too_deep || depth > 16;
    return !too_deep;
  };
  ordered_json value = ordered_json::parse(body, limit, /*allow_exceptions=*/false);
  if (!value.is_discarded() && !too_deep && value.is_object()) return value;
  exchange->Reply(Problem(400, "malformed", "the body is not a JSON object"));
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> TimeoutMember(const ordered_json& body,
                                                       const ExchangePtr& exchange, bool* ok) {
  *ok = true;
  const auto it = body.find("timeout_ms");
  if (it == body.end() || it->is_null()) return std::nullopt;
  if (it->is_number_integer() && it->get<int64_t>() >= 0 && it->get<int64_t>() <= kMaxTimeout) {
    return std::chrono::milliseconds(it->get<int64_t>());
  }
  *ok = false;
  exchange->Reply(Problem(400, "invalid", "milliseconds from 0 to a day are needed", "timeout_ms"));
  return std::nullopt;
}

std::optional<Selector> SelectorOf(const ExchangePtr& exchange) {
  Selector selector;
  for (const auto& [key, value] : exchange->request().query) {
    const std::vector<std::string> parts = absl::StrSplit(value, ',', absl::SkipEmpty());
    for (const std::string& part : parts) {
      if (key == "label") {
        const size_t equals = part.find('=');
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

bool QueryFlag(const HttpRequest& request, const std::string& name) {
  const auto it = request.query.find(name);
  return it != request.query.end() && it->second != "0" && it->second != "false";
}

}  // namespace sessionctl
