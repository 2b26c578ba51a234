#include "fleet/spawn_spec.h"

#include <signal.h>
#include <string.h>

#include <array>
#include <cctype>
#include <utility>

#include "absl/strings/escaping.h"
#include "nlohmann/json.hpp"
#include "sandbox/signal_names.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;
constexpr int kMaxLogFiles = 100;
constexpr int64_t kMinLogBytes = 4096;
constexpr int64_t kMaxLogBytes = int64_t{1} << 40;
constexpr int64_t kMaxStopTimeout = int64_t{86'400} * 1000;

bool IsUtf8(std::string_view bytes) {
  try {
    (void)ordered_json(std::string(bytes)).dump();
    return true;
  } catch (const ordered_json::exception&) {
    return false;
  }
}

bool HasControl(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

// One reader a member. Each gives what is wrong, and in which part of the member: "[2]", ".HOME".
using Wrong = std::optional<FieldError>;
using Reader = Wrong (*)(const ordered_json&, SpawnSpec&);

Wrong Whole(const std::string& message) { return FieldError{"", message}; }

// What is wrong with the members of an object that is a member itself.
Wrong Inner(const BodyFields& fields) {
  Wrong wrong = fields.Wrong();
  if (wrong.has_value()) wrong->field.insert(0, ".");
  return wrong;
}

Wrong ReadPolicy(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_string()) return Whole("a policy as TOML text is needed");
  spec.policy = value.get<std::string>();
  return std::nullopt;
}

Wrong ReadCommand(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_array() || value.empty()) return Whole("a list of at least one word is needed");
  for (const ordered_json& word : value) {
    const std::string place = "[" + std::to_string(spec.command.size()) + "]";
    std::optional<std::string> bytes = BytesFromJson(word);
    if (!bytes.has_value()) return FieldError{place, "a word is a string or {\"base64\": …}"};
    if (bytes->find('\0') != std::string::npos) {
      return FieldError{place, "a word cannot hold a NUL byte"};
    }
    if (spec.command.empty() && bytes->empty()) return FieldError{place, "no program is named"};
    spec.command.push_back(*std::move(bytes));
  }
  return std::nullopt;
}

Wrong ReadEnvironment(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_object()) return Whole("an object of strings is needed");
  for (const auto& [name, text] : value.items()) {
    std::optional<std::string> bytes = BytesFromJson(text);
    if (name.empty() || name.find('=') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      return FieldError{"." + name, "a variable's name holds neither '=' nor a NUL byte"};
    }
    if (!bytes.has_value()) {
      return FieldError{"." + name, "a string or {\"base64\": …} is needed"};
    }
    if (bytes->find('\0') != std::string::npos) {
      return FieldError{"." + name, "a variable cannot hold a NUL byte"};
    }
    spec.environment.push_back(name + "=" + *bytes);
  }
  return std::nullopt;
}

Wrong ReadName(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_string()) return Whole("a string is needed");
  spec.name = value.get<std::string>();
  if (spec.name.size() > kMaxNameSize) return Whole("longer than 160 bytes");
  return HasControl(spec.name) ? Whole("a name holds no control characters") : std::nullopt;
}

Wrong ReadLabels(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_object()) return Whole("an object of strings is needed");
  if (value.size() > kMaxLabels) return Whole("more than 64 labels");
  for (const auto& [key, text] : value.items()) {
    if (key.empty() || key.size() > kMaxLabelName || key.find_first_of("=,") != std::string::npos ||
        HasControl(key)) {
      return FieldError{"." + key,
                        "a label has 1 to 128 bytes, without '=', ',' and control "
                        "characters"};
    }
    if (!text.is_string()) return FieldError{"." + key, "a string is needed"};
    const std::string label = text.get<std::string>();
    if (label.size() > kMaxLabelValue || HasControl(label)) {
      return FieldError{"." + key, "longer than 256 bytes, or with control characters"};
    }
    spec.labels[key] = label;
  }
  return std::nullopt;
}

Wrong ReadStop(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_object()) return Whole("an object is needed");
  BodyFields fields(value);
  if (const ordered_json* signal = fields.Any("signal")) {
    spec.stop.signal = SignalFromJson(*signal);
    if (spec.stop.signal == 0) fields.Refuse("signal", "no such signal");
  }
  spec.stop.timeout = fields.Integer("timeout_ms", 0, kMaxStopTimeout).value_or(spec.stop.timeout);
  return Inner(fields);
}

Wrong ReadTerminal(const ordered_json& value, SpawnSpec& spec) {
  if (value.is_null()) return std::nullopt;
  if (!value.is_object()) return Whole("an object with rows and cols, or null, is needed");
  BodyFields fields(value);
  TerminalSize size;
  size.rows = static_cast<uint16_t>(fields.Integer("rows", 0, UINT16_MAX).value_or(size.rows));
  size.columns =
      static_cast<uint16_t>(fields.Integer("cols", 0, UINT16_MAX).value_or(size.columns));
  spec.terminal = size;
  return Inner(fields);
}

Wrong ReadStdin(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_boolean()) return Whole("true or false is needed");
  spec.stdin_open = value.get<bool>();
  return std::nullopt;
}

Wrong ReadUmask(const ordered_json& value, SpawnSpec& spec) {
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  if (text.empty() || text.size() > 4 || text.find_first_not_of("01234567") != std::string::npos ||
      std::stoi(text, nullptr, 8) > 0777) {
    return Whole("an octal number up to 0777, as a string, is needed");
  }
  spec.umask = static_cast<mode_t>(std::stoi(text, nullptr, 8));
  return std::nullopt;
}

Wrong ReadLog(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_object()) return Whole("an object is needed");
  BodyFields fields(value);
  spec.log.max_bytes =
      fields.Integer("max_bytes", kMinLogBytes, kMaxLogBytes).value_or(spec.log.max_bytes);
  spec.log.max_files =
      static_cast<int>(fields.Integer("max_files", 1, kMaxLogFiles).value_or(spec.log.max_files));
  return Inner(fields);
}

Wrong ReadPlace(const ordered_json& value, SpawnSpec& spec) {
  if (value.is_null()) return std::nullopt;
  if (!value.is_object()) return Whole("an object is needed");
  spec.place.deployment = value.value("deployment", "");
  spec.place.session = value.value("session", "");
  spec.place.replica = value.value("replica", 0);
  spec.place.restarts = value.value("restarts", 0);
  spec.place.failures = value.value("failures", 0);
  spec.place.version = value.value("version", 0);
  spec.place.definition = value.value("definition", "");
  return std::nullopt;
}

struct Member {
  const char* name;
  Reader read;
  bool internal = false;
};

constexpr std::array<Member, 11> kMembers = {{{"policy", ReadPolicy},
                                              {"command", ReadCommand},
                                              {"environment", ReadEnvironment},
                                              {"name", ReadName},
                                              {"labels", ReadLabels},
                                              {"stop", ReadStop},
                                              {"terminal", ReadTerminal},
                                              {"stdin", ReadStdin},
                                              {"umask", ReadUmask},
                                              {"log", ReadLog},
                                              {"place", ReadPlace, true}}};

const Member* FindMember(const std::string& name, bool internal) {
  for (const Member& member : kMembers) {
    if (name == member.name && (internal || !member.internal)) return &member;
  }
  return nullptr;
}

std::string Octal(mode_t mode) {
  char text[8];
  snprintf(text, sizeof(text), "%04o", static_cast<unsigned>(mode));
  return text;
}

}  // namespace

std::string EncodeBase64(std::string_view bytes) {
  return absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()));
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(absl::string_view(text.data(), text.size()), &bytes))
    return std::nullopt;
  return bytes;
}

ordered_json BytesToJson(std::string_view bytes) {
  if (IsUtf8(bytes)) return std::string(bytes);
  return {{"base64", EncodeBase64(bytes)}};
}

std::optional<std::string> BytesFromJson(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object() || value.size() != 1) return std::nullopt;
  const auto it = value.find("base64");
  if (it == value.end() || !it->is_string()) return std::nullopt;
  return DecodeBase64(it->get_ref<const std::string&>());
}

int SignalFromJson(const ordered_json& value) {
  if (value.is_string()) return SignalNumber(value.get<std::string>());
  return value.is_number_integer() ? SignalNumber(value.dump()) : 0;
}

ordered_json SpecToJson(const SpawnSpec& spec) {
  ordered_json result;
  result["policy"] = spec.policy;
  result["command"] = ordered_json::array();
  for (const std::string& word : spec.command) result["command"].push_back(BytesToJson(word));
  result["environment"] = ordered_json::object();
  for (const std::string& entry : spec.environment) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0 || !IsUtf8(entry.substr(0, equals))) continue;
    result["environment"][entry.substr(0, equals)] = BytesToJson(entry.substr(equals + 1));
  }
  if (IsUtf8(spec.name)) result["name"] = spec.name;
  result["labels"] = spec.labels;
  result["stop"] = {{"signal", spec.stop.signal}, {"timeout_ms", spec.stop.timeout}};
  if (spec.terminal.has_value()) {
    result["terminal"] = {{"rows", spec.terminal->rows}, {"cols", spec.terminal->columns}};
  }
  result["stdin"] = spec.stdin_open;
  result["umask"] = Octal(spec.umask);
  result["log"] = {{"max_bytes", spec.log.max_bytes}, {"max_files", spec.log.max_files}};
  if (!spec.place.deployment.empty()) {
    result["place"] = {{"deployment", spec.place.deployment}, {"session", spec.place.session},
                       {"replica", spec.place.replica},       {"restarts", spec.place.restarts},
                       {"failures", spec.place.failures},     {"version", spec.place.version},
                       {"definition", spec.place.definition}};
  }
  return result;
}

std::optional<FieldError> ReadSpecEnvironment(const ordered_json& value, SpawnSpec& spec) {
  Wrong wrong = ReadEnvironment(value, spec);
  if (wrong.has_value()) wrong->field.insert(0, "environment");
  return wrong;
}

std::optional<FieldError> SpecFromJson(const ordered_json& value, bool internal, SpawnSpec& spec) {
  if (!value.is_object()) return FieldError{"", "a JSON object is needed"};
  for (const auto& [name, part] : value.items()) {
    if (name == "count" && !internal) continue;
    const Member* member = FindMember(name, internal);
    if (member == nullptr) return FieldError{name, "unknown member"};
    Wrong wrong;
    try {
      wrong = member->read(part, spec);
    } catch (const ordered_json::exception& error) {  // of a place's members
      wrong = FieldError{"", error.what()};
    }
    if (wrong.has_value()) return FieldError{name + wrong->field, wrong->message};
  }
  if (spec.command.empty()) return FieldError{"command", "missing"};
  return std::nullopt;
}

}  // namespace sessionctl
