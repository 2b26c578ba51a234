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

// One reader a member. Each gives what is wrong, "" when nothing is.
using Reader = std::string (*)(const ordered_json&, SpawnSpec&);

std::string ReadPolicy(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_string()) return "a policy as TOML text is needed";
  spec.policy = value.get<std::string>();
  return "";
}

std::string ReadCommand(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_array() || value.empty()) return "a list of at least one word is needed";
  for (const ordered_json& word : value) {
    std::optional<std::string> bytes = BytesFromJson(word);
    if (!bytes.has_value()) return "each word is a string or {\"base64\": …}";
    if (bytes->find('\0') != std::string::npos) return "a word cannot hold a NUL byte";
    spec.command.push_back(*std::move(bytes));
  }
  return spec.command[0].empty() ? "the first word is empty" : "";
}

std::string ReadEnvironment(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_object()) return "an object of strings is needed";
  for (const auto& [name, text] : value.items()) {
    std::optional<std::string> bytes = BytesFromJson(text);
    if (!bytes.has_value()) return name + ": a string or {\"base64\": …} is needed";
    if (name.empty() || name.find('=') != std::string::npos) return "a variable needs a name";
    if (name.find('\0') != std::string::npos || bytes->find('\0') != std::string::npos) {
      return "a variable cannot hold a NUL byte";
    }
    spec.environment.push_back(name + "=" + *bytes);
  }
  return "";
}

std::string ReadName(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_string()) return "a string is needed";
  spec.name = value.get<std::string>();
  return spec.name.size() > kMaxNameSize ? "longer than 128 bytes" : "";
}

std::string ReadLabels(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_object()) return "an object of strings is needed";
  if (value.size() > kMaxLabels) return "more than 64 labels";
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) return key + ": a string is needed";
    const std::string label = text.get<std::string>();
    if (key.empty() || key.size() > kMaxNameSize || key.find_first_of("=,") != std::string::npos ||
        HasControl(key)) {
      return "\"" + key + "\" is no label: 1 to 128 bytes without '=' and ','";
    }
    if (label.size() > kMaxLabelValue || HasControl(label)) {
      return key + ": longer than 256 bytes, or with control characters";
    }
    spec.labels[key] = label;
  }
  return "";
}

std::string ReadStop(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_object()) return "an object is needed";
  for (const auto& [key, part] : value.items()) {
    if (key == "signal") {
      const std::string name = part.is_number_integer() ? std::to_string(part.get<int64_t>())
                               : part.is_string()       ? part.get<std::string>()
                                                        : "";
      spec.stop.signal = SignalNumber(name);
      if (spec.stop.signal == 0) return "signal: no such signal";
    } else if (key == "timeout_ms") {
      if (!part.is_number_integer()) return "timeout_ms: a whole number is needed";
      spec.stop.timeout = part.get<int64_t>();
      if (spec.stop.timeout < 0 || spec.stop.timeout > kMaxStopTimeout) {
        return "timeout_ms: from 0 to a day";
      }
    } else {
      return "unknown member \"" + key + "\"";
    }
  }
  return "";
}

bool ReadUint16(const ordered_json& object, const char* key, uint16_t& number) {
  const auto it = object.find(key);
  if (it == object.end()) return true;
  if (!it->is_number_unsigned() || it->get<uint64_t>() > 65535) return false;
  number = it->get<uint16_t>();
  return true;
}

std::string ReadTerminal(const ordered_json& value, SpawnSpec& spec) {
  if (value.is_null()) return "";
  if (!value.is_object()) return "an object with rows and cols, or null, is needed";
  TerminalSize size;
  if (!ReadUint16(value, "rows", size.rows) || !ReadUint16(value, "cols", size.columns)) {
    return "rows and cols are numbers below 65536";
  }
  spec.terminal = size;
  return "";
}

std::string ReadStdin(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_boolean()) return "true or false is needed";
  spec.stdin_open = value.get<bool>();
  return "";
}

std::string ReadUmask(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_string()) return "an octal number as a string is needed";
  const std::string text = value.get<std::string>();
  if (text.empty() || text.size() > 4 || text.find_first_not_of("01234567") != std::string::npos ||
      std::stoi(text, nullptr, 8) > 0777) {
    return "an octal number up to 0777 is needed";
  }
  spec.umask = static_cast<mode_t>(std::stoi(text, nullptr, 8));
  return "";
}

std::string ReadLog(const ordered_json& value, SpawnSpec& spec) {
  if (!value.is_object()) return "an object is needed";
  for (const auto& [key, part] : value.items()) {
    if (!part.is_number_integer()) return key + ": a whole number is needed";
    const auto number = part.get<int64_t>();
    if (key == "max_bytes") {
      if (number < 4096 || number > (int64_t{1} << 40)) return "max_bytes: from 4096 to 1 TiB";
      spec.log.max_bytes = number;
    } else if (key == "max_files") {
      if (number < 1 || number > kMaxLogFiles) return "max_files: from 1 to 100";
      spec.log.max_files = static_cast<int>(number);
    } else {
      return "unknown member \"" + key + "\"";
    }
  }
  return "";
}

std::string ReadPlace(const ordered_json& value, SpawnSpec& spec) {
  if (value.is_null()) return "";
  if (!value.is_object()) return "an object is needed";
  spec.place.deployment = value.value("deployment", "");
  spec.place.session = value.value("session", "");
  spec.place.replica = value.value("replica", 0);
  spec.place.restarts = value.value("restarts", 0);
  spec.place.failures = value.value("failures", 0);
  spec.place.version = value.value("version", 0);
  spec.place.definition = value.value("definition", "");
  return "";
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

std::optional<FieldError> SpecFromJson(const ordered_json& value, bool internal, SpawnSpec& spec) {
  if (!value.is_object()) return FieldError{"", "a JSON object is needed"};
  for (const auto& [name, part] : value.items()) {
    if (name == "count" && !internal) continue;
    const Member* member = FindMember(name, internal);
    if (member == nullptr) return FieldError{name, "unknown member"};
    std::string wrong;
    try {
      wrong = member->read(part, spec);
    } catch (const ordered_json::exception& error) {  // of a place's members
      wrong = error.what();
    }
    if (!wrong.empty()) return FieldError{name, wrong};
  }
  if (spec.command.empty()) return FieldError{"command", "missing"};
  return std::nullopt;
}

}  // namespace sessionctl
