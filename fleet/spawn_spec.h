// A session to start, as JSON: the body of POST /v1/sessions, what the zygote is told, and what a
// session's directory keeps for a restart. Pure. Strings whose bytes are no UTF-8, which JSON
// cannot say, are written {"base64": "…"}.
#ifndef FLEET_SPAWN_SPEC_H_
#define FLEET_SPAWN_SPEC_H_

#include <optional>
#include <string>
#include <string_view>

#include "fleet/request_fields.h"
#include "fleet/supervisor.h"
#include "nlohmann/json_fwd.hpp"

namespace sessionctl {

nlohmann::ordered_json BytesToJson(std::string_view bytes);
// nullopt: neither a string nor {"base64": …}.
std::optional<std::string> BytesFromJson(const nlohmann::ordered_json& value);

std::string EncodeBase64(std::string_view bytes);
std::optional<std::string> DecodeBase64(std::string_view text);

// "TERM", "SIGTERM", 15; 0 for anything else.
int SignalFromJson(const nlohmann::ordered_json& value);

nlohmann::ordered_json SpecToJson(const SpawnSpec& spec);
// Reads the members of a spec; unknown members are an error unless they are `count` (which is the
// request's). The place is read only when `internal`: API clients have no say in it.
std::optional<FieldError> SpecFromJson(const nlohmann::ordered_json& value, bool internal,
                                       SpawnSpec& spec);

// Its member "environment" alone.
std::optional<FieldError> ReadSpecEnvironment(const nlohmann::ordered_json& value, SpawnSpec& spec);

// A name of a session or label: no control characters, of bounded length.
inline constexpr size_t kMaxNameSize = 160;  // DEPLOYMENT.SESSION.REPLICA
inline constexpr size_t kMaxLabelName = 128;
inline constexpr size_t kMaxLabels = 64;
inline constexpr size_t kMaxLabelValue = 256;

}  // namespace sessionctl

#endif  // FLEET_SPAWN_SPEC_H_
