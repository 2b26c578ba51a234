// Capabilities by their names (capabilities(7), without CAP_ and in small letters) and as sets, one
// bit each. Any thread; the names need no allocation.
#ifndef SANDBOX_CAPABILITIES_H_
#define SANDBOX_CAPABILITIES_H_

#include <cstdint>
#include <string_view>

#include "sandbox/base/sys_result.h"

namespace sessionctl {

// Bit N is the capability with the number N of linux/capability.h.
using CapabilitySet = uint64_t;

constexpr CapabilitySet CapabilityBit(int number) { return CapabilitySet{1} << number; }

// The number of "chown" and the like; -1 for what is no capability.
int CapabilityNumber(std::string_view name);
// nullptr for a number that has no name here.
const char* CapabilityName(int number);
inline constexpr int kLastNamedCapability = 40;  // checkpoint_restore

// The sets of the calling thread (capget(2)).
struct CapabilityState {
  CapabilitySet permitted = 0;
  CapabilitySet effective = 0;
  CapabilitySet inheritable = 0;
};
// Async-signal-safe. Errors: those of capget and capset.
SysResult<CapabilityState> GetCapabilities();
SysStatus SetCapabilities(const CapabilityState& state);

}  // namespace sessionctl

#endif  // SANDBOX_CAPABILITIES_H_
