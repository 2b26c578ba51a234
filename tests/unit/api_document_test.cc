// docs/openapi.json describes the routes that there are, and no others.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

#include "fleet/api.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

using nlohmann::json;

json Document() {
  std::ifstream file(SESSIONCTL_SOURCE_DIR "/docs/openapi.json");
  return json::parse(file, nullptr, /*allow_exceptions=*/false);
}

// "GET /v1/events ?follow ?since", "POST /v1/policies/check {body}"
std::string Line(const std::string& method, const std::string& path, std::set<std::string> query,
                 bool body) {
  std::string line = method + " " + path;
  for (const std::string& name : query) line += " ?" + name;
  return body ? line + " {body}" : line;
}

std::set<std::string> RoutesInCode() {
  std::set<std::string> lines;
  for (const Route& route : Routes()) {
    lines.insert(Line(route.method, route.pattern, {route.query.begin(), route.query.end()},
                      route.takes_body()));
  }
  return lines;
}

std::set<std::string> RoutesInDocument(const json& document) {
  std::set<std::string> lines;
  for (const auto& [path, item] : document["paths"].items()) {
    for (const auto& [key, operation] : item.items()) {
      if (key == "parameters") continue;
      std::string method = key;
      std::transform(method.begin(), method.end(), method.begin(), ::toupper);
      std::set<std::string> query;
      for (const json& parameter : operation.value("parameters", json::array())) {
        if (parameter["in"] == "query") query.insert(parameter["name"].get<std::string>());
      }
      lines.insert(Line(method, path, query, operation.contains("requestBody")));
    }
  }
  return lines;
}

TEST(ApiDocument, DescribesEveryRouteAndNoOther) {
  const json document = Document();
  ASSERT_TRUE(document.is_object());
  EXPECT_EQ(RoutesInDocument(document), RoutesInCode());
}

TEST(ApiDocument, EveryOperationHasANameOfItsOwnAndSaysWhatAProblemLooksLike) {
  const json document = Document();
  std::set<std::string> names;
  for (const auto& [path, item] : document["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method == "parameters") continue;
      EXPECT_TRUE(names.insert(operation["operationId"].get<std::string>()).second) << path;
      EXPECT_TRUE(operation["responses"].contains("default")) << method << " " << path;
    }
  }
}

TEST(ApiDocument, PathParametersAreDescribedWhereTheyStand) {
  for (const auto& [path, item] : Document()["paths"].items()) {
    const auto count = std::count(path.begin(), path.end(), '{');
    EXPECT_EQ(static_cast<size_t>(count), item.value("parameters", json::array()).size()) << path;
  }
}

}  // namespace
}  // namespace sessionctl
