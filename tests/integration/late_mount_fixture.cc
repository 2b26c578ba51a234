#include "tests/integration/late_mount_fixture.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "nlohmann/json.hpp"

namespace sessionctl {

namespace fs = std::filesystem;
using nlohmann::json;

void LateMountTest::SetUp() {
  SpawningCliTest::SetUp();
  shared_ = MakeShared("shared");
}

std::string LateMountTest::MakeShared(const std::string& name) const {
  const std::string path = scratch_ + "/" + name;
  fs::create_directories(path);
  fs::permissions(path, fs::perms::all);
  std::ofstream(path + "/file") << fs::path(name).filename().string() << "\n";
  chmod((path + "/file").c_str(), 0666);
  return path;
}

std::string LateMountTest::Idle(std::vector<std::string> flags) {
  flags.insert(flags.end(), {"--mount", mount_, "--cmd", "sleep", "--", "1000"});
  return Spawn(flags);
}

CliResult LateMountTest::Add(const std::string& id, const std::string& what) {
  return Cli({"mount", "add", id, what});
}

CliResult LateMountTest::Remove(const std::string& id, const std::string& guest) {
  return Cli({"mount", "rm", id, guest});
}

CliResult LateMountTest::Shell(const std::string& id, const std::string& script) {
  return Cli({"exec", id, "sh", "-c", script});
}

std::vector<std::string> LateMountTest::Added(const std::string& id) {
  std::vector<std::string> guests;
  const json answer = json::parse(Cli({"mount", "ls", id, "--json"}).out, nullptr, false);
  for (const json& mount : answer.value("mounts", json::array())) {
    if (mount.value("added", false)) guests.push_back(mount.value("guest", ""));
  }
  return guests;
}

void LateMountTest::ExpectRefused(const CliResult& result, const std::string& why) {
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.err.find(why), std::string::npos) << result.err;
}

}  // namespace sessionctl
