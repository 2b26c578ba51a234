#include "fleet/event_json.h"

#include "nlohmann/json.hpp"

namespace sessionctl {

nlohmann::ordered_json EventToJson(const FleetEvent& event) {
  nlohmann::ordered_json json = {
      {"sequence", event.sequence}, {"time", event.time}, {"type", event.type}};
  if (!event.session.empty()) json["session"] = event.session;
  if (!event.name.empty()) json["name"] = event.name;
  if (!event.labels.empty()) json["labels"] = event.labels;
  if (!event.place.deployment.empty()) {
    json["place"] = {{"deployment", event.place.deployment},
                     {"session", event.place.session},
                     {"replica", event.place.replica}};
  }
  if (event.exit.has_value()) {
    json["exit"] = {{"code", nullptr}, {"signal", nullptr}, {"reason", event.exit->reason}};
    if (event.exit->code.has_value()) json["exit"]["code"] = *event.exit->code;
    if (event.exit->signal.has_value()) json["exit"]["signal"] = *event.exit->signal;
  }
  if (!event.message.empty()) json["message"] = event.message;
  return json;
}

}  // namespace sessionctl
