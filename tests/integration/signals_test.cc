// Signals at every stage of a mediated call: bare and inside alike, except for what trap 1 leaves
// (docs/fidelity.md).
#include <gtest/gtest.h>

#include <iostream>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/integration/bare_and_inside.h"

namespace sessionctl {
namespace {

TEST(SignalsTest, WaitingOpenIsInterruptedOrGoesOnAsBare) {
  ExpectSameBareAndInside({"interrupted_open", "25"});
}

TEST(SignalsTest, RestartingHandlerIsNeverSeenByACall) {
  ExpectSameBareAndInside({"interrupted_calls", "alarms", "3000", "restart"});
}

TEST(SignalsTest, StopsAreNeverSeenByACall) {
  ExpectSameBareAndInside({"interrupted_calls", "stops", "600"});
}

TEST(SignalsTest, KilledCallerLeavesNothingHalfDone) {
  ExpectSameBareAndInside({"interrupted_calls", "kills", "400"});
}

// The one difference: a call may give EINTR before the broker has received it. Then it has not
// happened; the testcase looks.
TEST(SignalsTest, InterruptedCallHasNotHappened) {
  const harness::ScratchDirectory directory;
  harness::CopyProgram(harness::TestcasePath("interrupted_calls"), directory / "program");
  const harness::Command command = {.argv = {"./program", "alarms", "3000", "interrupt"},
                                    .directory = directory.path()};
  const harness::Outcome bare = harness::Run(command);
  EXPECT_EQ(bare.exit_code, 0) << bare.err;
  EXPECT_EQ(bare.err.rfind("interrupted 0 ", 0), 0U) << bare.err;
  for (const char* scope : {"writes", "all"}) {
    const harness::SessionFlags flags = {.mounts = {directory.path()}, .scope = scope};
    const harness::Outcome inside = RunEither(flags, command);
    EXPECT_EQ(inside.exit_code, 0) << scope << ": " << inside.err;
    EXPECT_EQ(inside.out, bare.out);
    std::cout << scope << ": " << inside.out << inside.err;
  }
}

}  // namespace
}  // namespace sessionctl
