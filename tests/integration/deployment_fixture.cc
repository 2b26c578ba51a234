#include "tests/integration/deployment_fixture.h"

#include <fstream>

namespace sessionctl {

using nlohmann::json;

void DeploymentTest::SetUp() {
  SessiondTest::SetUp();
  if (!IsSkipped()) StartSessiond();
}

void DeploymentTest::TearDown() {
  if (!IsSkipped()) {
    EnsureSessiond();
    for (const json& deployment : Api("GET", "/v1/deployments").Json()) {
      const std::string name = deployment.value("name", "");
      const CliResult down = Cli({"down", name});
      EXPECT_EQ(down.exit_code, 0) << down.err;
    }
  }
  SessiondTest::TearDown();
}

void DeploymentTest::EnsureSessiond() {
  if (Sessiond() <= 0) StartSessiond();
}

std::string DeploymentTest::WriteDeployment(const std::string& text, const std::string& file) {
  std::string expanded = text;
  for (size_t at; (at = expanded.find("MOUNT")) != std::string::npos;) {
    expanded.replace(at, 5, mount_);
  }
  const std::string path = scratch_ + "/" + file;
  std::ofstream(path) << expanded;
  return path;
}

std::string DeploymentTest::Head(const std::string& name) const {
  return "version = 1\n[deployment]\nname = \"" + name + "\"\n[process]\nworking_directory = \"" +
         mount_ + "\"\n[[mount]]\nhost = \"" + mount_ + "\"\n";
}

std::string DeploymentTest::ShellSession(const std::string& name, const std::string& script,
                                         const std::string& keys) {
  return "[[session]]\nname = \"" + name + "\"\ncommand = [\"sh\", \"-c\", '''" + script +
         "''']\n" + keys;
}

CliResult DeploymentTest::Up(const std::string& path, std::vector<std::string> flags) {
  flags.insert(flags.begin(), "up");
  flags.push_back(path);
  return Cli(flags);
}

json DeploymentTest::Deployment(const std::string& name) {
  const ApiReply reply = Api("GET", "/v1/deployments/" + name);
  const json deployment = reply.Json();
  if (deployment.is_object()) return deployment;
  ADD_FAILURE() << "GET deployment: " << reply.status << " " << reply.body;
  return json::object();
}

std::map<std::string, std::string> DeploymentTest::Places(const std::string& member,
                                                          const std::string& name) {
  std::map<std::string, std::string> places;
  const json deployment = Deployment(name);
  for (const json& place : deployment.value("places", json::array())) {
    const json value = At(place, "/" + member);
    places[place.value("session", "") + "." + std::to_string(place.value("replica", 0))] =
        value.is_string() ? value.get<std::string>() : value.dump();
  }
  return places;
}

std::string DeploymentTest::Place(const std::string& place, const std::string& member) {
  const auto places = Places(member);
  const auto found = places.find(place);
  return found == places.end() ? "none" : found->second;
}

bool DeploymentTest::Becomes(const std::string& place, const std::string& state) {
  const bool became = Eventually([&] { return Place(place, "state") == state; });
  if (!became) ADD_FAILURE() << place << " is " << Place(place, "state") << ", not " << state;
  return became;
}

std::map<std::string, int> DeploymentTest::Living(const std::string& name) {
  std::map<std::string, int> living;
  for (const json& session : Sessions("?deployment=" + name)) {
    const std::string state = session.value("state", "");
    if (state != "running" && state != "starting") continue;
    ++living[At(session, "/place/session").get<std::string>() + "." +
             At(session, "/place/replica").dump()];
  }
  return living;
}

}  // namespace sessionctl
