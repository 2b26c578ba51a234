// The same races when neither the session nor its broker was started by root.
#include "tests/escape/race.h"

namespace escape {
namespace {

constexpr uid_t kOrdinaryUser = 1000;

const bool registered_leaf = RegisterRaces(
    "LeafExchangedOrdinaryUser", {Attacker::kLeafExchanged, nullptr, false, "auto", kOrdinaryUser},
    {"open-write", "open-create", "open-read", "chmod"});
const bool registered_parent = RegisterRaces(
    "ParentExchangedOrdinaryUser",
    {Attacker::kParentExchanged, nullptr, false, "auto", kOrdinaryUser},
    {"open-write", "open-create", "open-read", "mkdir", "rename", "unlink", "link-into", "chown"});

}  // namespace
}  // namespace escape
