// The same races when neither the session nor its broker was started by root.
#include "tests/escape/race.h"
#include "tests/harness/user_and_view.h"

namespace escape {
namespace {

const bool registered_leaf =
    RegisterRaces("LeafExchangedOrdinaryUser",
                  {Attacker::kLeafExchanged, nullptr, false, "auto", harness::kOrdinaryUser},
                  {"open-write", "open-create", "open-read", "chmod"});
const bool registered_parent = RegisterRaces(
    "ParentExchangedOrdinaryUser",
    {Attacker::kParentExchanged, nullptr, false, "auto", harness::kOrdinaryUser},
    {"open-write", "open-create", "open-read", "mkdir", "rename", "unlink", "link-into", "chown"});

}  // namespace
}  // namespace escape
