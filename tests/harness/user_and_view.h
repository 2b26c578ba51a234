// One test program, four ways to run it: as root or as an ordinary user, with sessions in the
// host's view or in a view of their own. ctest says which by words in $SESSIONCTL_TEST_AS, with "+"
// between them (a list of variables does not survive gtest_discover_tests):
//
//   ordinary   the whole program runs as a user who is not root
//   private    sessions that name no view get a private one, else the host's
#ifndef TESTS_HARNESS_USER_AND_VIEW_H_
#define TESTS_HARNESS_USER_AND_VIEW_H_

#include <sys/types.h>

#include <string>

namespace harness {

// Whom a test that needs root becomes, to be nobody in particular.
inline constexpr uid_t kOrdinaryUser = 1000;

// Do sessions that name no view get a private one?
bool InPrivateView();

// Becomes the ordinary user, if that was asked for and the caller is root. What was built is bound
// to a place that such a user reaches, in a mount namespace of the program's own. Exits with 77,
// which ctest counts as skipped, where that cannot be had.
void BecomeTestUser();

// What was built with the tests, where the test's user finds it: `path` is below the build tree.
std::string Built(const std::string& path);

}  // namespace harness

#endif  // TESTS_HARNESS_USER_AND_VIEW_H_
