#include "tests/integration/bare_and_inside.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <iostream>
#include <optional>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"

namespace sessionctl {
namespace {

// Seconds; under a sanitizer and a full load the slowest takes minutes.
constexpr double kTimeLimit = 500;

harness::Outcome RunOnce(std::vector<std::string> argv, const std::string& scope,
                         const std::vector<std::string>& flags) {
  const harness::ScratchDirectory directory;
  if (argv[0].find('/') == std::string::npos) {
    harness::CopyProgram(harness::TestcasePath(argv[0]), directory / argv[0]);
    argv[0].insert(0, "./");
  }
  signal(SIGPIPE, SIG_DFL);  // as a program expects it
  std::optional<harness::SessionFlags> session;
  if (!scope.empty()) session = {.mounts = {directory.path()}, .scope = scope, .extra = flags};
  return RunEither(session,
                   {.argv = argv, .directory = directory.path(), .time_limit = kTimeLimit});
}

void ExpectSame(const std::vector<std::string>& argv, std::optional<int> exit_code,
                const std::vector<std::string>& flags = {}) {
  const harness::Outcome bare = RunOnce(argv, "", {});
  ASSERT_FALSE(bare.timed_out) << bare.out << bare.err;
  ASSERT_FALSE(bare.out.empty());
  if (exit_code.has_value()) {
    ASSERT_EQ(bare.exit_code, *exit_code) << bare.out << bare.err;
  }
  for (const char* scope : {"writes", "all"}) {
    const harness::Outcome inside = RunOnce(argv, scope, flags);
    EXPECT_FALSE(inside.timed_out) << scope << ":\n" << inside.out << inside.err;
    EXPECT_EQ(inside.exit_code, bare.exit_code) << scope << ":\n" << inside.err;
    EXPECT_EQ(inside.out, bare.out) << scope << ":\n" << inside.err;
    EXPECT_EQ(inside.err, bare.err) << scope;
  }
  std::cout << bare.out;
}

}  // namespace

void ExpectSameBareAndInside(const std::vector<std::string>& argv,
                             const std::vector<std::string>& flags) {
  ExpectSame(argv, 0, flags);
}

void ExpectSameScript(const std::vector<std::string>& shell, const std::string& script) {
  std::vector<std::string> argv = shell;
  argv.insert(argv.end(), {"-c", script});
  ExpectSame(argv, std::nullopt);
}

}  // namespace sessionctl
