// Runs a program in a session: the one place where the tests know sessionctl's command line.
#ifndef TESTS_HARNESS_SESSION_H_
#define TESTS_HARNESS_SESSION_H_

#include <optional>
#include <string>
#include <vector>

#include "tests/harness/child.h"

namespace harness {

struct SessionFlags {
  std::vector<std::string> mounts;     // DIR, DIR:ro or DIR:rw, as --mount takes them
  std::vector<std::string> read_exec;  // --rox
  std::vector<std::string> deny;       // --deny
  std::string scope;                   // --scope; "": the default
  std::vector<std::string> extra;      // verbatim
};

// $SESSIONCTL, or the one that was built with the tests.
std::string SessionctlPath();

// A program of tests/testcases, as built. $SESSIONCTL_TESTCASES, or the build tree.
std::string TestcasePath(const std::string& name);

// `sessionctl run FLAGS -- ARGV`.
std::vector<std::string> SessionArgv(const SessionFlags& flags,
                                     const std::vector<std::string>& argv);

// What a session is told of a path outside that it names: EACCES in the host's view, in a private
// one ENOENT, as it is not there.
std::string OutsideErrno();

// Either bare or in a session, by `flags`: the two halves of a test run the same argv.
Outcome RunEither(const std::optional<SessionFlags>& flags, Command command);

}  // namespace harness

#endif  // TESTS_HARNESS_SESSION_H_
