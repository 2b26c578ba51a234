// The victim's working directory is moved out of the mount and back while it uses "../" paths: no
// link is involved at all.
#include "tests/escape/race.h"

namespace escape {
namespace {

const bool moved_directory_registered = RegisterRaces("MovedOut", {Attacker::kMovedOut, nullptr});

}  // namespace
}  // namespace escape
