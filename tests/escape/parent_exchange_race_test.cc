// A parent directory is exchanged with a link to the outside (RENAME_EXCHANGE): O_NOFOLLOW does not
// help (trap 33), and calls that never follow the last component are led astray as well.
#include "tests/escape/race.h"

namespace escape {
namespace {

const bool parent_exchange_registered =
    RegisterRaces("ParentExchanged", {Attacker::kParentExchanged, nullptr});
const bool registered_all =
    RegisterRaces("ParentExchangedScopeAll", {Attacker::kParentExchanged, nullptr, false, "all"},
                  {"open-write", "open-create", "open-read", "cwd-write", "rename"});

}  // namespace
}  // namespace escape
