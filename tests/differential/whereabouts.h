// Where the paths of a step lead, looked at just before it is made: the exceptions about what lies
// outside the mount hold only where a path really goes there. In the bare run only. Links are read
// through a second view of the mount that keeps no access times, so that looking leaves no trace.
#ifndef TESTS_DIFFERENTIAL_WHEREABOUTS_H_
#define TESTS_DIFFERENTIAL_WHEREABOUTS_H_

#include <cstdint>

#include "tests/differential/actors.h"
#include "tests/differential/arguments.h"
#include "tests/differential/ops.h"
#include "tests/differential/program.h"

namespace differential {

// Bits of StepResult::whereabouts, of all paths of a step together.
enum : uint32_t {
  kPassedOutside = 1,  // ".." leads out of the mount, perhaps back in later
  kEndsOutside = 2,
  kLinkLedOut = 4,    // a link in the mount leads out of it, or through /proc
  kNamesMount = 8,    // what is named in the end is the mount itself
  kThroughProc = 16,  // a link in /proc is followed
};

uint32_t WhereaboutsOf(const Scene& scene, const Op& op, const Step& step, const Places& places,
                       const Registers& registers);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_WHEREABOUTS_H_
