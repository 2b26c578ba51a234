// The ways out of a parsed policy: merged with another, written as TOML, described as a JSON
// Schema. All three walk the tables of policy_keys.h.
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "policy/policy_keys.h"
#include "policy/policy_parser.h"

namespace sessionctl {
namespace {

using Json = nlohmann::ordered_json;

// The length of the UTF-8 sequence at `text[i]` as TOML takes it (no surrogates, no overlong
// forms), 0 if there is none.
size_t Utf8Length(const std::string& text, size_t i) {
  const auto byte = [&text](size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  const auto continues = [&](size_t at) { return (byte(at) & 0xc0) == 0x80; };
  const unsigned first = byte(i);
  const unsigned second = byte(i + 1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(i + 1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && second < 0xa0;
    const bool surrogate = first == 0xed && second > 0x9f;
    return !overlong && !surrogate && continues(i + 1) && continues(i + 2) ? 3 : 0;
  }
  if (first < 0xf0 || first > 0xf4) return 0;
  const bool out_of_range = (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return !out_of_range && continues(i + 1) && continues(i + 2) && continues(i + 3) ? 4 : 0;
}

std::string TomlString(const std::string& text) {
  std::string result = "\"";
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text, i);
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      result += "\\uFFFD";
    } else if (byte == '"' || byte == '\\') {
      result.append("\\").append(1, text[i]);
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&result, "\\u%04X", byte);
    } else {
      result.append(text, i, length);
    }
    i += length == 0 ? 1 : length;
  }
  return result + "\"";
}

struct TomlValue {
  std::string operator()(const std::string& value) const { return TomlString(value); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return absl::StrCat(value); }
  std::string operator()(double value) const { return absl::StrFormat("%.15g", value); }
  std::string operator()(const std::vector<std::string>& values) const {
    if (values.size() < 2) {
      return values.empty() ? "[]" : absl::StrCat("[", TomlString(values.front()), "]");
    }
    std::string text = "[\n";
    for (const std::string& value : values) absl::StrAppend(&text, "  ", TomlString(value), ",\n");
    return text + "]";
  }
  std::string operator()(const std::vector<int64_t>& values) const {
    return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
  }
  std::string operator()(const StringMap& values) const {
    std::vector<std::string> entries;
    for (const auto& [name, value] : values) {
      entries.push_back(absl::StrCat(TomlString(name), " = ", TomlString(value)));
    }
    return absl::StrCat("{ ", absl::StrJoin(entries, ", "), " }");
  }
};

// The entries of one table, without those that have their default value.
template <typename T>
std::string TomlEntries(const std::vector<PolicyKey<T>>& keys, const std::string& section,
                        const T& source) {
  std::string text;
  const T defaults;
  for (const PolicyKey<T>& key : keys) {
    if (key.section != section || key.name == "extends") continue;
    const KeyValue value = key.get(source);
    if (value == key.get(defaults) && key.name != "version" && !key.required) continue;
    absl::StrAppend(&text, key.name, " = ", std::visit(TomlValue(), value), "\n");
  }
  return text;
}

Json StringSchema(const std::vector<std::string>& choices) {
  Json schema = {{"type", "string"}};
  if (!choices.empty()) schema["enum"] = choices;
  return schema;
}

template <typename T>
Json IntegerSchema(const PolicyKey<T>& key) {
  return {{"type", "integer"}, {"minimum", key.minimum}, {"maximum", key.maximum}};
}

template <typename T>
Json ValueSchema(const PolicyKey<T>& key) {
  switch (key.type) {
    case KeyType::kString: {
      Json schema = StringSchema(key.choices);
      if (!key.pattern.empty()) schema["pattern"] = key.pattern;
      return schema;
    }
    case KeyType::kStringList: return {{"type", "array"}, {"items", StringSchema(key.choices)}};
    case KeyType::kStringMap:
      return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
    case KeyType::kBool: return {{"type", "boolean"}};
    case KeyType::kInteger: return IntegerSchema(key);
    case KeyType::kNumber:
      return {{"type", "number"}, {"exclusiveMinimum", key.minimum}, {"maximum", key.maximum}};
    case KeyType::kIntegerList: return {{"type", "array"}, {"items", IntegerSchema(key)}};
  }
  return Json::object();
}

template <typename T>
Json KeySchema(const PolicyKey<T>& key) {
  Json schema = ValueSchema(key);
  schema["description"] = key.description;
  const KeyValue value = key.get(T{});
  if (std::holds_alternative<bool>(value)) schema["default"] = std::get<bool>(value);
  // Below its minimum an integer stands for "no limit".
  if (std::holds_alternative<int64_t>(value) && std::get<int64_t>(value) >= key.minimum) {
    schema["default"] = std::get<int64_t>(value);
  }
  if (!key.choices.empty() && std::holds_alternative<std::string>(value)) {
    schema["default"] = std::get<std::string>(value);
  }
  return schema;
}

template <typename T>
Json TableSchema(const std::vector<PolicyKey<T>>& keys, const std::string& section) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const PolicyKey<T>& key : keys) {
    if (key.section != section) continue;
    properties[key.name] = KeySchema(key);
    if (key.required) required.push_back(key.name);
  }
  Json schema = {{"type", "object"}, {"properties", properties}};
  if (!required.empty()) schema["required"] = required;
  schema["additionalProperties"] = false;
  return schema;
}

}  // namespace

SessionPolicy MergePolicies(const SessionPolicy& base, const SessionPolicy& top) {
  SessionPolicy merged = base;
  const SessionPolicy defaults;
  for (const PolicyKey<SessionPolicy>& key : PolicyKeys()) {
    const KeyValue value = key.get(top);
    if (value != key.get(defaults)) key.set(&merged, value);
  }
  merged.mounts.insert(merged.mounts.end(), top.mounts.begin(), top.mounts.end());
  return merged;
}

std::string PolicyToToml(const SessionPolicy& policy) {
  std::string text;
  for (const std::string& section : PolicySections()) {
    const std::string entries = TomlEntries(PolicyKeys(), section, policy);
    if (entries.empty()) continue;
    if (!section.empty()) absl::StrAppend(&text, "\n[", section, "]\n");
    absl::StrAppend(&text, entries);
  }
  for (const Mount& mount : policy.mounts) {
    absl::StrAppend(&text, "\n[[mount]]\n", TomlEntries(MountKeys(), "", mount));
  }
  return text;
}

std::string PolicyJsonSchema() {
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "sessionctl policy"}};
  const Json top = TableSchema(PolicyKeys(), "");
  schema.insert(top.begin(), top.end());
  for (const std::string& section : PolicySections()) {
    if (!section.empty()) schema["properties"][section] = TableSchema(PolicyKeys(), section);
  }
  schema["properties"]["mount"] = {{"type", "array"}, {"items", TableSchema(MountKeys(), "")}};
  return schema.dump(2) + "\n";
}

}  // namespace sessionctl
