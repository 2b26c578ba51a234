#include "sandbox/privileges.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace sessionctl {
namespace {

// Without kept capabilities nothing about uid 0 is special.
constexpr int kNothingKept = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
                             SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                             SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
// With some, programs find the kernel's ordinary rules: root that executes has what is in the
// bounding set, a change of user drops it, PR_SET_KEEPCAPS keeps it.
constexpr int kSomethingKept =
    SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

bool Has(const CapabilityState& state, int capability) {
  return (state.effective & CapabilityBit(capability)) != 0;
}

SysStatus ReduceBoundingSet(CapabilitySet kept) {
  for (int capability = 0; capability < 64; ++capability) {
    if ((kept & CapabilityBit(capability)) != 0) continue;
    if (prctl(PR_CAPBSET_DROP, capability) == 0) continue;
    if (errno == EINVAL && capability > 0) break;  // beyond the last
    return LastErrno();
  }
  return Done{};
}

// The raw calls: libc's would ask every thread, and there is one.
SysStatus Become(const UserAndGroups& who) {
  if (syscall(SYS_setgroups, who.groups.size(), who.groups.data()) != 0) return LastErrno();
  if (syscall(SYS_setresgid, who.gid, who.gid, who.gid) != 0) return LastErrno();
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return LastErrno();
  if (syscall(SYS_setresuid, who.uid, who.uid, who.uid) != 0) return LastErrno();
  if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return LastErrno();
  // From uid 0 the effective set is emptied all the same.
  SysResult<CapabilityState> state = GetCapabilities();
  if (!state.ok()) return Errno(state.error());
  state->effective = state->permitted;
  return SetCapabilities(*state);
}

SysStatus ClearAmbient() {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) {
    return LastErrno();
  }
  return Done{};
}

// What somebody other than root has after execve(2).
SysStatus RaiseAmbient(CapabilitySet kept) {
  for (int capability = 0; capability < 64; ++capability) {
    if ((kept & CapabilityBit(capability)) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) return LastErrno();
  }
  return Done{};
}

SysStatus SetKept(const Privileges& privileges) {
  const CapabilitySet all = privileges.kept | privileges.own;
  const bool ambient = privileges.kept != 0 && geteuid() != 0;
  if (SysStatus set = SetCapabilities(
          {.permitted = all, .effective = all, .inheritable = ambient ? privileges.kept : 0});
      !set.ok()) {
    return set;
  }
  if (SysStatus cleared = ClearAmbient(); !cleared.ok()) return cleared;
  return ambient ? RaiseAmbient(privileges.kept) : SysStatus(Done{});
}

}  // namespace

CapabilitySet CapabilitiesForOtherUsers() {
  return CapabilityBit(CAP_SYS_PTRACE) | CapabilityBit(CAP_KILL);
}

SysStatus AssumePrivileges(const Privileges& privileges) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return LastErrno();
  SysResult<CapabilityState> before = GetCapabilities();
  if (!before.ok()) return Errno(before.error());
  // Without CAP_SETPCAP the bounding set cannot be touched, and no_new_privs alone keeps it from
  // mattering.
  const bool may_lock = Has(*before, CAP_SETPCAP);
  if (may_lock) {
    if (SysStatus reduced = ReduceBoundingSet(privileges.kept); !reduced.ok()) return reduced;
  }
  if (privileges.become) {
    if (SysStatus became = Become(*privileges.become); !became.ok()) return became;
  }
  if (may_lock) {
    const int bits = privileges.kept == 0 ? kNothingKept : kSomethingKept;
    if (prctl(PR_SET_SECUREBITS, bits) != 0) return LastErrno();
  }
  return SetKept(privileges);
}

SysStatus KeepOnly(CapabilitySet kept) {
  SysResult<CapabilityState> state = GetCapabilities();
  if (!state.ok()) return Errno(state.error());
  state->permitted &= kept;
  state->effective &= kept;
  return SetCapabilities(*state);
}

}  // namespace sessionctl
