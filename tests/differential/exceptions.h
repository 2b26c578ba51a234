// What legitimately differs between a bare run and a session. Each entry stands in
// docs/fidelity.md with its reason; a difference that no entry covers fails the test.
#ifndef TESTS_DIFFERENTIAL_EXCEPTIONS_H_
#define TESTS_DIFFERENTIAL_EXCEPTIONS_H_

#include <cstddef>

#include "tests/differential/program.h"
#include "tests/differential/shared_area.h"

namespace differential {

// A step that came out differently.
struct Case {
  const Program& program;
  size_t at;
  const StepResult& bare;
  const StepResult& inside;
  bool private_view;  // that of the session
  bool native_reads;

  const Step& step() const { return program.steps[at]; }
};

struct Exception {
  const char* id;
  bool (*covers)(const Case& difference);
};

// What covers a difference in the tree: a link that was followed, by its access time, before an
// open found no free descriptor.
inline constexpr char kLinkFollowedBeforeFull[] = "link-followed-before-full";

// The same the other way round: a link in the second path of a call that was refused for its first.
inline constexpr char kSecondPathNotWalked[] = "second-path-not-walked";

// Does a session refuse this call of two paths without a look at the second?
bool SkipsSecondPath(const Case& difference);

// A directory that was written bare before a rename with RENAME_WHITEOUT failed, by its time.
inline constexpr char kWhiteoutTaken[] = "whiteout-taken-back";

// Is this a rename that a session refuses, and that bare leaves nothing but such a trace?
bool MayTakeBackWhiteout(const Case& difference);

// The entry that covers a step's difference, or nullptr.
const Exception* FindException(const Case& difference);

// Are the two runs in different states from here on? Then the comparison of the program ends.
bool Diverges(const Case& difference);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_EXCEPTIONS_H_
