// The JSON schema of a policy against its parser.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/policy_parser.h"

namespace sessionctl {
namespace {

using ::testing::ElementsAre;
using Json = nlohmann::json;

void ExpectError(const std::string& text) {
  const absl::Status status = ParsePolicy(text, "p").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text << "\n" << status;
}

// A TOML value that the schema accepts for `property`.
std::string Sample(const Json& property) {
  if (property.contains("enum")) return property["enum"][0].dump();
  const std::string type = property["type"];
  if (property.contains("pattern")) {
    const std::regex pattern(property["pattern"].get<std::string>());
    for (const char* text : {"022", "10s", "a1"}) {
      if (std::regex_search(text, pattern)) return absl::StrCat("\"", text, "\"");
    }
  }
  if (type == "string") return "\"/x\"";
  if (type == "boolean") return "true";
  if (type == "integer" || type == "number") return property["maximum"].dump();
  if (type == "array") return "[" + Sample(property["items"]) + "]";
  return "{ X = \"y\" }";
}

// A TOML value of a type that the schema refuses for `property`.
std::string WrongSample(const Json& property) {
  return property["type"] == "boolean" ? "\"true\"" : "true";
}

// Where a table of the schema stands in a policy.
struct TablePlace {
  std::string header;
  std::map<std::string, std::string> required = {};  // keys that cannot be left out, with a value
  std::string footer = "";
};

std::string SampleOf(const std::string& name, const Json& property) {
  if (name == "allow" || name == "listen") return "[\"127.0.0.1:80\"]";  // of [network]
  if (name == "stop_signal") return "\"SIGHUP\"";
  return Sample(property);
}

void CheckTable(const Json& table, const TablePlace& place) {
  EXPECT_EQ(table["additionalProperties"], false);
  const auto with = [&](const std::string& name, const std::string& value) {
    std::string text = place.header;
    for (const auto& [key, sample] : place.required) {
      if (key != name) text += key + " = " + sample + "\n";
    }
    return text + name + " = " + value + "\n" + place.footer;
  };
  for (const auto& [name, property] : table["properties"].items()) {
    if (property["type"] == "object" && property.contains("properties")) continue;
    if (name == "mount" || name == "session" || name == "extends") continue;  // tables of their own
    EXPECT_TRUE(property.contains("description")) << name;
    const absl::Status right = ParsePolicy(with(name, SampleOf(name, property)), "p").status();
    EXPECT_TRUE(right.ok()) << right;
    ExpectError(with(name, WrongSample(property)));
    if (property.contains("enum")) ExpectError(with(name, "\"no such choice\""));
    if (property["type"] == "integer") {
      ExpectError(with(name, std::to_string(property["maximum"].get<int64_t>() + 1)));
    }
  }
  ExpectError(with("no_such_key", "1"));
  for (const auto& [key, sample] : place.required) {
    EXPECT_NE(std::find(table["required"].begin(), table["required"].end(), key),
              table["required"].end())
        << key;
  }
}

TEST(PolicyJsonSchema, AgreesWithTheParser) {
  const Json schema = Json::parse(PolicyJsonSchema());
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  CheckTable(schema, {.header = ""});
  const std::string session = "[[session]]\nname = \"s\"\ncommand = [\"true\"]\n";
  for (const auto& [name, property] : schema["properties"].items()) {
    if (property["type"] != "object") continue;
    TablePlace place = {.header = "[" + name + "]\n"};
    if (name == "deployment") {
      place.required = {{"name", "\"d\""}};
      place.footer = session;
    }
    CheckTable(property, place);
  }
  const Json& properties = schema["properties"];
  CheckTable(properties["mount"]["items"],
             {.header = "[[mount]]\n", .required = {{"host", "\"/m\""}}});
  EXPECT_THAT(properties["mount"]["items"]["required"], ElementsAre("host"));
  const Json& sessions = properties["session"]["items"];
  const std::string deployment = "[deployment]\nname = \"d\"\n[[session]]\n";
  const std::map<std::string, std::string> required = {{"name", "\"s\""},
                                                       {"command", "[\"true\"]"}};
  CheckTable(sessions, {.header = deployment, .required = required});
  const TablePlace inner = {.header = deployment + "name = \"s\"\ncommand = [\"true\"]\n"};
  for (const char* name : {"ready", "limits"}) {
    CheckTable(sessions["properties"][name], {.header = inner.header + "[session." + name + "]\n"});
  }
}

// Every key that the parser reads stands in the schema.
TEST(PolicyJsonSchema, KnowsEveryKeyOfAFullPolicy) {
  const Json schema = Json::parse(PolicyJsonSchema());
  const std::vector<std::string> places = {"/properties/version",
                                           "/properties/name",
                                           "/properties/extends",
                                           "/properties/mount/items/properties/host",
                                           "/properties/mount/items/properties/mode",
                                           "/properties/mount/items/properties/exec",
                                           "/properties/mount/items/properties/create",
                                           "/properties/mount/items/properties/deny",
                                           "/properties/mount/items/properties/read_only",
                                           "/properties/mount/items/properties/hide",
                                           "/properties/mount/items/properties/symlinks",
                                           "/properties/mount/items/properties/hardlinks",
                                           "/properties/mount/items/properties/cross_device",
                                           "/properties/filesystem/properties/read",
                                           "/properties/filesystem/properties/exec",
                                           "/properties/filesystem/properties/devices",
                                           "/properties/mediation/properties/scope",
                                           "/properties/process/properties/keep_fds",
                                           "/properties/environment/properties/set",
                                           "/properties/audit/properties/level",
                                           "/properties/limits/properties/memory",
                                           "/properties/kernel/properties/best_effort"};
  for (const std::string& place : places) {
    EXPECT_TRUE(schema.contains(Json::json_pointer(place))) << place;
  }
}

}  // namespace
}  // namespace sessionctl
