// What legitimately differs between a bare run and a session. Each entry stands in
// docs/fidelity.md with its reason; a difference that no entry covers fails the test.
#ifndef TESTS_DIFFERENTIAL_EXCEPTIONS_H_
#define TESTS_DIFFERENTIAL_EXCEPTIONS_H_

#include "tests/differential/program.h"
#include "tests/differential/shared_area.h"

namespace differential {

struct Exception {
  const char* id;
  bool (*covers)(const Step& step, const StepResult& bare, const StepResult& inside);
  // After it the two runs are in different states, and the comparison of this program ends.
  bool diverges;
};

// What covers a difference in the tree: a link that was followed, by its access time, before an
// open found no free descriptor.
inline constexpr char kLinkFollowedBeforeFull[] = "link-followed-before-full";

// The entry that covers a step's difference, or nullptr.
const Exception* FindException(const Step& step, const StepResult& bare, const StepResult& inside);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_EXCEPTIONS_H_
