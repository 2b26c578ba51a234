// Runs one program bare and in sessions, and expects the same of all: the method of every test here
// that is about programs, not about the command line.
#ifndef TESTS_INTEGRATION_BARE_AND_INSIDE_H_
#define TESTS_INTEGRATION_BARE_AND_INSIDE_H_

#include <string>
#include <vector>

namespace sessionctl {

// `argv` bare, with --scope writes and with --scope all, each in a fresh directory, the session's
// only mount. argv[0] with a slash is run as it is; a plain name is a program of tests/testcases,
// which is copied into the directory. Expects exit code 0, something said, and the same words three
// times. What was said is printed once, so that the counts are in the test's log.
// `flags` are further ones of the sessions.
void ExpectSameBareAndInside(const std::vector<std::string>& argv,
                             const std::vector<std::string>& flags = {});

// The same for a script that `shell` runs, with the script's own exit code.
void ExpectSameScript(const std::vector<std::string>& shell, const std::string& script);

}  // namespace sessionctl

#endif  // TESTS_INTEGRATION_BARE_AND_INSIDE_H_
