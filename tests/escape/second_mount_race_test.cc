// Two mounts of one session: links in the shared one lead to the private one, which the session
// itself may write. Landlock alone would let that through; the island rule does not.
//
// Left out: the directory moved from the one mount to the other. Its "../" then begins in the other
// mount, and what it finds there is what the path says.
#include "tests/escape/race.h"

namespace escape {
namespace {

const bool registered_leaf =
    RegisterRaces("LeafExchangedSecondMount", {Attacker::kLeafExchanged, nullptr, true});
const bool registered_parent =
    RegisterRaces("ParentExchangedSecondMount", {Attacker::kParentExchanged, nullptr, true});

}  // namespace
}  // namespace escape
