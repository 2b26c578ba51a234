#include "sandbox/namespaces.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "sandbox/base/syscalls.h"
#include "sandbox/capabilities.h"

namespace sessionctl {
namespace {

SysStatus WriteProcFile(const char* path, const char* text) {
  SysResult<OwnedFd> file = OpenAt(AT_FDCWD, path, O_WRONLY);
  if (!file.ok()) return Errno(file.error());
  return WriteAll(file->get(), text, strlen(text));
}

// One id, mapped onto itself: all that an ordinary user may map (user_namespaces(7)).
SysStatus MapId(const char* path, unsigned id) {
  char text[64];
  snprintf(text, sizeof(text), "%u %u 1\n", id, id);
  return WriteProcFile(path, text);
}

}  // namespace

bool MayMakeIpcNamespace() {
  SysResult<CapabilityState> state = GetCapabilities();
  return state.ok() && (state->effective & CapabilityBit(CAP_SYS_ADMIN)) != 0;
}

SysStatus EnterIpcNamespace() {
  if (unshare(CLONE_NEWIPC) != 0) return LastErrno();
  return Done{};
}

SysStatus EnterIpcNamespaceAsUser() {
  const unsigned uid = geteuid();
  const unsigned gid = getegid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWIPC) != 0) return LastErrno();
  // The new capabilities made the process undumpable, and its own /proc files root's (trap 19).
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return LastErrno();
  if (SysStatus denied = WriteProcFile("/proc/self/setgroups", "deny"); !denied.ok()) return denied;
  if (SysStatus mapped = MapId("/proc/self/uid_map", uid); !mapped.ok()) return mapped;
  return MapId("/proc/self/gid_map", gid);
}

}  // namespace sessionctl
