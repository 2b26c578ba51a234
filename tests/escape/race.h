// The race tests: a victim that checks and acts (testcases/path_victim) against an attacker that
// swaps what the path means (testcases/swap_attacker). Each race is run twice: bare, where it must
// be lost, and in a session, where not one effect and not one read may land outside in at least as
// many attempts.
//
// SESSIONCTL_RACE_SECONDS is the length of the half in the session (0.7), SESSIONCTL_RACE_REPORT a
// file that gets one JSON line a race.
#ifndef TESTS_ESCAPE_RACE_H_
#define TESTS_ESCAPE_RACE_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/testcases/path_operations.h"

namespace escape {

enum class Attacker {
  kLeafExchanged,    // RENAME_EXCHANGE of the last component with a link
  kParentExchanged,  // RENAME_EXCHANGE of the directory above it with a link
  kLinkLoop,         // symlink + unlink of the last component
  kMovedOut,         // the victim's working directory is moved out of the mount and back
};

struct Race {
  Attacker attacker;
  const testcases::PathOperation* operation;
  bool links_to_second_mount = false;  // what is outside the one mount is the session's other mount
  std::string scope = "auto";
  std::optional<uid_t> as_user = {};
};

// Why this attacker cannot lead this operation astray, by the nature of the call; "" when it can.
std::string WhyHarmless(Attacker attacker, const testcases::PathOperation& operation);

// Both halves, with all expectations.
void RunRace(const Race& race);

// The reason that WhyHarmless gives, proved: the link stands at the name from the start, the call
// is made bare, and nothing outside is touched.
void ProveHarmless(Attacker attacker, const testcases::PathOperation& operation);

// Registers one test for every operation that `attacker` can lead astray, named
// SUITE.OpenWriteStaysInMount, and one that proves the reason for each that is left out. Returns
// true.
bool RegisterRaces(const char* suite, Race prototype, const std::vector<std::string>& only = {});

}  // namespace escape

#endif  // TESTS_ESCAPE_RACE_H_
