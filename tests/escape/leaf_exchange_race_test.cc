// The last component is exchanged with a link to the outside (RENAME_EXCHANGE): the race of every
// "check, then open".
#include "tests/escape/race.h"

namespace escape {
namespace {

const bool leaf_exchange_registered =
    RegisterRaces("LeafExchanged", {Attacker::kLeafExchanged, nullptr});

}  // namespace
}  // namespace escape
