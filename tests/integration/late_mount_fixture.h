// Sessions that keep room for mounts, and get and lose them while they run.
#ifndef TESTS_INTEGRATION_LATE_MOUNT_FIXTURE_H_
#define TESTS_INTEGRATION_LATE_MOUNT_FIXTURE_H_

#include <string>
#include <vector>

#include "tests/integration/cli_runner.h"

namespace sessionctl {

class LateMountTest : public SpawningCliTest {
 protected:
  void SetUp() override;
  // A directory that sessions may use, whoever they run as, with `file`.
  std::string MakeShared(const std::string& name) const;
  // A session that waits, with `mount_` mounted.
  std::string Idle(std::vector<std::string> flags = {"--reserve"});
  CliResult Add(const std::string& id, const std::string& what);
  CliResult Remove(const std::string& id, const std::string& guest);
  CliResult Shell(const std::string& id, const std::string& script);
  // Guest paths of what was added.
  std::vector<std::string> Added(const std::string& id);
  void ExpectRefused(const CliResult& result, const std::string& why);

  std::string shared_;
};

}  // namespace sessionctl

#endif  // TESTS_INTEGRATION_LATE_MOUNT_FIXTURE_H_
