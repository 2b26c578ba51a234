// The ways out of a parsed policy: merged with another, written as TOML, described as a JSON
// Schema. All three walk the tables of policy_keys.h.
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/deployment_keys.h"
#include "policy/policy_keys.h"
#include "policy/policy_parser.h"
#include "policy/toml_text.h"

namespace sessionctl {
namespace {

using Json = nlohmann::ordered_json;

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

Json MountsSchema() { return {{"type", "array"}, {"items", TableSchema(MountKeys(), "")}}; }

Json SessionsSchema() {
  Json table = TableSchema(DeploymentSessionKeys(), "");
  Json ready = TableSchema(DeploymentSessionKeys(), "ready");
  ready["minProperties"] = ready["maxProperties"] = 1;
  table["properties"]["ready"] = ready;
  table["properties"]["limits"] = TableSchema(LimitKeys(), "limits");
  table["properties"]["mount"] = MountsSchema();
  return {{"type", "array"}, {"items", table}};
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
  schema["properties"]["mount"] = MountsSchema();
  schema["properties"]["deployment"] = TableSchema(DeploymentKeys(), "deployment");
  schema["properties"]["session"] = SessionsSchema();
  return schema.dump(2) + "\n";
}

}  // namespace sessionctl
