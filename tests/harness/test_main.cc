// The main function of the tests that ctest runs as either user.
#include <gtest/gtest.h>

#include "tests/harness/user_and_view.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  harness::BecomeTestUser();
  return RUN_ALL_TESTS();
}
