#include "fleet/deployment_json.h"

#include "nlohmann/json.hpp"
#include "policy/deployment_policy.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

const char* ActionName(PlanAction action) {
  switch (action) {
    case PlanAction::kStart: return "start";
    case PlanAction::kReplace: return "replace";
    case PlanAction::kStop: return "stop";
    case PlanAction::kUpdate: return "update";
    case PlanAction::kKeep: return "keep";
  }
  return "?";
}

template <typename T>
ordered_json OrNull(const std::optional<T>& value) {
  return value.has_value() ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json PlaceToJson(const PlaceStatus& status) {
  ordered_json json = {{"session", status.place.first},         {"replica", status.place.second},
                       {"state", PlaceStateName(status.state)}, {"id", status.id},
                       {"restarts", status.restarts},           {"failures", status.failures}};
  if (status.restart_in) json["restart_in_ms"] = status.restart_in->count();
  if (status.exit) {
    json["exit"] = {{"code", OrNull(status.exit->code)},
                    {"signal", OrNull(status.exit->signal)},
                    {"reason", status.exit->reason}};
  }
  return json;
}

// How many places of it are in which state; of one that is not in the file any more too.
ordered_json SessionsToJson(const DeploymentView& view) {
  std::map<std::string, std::map<std::string, int>> states;
  for (const PlaceStatus& place : view.places) {
    ++states[place.place.first][PlaceStateName(place.state)];
  }
  ordered_json sessions = ordered_json::array();
  for (const DeploymentSession& session : view.wanted.deployment.sessions) {
    sessions.push_back({{"name", session.name},
                        {"replicas", view.wanted.removing ? 0 : session.replicas},
                        {"states", ordered_json(states[session.name])}});
    states.erase(session.name);
  }
  for (const auto& [name, count] : states) {
    sessions.push_back({{"name", name}, {"replicas", 0}, {"states", ordered_json(count)}});
  }
  return sessions;
}

}  // namespace

ordered_json PlanToJson(const std::vector<PlanLine>& plan) {
  ordered_json lines = ordered_json::array();
  for (const PlanLine& line : plan) {
    lines.push_back({{"action", ActionName(line.action)},
                     {"session", line.session},
                     {"replicas", line.replicas},
                     {"reason", line.reason}});
  }
  return lines;
}

ordered_json DeploymentToJson(const DeploymentView& view, bool summary) {
  ordered_json json = {{"name", view.wanted.deployment.name},
                       {"version", view.wanted.version},
                       {"removing", view.wanted.removing},
                       {"message", view.message},
                       {"sessions", SessionsToJson(view)}};
  if (summary) return json;
  json["places"] = ordered_json::array();
  for (const PlaceStatus& place : view.places) json["places"].push_back(PlaceToJson(place));
  json["deployment"] = DeploymentToToml(view.wanted.deployment);
  return json;
}

}  // namespace sessionctl
