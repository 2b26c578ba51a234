// The third wall: system calls that no session needs, and the other system call tables.
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/escape/attack.h"

namespace escape {
namespace {

using harness::Command;
using harness::Outcome;

Command Surface(const AttackScene& scene, const std::string& argument) {
  Command command = {.argv = {scene.Tool("kernel_surface")}, .directory = scene.mount()};
  if (!argument.empty()) command.argv.push_back(argument);
  return command;
}

std::map<std::string, std::string> Results(const Outcome& outcome) {
  std::map<std::string, std::string> results;
  std::istringstream stream(outcome.out);
  for (std::string line; std::getline(stream, line);) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_discarded()) results[json["call"]] = json["errno"];
  }
  return results;
}

TEST(KernelSurface, CallsNoSessionNeedsAreDenied) {
  AttackScene scene;
  const auto bare = Results(harness::Run(Surface(scene, "")));
  const Outcome outcome = harness::RunEither(scene.Flags(), Surface(scene, ""));
  const auto session = Results(outcome);
  ASSERT_GT(bare.size(), 20u);
  ASSERT_EQ(session.size(), bare.size()) << outcome.out << outcome.err;
  int worked_bare = 0;
  for (const auto& [call, error] : bare) {
    if (error == "OK") ++worked_bare;
    const std::string& answer = session.at(call);
    EXPECT_TRUE(answer == "EPERM" || answer == "ENOSYS" || answer == "EACCES")
        << call << ": bare " << error << ", in the session " << answer;
  }
  // As root nearly all of them work; an ordinary user still has io_uring, ptrace, process_vm_*,
  // keyctl ….
  EXPECT_GE(worked_bare, 5) << "the control is refused as well: this proves nothing";
  printf("  %zu calls tried, %d of them work bare, none in the session\n", bare.size(),
         worked_bare);
}

TEST(ForeignTable, ThirtyTwoBitCallKillsTheSession) {
  AttackScene scene;
  const Outcome bare = harness::Run(Surface(scene, "--i386"));
  if (bare.exit_code == 77) GTEST_SKIP() << "needs x86-64, for its 32-bit system calls";
  EXPECT_TRUE(bare.exit_code == 0 || bare.exit_code == 128 + SIGSEGV) << bare.exit_code;
  const Outcome session = harness::RunEither(scene.Flags(), Surface(scene, "--i386"));
  // A kernel without the 32-bit table answers with SIGSEGV before any filter is asked.
  EXPECT_EQ(session.exit_code, bare.exit_code == 0 ? 128 + SIGSYS : 128 + SIGSEGV)
      << session.out << session.err;
  EXPECT_EQ(session.out, "");
}

TEST(ForeignTable, X32CallKillsTheSession) {
  AttackScene scene;
  const Outcome bare = harness::Run(Surface(scene, "--x32"));
  if (bare.exit_code == 77) GTEST_SKIP() << "needs x86-64, for its x32 system calls";
  EXPECT_EQ(bare.exit_code, 0);
  const Outcome session = harness::RunEither(scene.Flags(), Surface(scene, "--x32"));
  EXPECT_EQ(session.exit_code, 128 + SIGSYS) << session.out << session.err;
  EXPECT_EQ(session.out, "");
}

}  // namespace
}  // namespace escape
