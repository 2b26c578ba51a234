#include "sandbox/capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <iterator>

namespace sessionctl {
namespace {

// In the order of their numbers (linux/capability.h).
constexpr const char* kNames[] = {
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
};
static_assert(std::size(kNames) == kLastNamedCapability + 1);

constexpr int kWordBits = 32;

CapabilitySet Joined(uint32_t low, uint32_t high) {
  return CapabilitySet{low} | CapabilitySet{high} << kWordBits;
}

}  // namespace

int CapabilityNumber(std::string_view name) {
  for (size_t number = 0; number < std::size(kNames); ++number) {
    if (name == kNames[number]) return static_cast<int>(number);
  }
  return -1;
}

const char* CapabilityName(int number) {
  return number >= 0 && number <= kLastNamedCapability ? kNames[number] : nullptr;
}

SysResult<CapabilityState> GetCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return LastErrno();
  CapabilityState state;
  state.permitted = Joined(data[0].permitted, data[1].permitted);
  state.effective = Joined(data[0].effective, data[1].effective);
  state.inheritable = Joined(data[0].inheritable, data[1].inheritable);
  return state;
}

SysStatus SetCapabilities(const CapabilityState& state) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  for (int word = 0; word < 2; ++word) {
    const int shift = word * kWordBits;
    data[word] = {static_cast<uint32_t>(state.effective >> shift),
                  static_cast<uint32_t>(state.permitted >> shift),
                  static_cast<uint32_t>(state.inheritable >> shift)};
  }
  if (syscall(SYS_capset, &header, data) != 0) return LastErrno();
  return Done{};
}

}  // namespace sessionctl
