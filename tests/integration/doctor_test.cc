// `sessionctl doctor`.
#include <string>

#include "nlohmann/json.hpp"
#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

using nlohmann::json;

class DoctorTest : public CliTest {};

TEST_F(DoctorTest, ExitCodeSaysWhetherASessionCanStart) {
  const CliResult result = Cli({"doctor"});
  const bool starts = Cli({"run", "true"}).exit_code == 0;
  EXPECT_EQ(result.exit_code, starts ? 0 : 125);
  EXPECT_NE(result.out.find("landlock"), std::string::npos);
}

TEST_F(DoctorTest, JsonNamesEachFeatureWithItsLossAndRemedy) {
  const CliResult result = Cli({"doctor", "--json"});
  const json report = json::parse(result.out, nullptr, false);
  ASSERT_FALSE(report.is_discarded()) << result.out;
  EXPECT_EQ(report["session"]["can_start"], result.exit_code == 0);
  EXPECT_GE(report["features"].size(), 10U);
  for (const json& feature : report["features"]) {
    EXPECT_TRUE(feature["present"].is_boolean());
    EXPECT_FALSE(feature["lost"].get<std::string>().empty()) << feature["name"];
    EXPECT_FALSE(feature["remedy"].get<std::string>().empty()) << feature["name"];
  }
}

TEST_F(DoctorTest, InsideASessionItSaysThatNoneCanStart) {
  // A session has a notification listener already: a second one is EBUSY, and doctor must say so.
  // Nor is there a ptrace for the leak checker of a sanitizer build.
  const CliResult result = Cli({"run", "-e", "ASAN_OPTIONS=detect_leaks=0", "--rox",
                                SESSIONCTL_BUILT, "--", SESSIONCTL_BUILT, "doctor", "--json"});
  EXPECT_EQ(result.exit_code, 125) << result.out << result.err;
  const json report = json::parse(result.out, nullptr, false);
  ASSERT_FALSE(report.is_discarded()) << result.out;
  EXPECT_EQ(report["session"]["can_start"], false);
}

}  // namespace
}  // namespace sessionctl
