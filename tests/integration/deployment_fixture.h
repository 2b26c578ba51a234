// A sessiond of the test's own and deployments of it, driven by the command line and looked at
// through the socket.
#ifndef TESTS_INTEGRATION_DEPLOYMENT_FIXTURE_H_
#define TESTS_INTEGRATION_DEPLOYMENT_FIXTURE_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/integration/sessiond_fixture.h"

namespace sessionctl {

class DeploymentTest : public SessiondTest {
 protected:
  void SetUp() override;
  // Takes every deployment down; nothing may be left.
  void TearDown() override;

  // One that was killed may not have been started again by a verb.
  void EnsureSessiond();

  // A file of this name in `scratch_`; its path. MOUNT in the text is the mount's path.
  std::string WriteDeployment(const std::string& text, const std::string& file = "d.toml");
  // The head of a deployment "d" with the mount, and what comes behind it.
  std::string Head(const std::string& name = "d") const;
  // A [[session]] that runs `script` in a shell, with more `keys` (lines).
  static std::string ShellSession(const std::string& name, const std::string& script,
                                  const std::string& keys = "");
  CliResult Up(const std::string& path, std::vector<std::string> flags = {});
  nlohmann::json Deployment(const std::string& name = "d");
  // "SESSION.REPLICA": the member of its place; of a string the text, else JSON.
  std::map<std::string, std::string> Places(const std::string& member,
                                            const std::string& name = "d");
  std::string Place(const std::string& place, const std::string& member);
  bool Becomes(const std::string& place, const std::string& state);
  // How many sessions live in each place: never more than one.
  std::map<std::string, int> Living(const std::string& name = "d");
  size_t LinesIn(const std::string& file) { return LinesOf(Mounted(file)).size(); }
  std::string Mounted(const std::string& file) { return ReadWholeFile(mount_ + "/" + file); }
};

// For ShellSession: marks that the place is taken as long as it runs; "twice" when it was already.
inline constexpr char kMarkPlace[] =
    "mkdir place.$PLACE || echo $PLACE >> twice; echo $ID >> started; exec sleep 1000";
inline constexpr char kPlaceEnvironment[] =
    "environment = { PLACE = \"{replica}\", ID = \"{session}\" }\n";

}  // namespace sessionctl

#endif  // TESTS_INTEGRATION_DEPLOYMENT_FIXTURE_H_
