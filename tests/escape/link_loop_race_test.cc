// The `ln -sf` / `rm` loop: a link comes and goes at the name that the victim has just made.
#include "tests/escape/race.h"

namespace escape {
namespace {

const bool link_loop_registered = RegisterRaces("LinkLoop", {Attacker::kLinkLoop, nullptr});

}  // namespace
}  // namespace escape
