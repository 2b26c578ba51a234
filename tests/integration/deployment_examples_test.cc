// The files of examples/deployments/, each run at small scale: with directories of the test's for
// those in /srv, few replicas, and stand-ins for the programs that are not installed everywhere.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/deployment_fixture.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class DeploymentExamples : public DeploymentTest {
 protected:
  void SetUp() override {
    DeploymentTest::SetUp();
    srv_ = scratch_ + "/srv";
    fs::create_directory(srv_);
  }
  void Make(const std::string& file, const std::string& text, mode_t mode = 0644) {
    fs::create_directories(fs::path(srv_ + "/" + file).parent_path());
    std::ofstream(srv_ + "/" + file) << text;
    chmod((srv_ + "/" + file).c_str(), mode);
  }
  std::string In(const std::string& file) { return ReadWholeFile(srv_ + "/" + file); }
  // The example with /srv and the patterns replaced.
  std::string Example(const std::string& name,
                      const std::vector<std::pair<std::string, std::string>>& replaced = {}) {
    std::string text =
        ReadWholeFile(std::string(SESSIONCTL_SOURCE_DIR) + "/examples/deployments/" + name);
    EXPECT_NE(text, "");
    for (const auto& [pattern, replacement] : replaced) {
      EXPECT_TRUE(std::regex_search(text, std::regex(pattern))) << pattern;
      text = std::regex_replace(text, std::regex(pattern), replacement);
    }
    return WriteDeployment(std::regex_replace(text, std::regex("/srv/"), srv_ + "/"), name);
  }
  std::string srv_;
};

TEST_F(DeploymentExamples, CiSteps) {
  Make("checkout/Makefile",
       "lint all docs:\n\techo $@ > $@.done\n\tif echo x > .git/config; then exit 1; fi\n");
  Make("checkout/.git/config", "old\n");
  const CliResult up = Up(Example("ci-steps.toml"));
  ASSERT_EQ(up.exit_code, 0) << up.err;
  for (const char* place : {"lint.1", "build.1", "docs.1"}) {
    EXPECT_TRUE(Eventually([&] { return Places("state", "ci")[place] == "completed"; }))
        << Cli({"logs", std::string("ci.") + place}).out;
  }
  EXPECT_EQ(In("checkout/all.done"), "all\n");
  EXPECT_EQ(In("checkout/.git/config"), "old\n");
}

TEST_F(DeploymentExamples, Graders) {
  Make("tests/grade.py",
       "import os, sys\n"
       "open(os.path.join(sys.argv[1].replace('submissions', 'marks'), os.environ['SHARD'], "
       "'marks'), 'w').write(os.environ['SHARD'] + '/' + os.environ['SHARDS'])\n"
       "try:\n  open(sys.argv[1] + '/theirs', 'w')\nexcept OSError:\n  sys.exit(0)\nsys.exit(1)\n");
  Make("submissions/one", "");
  fs::create_directory(srv_ + "/marks");
  const CliResult up = Up(Example("graders.toml", {{"replicas = 8", "replicas = 2"}}));
  ASSERT_EQ(up.exit_code, 0) << up.err;
  for (const char* place : {"grader.1", "grader.2"}) {
    EXPECT_TRUE(Eventually([&] { return Places("state", "graders")[place] == "completed"; }))
        << Cli({"logs", std::string("graders.") + place}).out;
  }
  EXPECT_EQ(In("marks/1/marks"), "1/8");
  EXPECT_EQ(In("marks/2/marks"), "2/8");
}

TEST_F(DeploymentExamples, McpTools) {
  // A server that answers each line of its standard input.
  Make("tools/server", "#!/bin/sh\nwhile read line; do echo \"answer to $line\"; done\n", 0755);
  fs::create_directory(srv_ + "/documents");
  fs::create_directory(srv_ + "/notes");
  const std::string tool = "\"/srv/tools/server\"";
  const CliResult up = Up(Example("mcp-tools.toml", {{"\"mcp-server-filesystem\"", tool},
                                                     {"\"mcp-server-memory\"", tool},
                                                     {"\\[limits\\]",
                                                      "[[mount]]\nhost = \"/srv/tools\"\nmode = "
                                                      "\"ro\"\n\n[limits]"}}));
  ASSERT_EQ(up.exit_code, 0) << up.err;
  EXPECT_EQ(Sessions("?label=kind%3Dtool").size(), 2U);
  const CliResult asked = Cli({"attach", "mcp.notes.1"}, "ping\n");
  EXPECT_NE(asked.out.find("answer to ping"), std::string::npos) << asked.out << asked.err;
  // Its client has gone: it ends, and is there for the next one.
  EXPECT_TRUE(Eventually([&] {
    return Places("state", "mcp")["notes.1"] == "running" &&
           Places("restarts", "mcp")["notes.1"] == "1";
  }));
}

TEST_F(DeploymentExamples, NotebookKernels) {
  Make("datasets/ipykernel_launcher.py",
       "import os, signal, sys\n"
       "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
       "open(sys.argv[2] + '.new', 'w').write('{}')\n"
       "os.rename(sys.argv[2] + '.new', sys.argv[2])\n"
       "while True:\n  signal.pause()\n");
  fs::create_directory(srv_ + "/kernels");
  const CliResult up = Up(Example(
      "notebook-kernels.toml",
      {{"replicas = 4", "replicas = 2"},
       {"\\[network\\]", "[process]\nworking_directory = \"/srv/datasets\"\n\n[network]"}}));
  ASSERT_EQ(up.exit_code, 0) << up.err << Cli({"logs", "kernels.kernel.1"}).out;
  EXPECT_EQ(In("kernels/1/connection.json"), "{}");
  EXPECT_EQ(In("kernels/2/connection.json"), "{}");
  EXPECT_EQ(Places("state", "kernels")["kernel.2"], "running");
}

TEST_F(DeploymentExamples, SharedInterpreters) {
  Make("shared/worker.py",
       "import os, sys, time\n"
       "open(os.path.join(sys.argv[1], 'by.' + os.environ['WORKER']), 'w').write('x')\n"
       "while True: time.sleep(1)\n");
  Make("shared/.env", "secret");
  fs::create_directory(srv_ + "/private");
  const CliResult up =
      Up(Example("shared-interpreters.toml", {{"replicas = 150", "replicas = 3"}}));
  ASSERT_EQ(up.exit_code, 0) << up.err;
  for (const char* file : {"shared/by.1", "shared/by.2", "shared/by.3"}) {
    EXPECT_TRUE(Eventually([&] { return fs::exists(srv_ + "/" + file); })) << file;
  }
  for (const auto& [place, id] : Places("id", "interpreters")) {
    EXPECT_TRUE(fs::is_directory(srv_ + "/private/" + id)) << place;
  }
}

}  // namespace
}  // namespace sessionctl
