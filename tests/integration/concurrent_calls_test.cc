// Many mediated calls at once, of threads and of processes.
#include <gtest/gtest.h>

#include "tests/integration/bare_and_inside.h"

namespace sessionctl {
namespace {

TEST(ConcurrentCallsTest, SixtyFourThreadsGetWhatTheyAskedFor) {
  ExpectSameBareAndInside({"parallel_calls", "threads", "64", "8"});
}

TEST(ConcurrentCallsTest, OneOfManyWins) {
  ExpectSameBareAndInside({"parallel_calls", "winners", "16", "15"});
}

TEST(ConcurrentCallsTest, HundredWaitingOpensHoldUpNobody) {
  ExpectSameBareAndInside({"parallel_calls", "fifos", "100"});
}

TEST(ConcurrentCallsTest, ThreadUsesItsOwnTables) {
  ExpectSameBareAndInside({"parallel_calls", "tables", "300"});
}

// The thread's id becomes its leader's (trap 23), whose own call was under way.
TEST(ConcurrentCallsTest, ThreadExecutesWhileOthersAreInCalls) {
  ExpectSameBareAndInside({"parallel_calls", "execs", "20"});
}

TEST(ConcurrentCallsTest, ProcessEndsWhileItsThreadsAreInCalls) {
  ExpectSameBareAndInside({"parallel_calls", "exits", "20"});
}

TEST(ConcurrentCallsTest, ProcessesComeAndGo) {
  ExpectSameBareAndInside({"parallel_calls", "forks", "20", "10"});
}

}  // namespace
}  // namespace sessionctl
