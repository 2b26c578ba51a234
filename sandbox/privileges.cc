#include "sandbox/privileges.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sessionctl {
namespace {

constexpr int kSecurebits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
                            SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                            SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

bool HasCapability(int capability) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return (data[capability / 32].effective & (1U << (capability % 32))) != 0;
}

SysStatus LockBoundingSet() {
  for (int capability = 0; capability < 64; ++capability) {
    if (prctl(PR_CAPBSET_READ, capability) < 0) break;  // EINVAL: beyond the last
    if (prctl(PR_CAPBSET_DROP, capability) != 0) return LastErrno();
  }
  if (prctl(PR_SET_SECUREBITS, kSecurebits) != 0) return LastErrno();
  return Done{};
}

}  // namespace

SysStatus DropPrivileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return LastErrno();
  // Without CAP_SETPCAP the bounding set cannot be touched, and no_new_privs alone keeps it from
  // mattering.
  if (HasCapability(CAP_SETPCAP)) {
    if (SysStatus locked = LockBoundingSet(); !locked.ok()) return locked;
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) {
    return LastErrno();
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) != 0) return LastErrno();
  return Done{};
}

}  // namespace sessionctl
