// `sessionctl policy check|explain|schema`, and policies given to `run`.
#include <filesystem>
#include <fstream>
#include <string>

#include "nlohmann/json.hpp"
#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class PolicyCliTest : public CliTest {
 protected:
  std::string WritePolicy(const std::string& text) {
    const std::string path = scratch_ + "/policy.toml";
    std::ofstream(path) << text;
    return path;
  }
  std::string MountPolicy(const std::string& rest = "") {
    return WritePolicy("version = 1\n[[mount]]\nhost = \"" + mount_ + "\"\nmode = \"rw\"\n" + rest);
  }
};

TEST_F(PolicyCliTest, CheckAcceptsASoundPolicy) {
  const CliResult result = Cli({"policy", "check", MountPolicy()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find(": ok"), std::string::npos);
}

TEST_F(PolicyCliTest, CheckNamesFileLineColumnAndKey) {
  const std::string path = WritePolicy("version = 1\nno_such_key = 2\n");
  const CliResult result = Cli({"policy", "check", path});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find(path + ":2:"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("no_such_key"), std::string::npos) << result.err;
}

TEST_F(PolicyCliTest, CheckRefusesGarbageAndMissingFiles) {
  EXPECT_EQ(Cli({"policy", "check", WritePolicy("\x01\xff{{{")}).exit_code, 1);
  EXPECT_EQ(Cli({"policy", "check", scratch_ + "/missing"}).exit_code, 1);
  EXPECT_EQ(Cli({"policy", "check", "/dev/zero"}).exit_code, 1);
  EXPECT_EQ(Cli({"policy", "check"}).exit_code, 2);
  EXPECT_EQ(Cli({"policy"}).exit_code, 2);
}

TEST_F(PolicyCliTest, CheckAcceptsEveryDeploymentOfTheExamples) {
  int files = 0;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(SESSIONCTL_SOURCE_DIR "/examples/deployments")) {
    if (entry.path().extension() != ".toml") continue;
    ++files;
    const CliResult result = Cli({"policy", "check", entry.path()});
    EXPECT_EQ(result.exit_code, 0) << entry.path() << ": " << result.err;
  }
  EXPECT_GE(files, 5);
}

TEST_F(PolicyCliTest, CheckNamesTheSessionOfADeploymentWhosePolicyIsBad) {
  const std::string path = WritePolicy(
      "[deployment]\nname = \"d\"\n[[session]]\nname = \"good\"\ncommand = [\"true\"]\n"
      "[[session]]\nname = \"bad\"\ncommand = [\"true\"]\n[[session.mount]]\nhost = \"/\"\n");
  const CliResult result = Cli({"policy", "check", path});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("session \"bad\": " + path + ":9:1: mount.host"), std::string::npos)
      << result.err;
}

TEST_F(PolicyCliTest, ExplainTakesOneSessionOfADeployment) {
  const std::string path = WritePolicy(
      "[deployment]\nname = \"d\"\n[[session]]\nname = \"a\"\ncommand = [\"true\"]\n"
      "limits = { pids = 7 }\n[[session.mount]]\nhost = \"" +
      mount_ + "\"\n");
  const CliResult session = Cli({"policy", "explain", path, "--session", "a"});
  EXPECT_EQ(session.exit_code, 0) << session.err;
  EXPECT_NE(session.out.find(mount_), std::string::npos);
  EXPECT_NE(session.out.find("pids        7"), std::string::npos);
  EXPECT_EQ(Cli({"policy", "explain", path}).out.find(mount_), std::string::npos);
  EXPECT_EQ(Cli({"policy", "explain", path, "--session", "b"}).exit_code, 1);
  EXPECT_EQ(Cli({"policy", "explain", "--session", "a"}).exit_code, 2);
}

TEST_F(PolicyCliTest, ExplainSaysWhatIsGranted) {
  const CliResult from_file = Cli({"policy", "explain", MountPolicy()});
  EXPECT_EQ(from_file.exit_code, 0) << from_file.err;
  EXPECT_NE(from_file.out.find(mount_), std::string::npos);
  const CliResult from_flags = Cli({"policy", "explain", "--mount", mount_, "--deny", "**/.env"});
  EXPECT_EQ(from_flags.exit_code, 0) << from_flags.err;
  EXPECT_NE(from_flags.out.find("**/.env"), std::string::npos);
  EXPECT_EQ(Cli({"policy", "explain", "-p", "no-such-profile"}).exit_code, 1);
}

TEST_F(PolicyCliTest, ExplainMakesNothing) {
  const CliResult result = Cli({"policy", "explain", "--mount", mount_ + "/x-{session}:rw,create"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(fs::is_empty(mount_));
}

TEST_F(PolicyCliTest, SchemaIsJson) {
  const CliResult result = Cli({"policy", "schema"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(json::parse(result.out, nullptr, false).is_object());
}

TEST_F(PolicyCliTest, RunTakesPolicyAndFlagsTogether) {
  std::ofstream(mount_ + "/.env") << "secret";
  const std::string policy = MountPolicy("[environment]\nset = { FROM_FILE = \"yes\" }\n");
  const CliResult result = Cli({"run", "--policy", policy, "--deny", ".env", "--", "sh", "-c",
                                "echo $FROM_FILE; cat " + mount_ + "/.env"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_EQ(result.out, "yes\n");
}

TEST_F(PolicyCliTest, NoProfileMeansDefaultAndANamedOneReplacesIt) {
  EXPECT_EQ(Cli({"run", "--policy", MountPolicy(), "--", "true"}).exit_code, 0);
  EXPECT_EQ(Cli({"run", "-p", "shell", "--", "sh", "-c", "exit 3"}).exit_code, 3);
}

TEST_F(PolicyCliTest, OverlappingMountsAreAnError) {
  fs::create_directory(mount_ + "/sub");
  EXPECT_EQ(Cli({"run", "--mount", mount_, "--mount", mount_, "--", "true"}).exit_code, 125);
}

}  // namespace
}  // namespace sessionctl
