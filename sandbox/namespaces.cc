#include "sandbox/namespaces.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <mntent.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

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

// A directory that is always empty: what lies over it hides nothing.
constexpr char kEmptyPartOfProc[] = "/proc/sys/fs/binfmt_misc";

// In a user namespace the kernel mounts no /proc that shows what the caller's does not
// (mount_too_revealing, fs/namespace.c).
std::string CoveredPartOfProc() {
  const std::unique_ptr<FILE, int (*)(FILE*)> mounts(setmntent("/proc/self/mounts", "re"),
                                                     endmntent);
  if (mounts == nullptr) return "";
  while (const mntent* entry = getmntent(mounts.get())) {
    const std::string path = entry->mnt_dir;
    if (path.starts_with("/proc/") && path != kEmptyPartOfProc) return path;
  }
  return "";
}

}  // namespace

bool MayMakeNamespaces() {
  SysResult<CapabilityState> state = GetCapabilities();
  return state.ok() && (state->effective & CapabilityBit(CAP_SYS_ADMIN)) != 0;
}

SysStatus EnterNamespaces(int flags) {
  if (unshare(flags) != 0) return LastErrno();
  return Done{};
}

SysStatus EnterNamespacesAsUser(int flags) {
  const unsigned uid = geteuid();
  const unsigned gid = getegid();
  if (unshare(CLONE_NEWUSER | flags) != 0) return LastErrno();
  // The new capabilities made the process undumpable, and its own /proc files root's (trap 19).
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return LastErrno();
  if (SysStatus denied = WriteProcFile("/proc/self/setgroups", "deny"); !denied.ok()) return denied;
  if (SysStatus mapped = MapId("/proc/self/uid_map", uid); !mapped.ok()) return mapped;
  return MapId("/proc/self/gid_map", gid);
}

SysResult<pid_t> TranslateProcessId(int id_namespace, pid_t number) {
  const int found = ioctl(id_namespace, kNsGetPidFromPidns, number);
  if (found < 0) return LastErrno();
  if (found == 0) return Errno(ESRCH);
  return found;
}

std::string WhatForbidsUserNamespaces() {
  const std::pair<const char*, const char*> switches[] = {
      {"user/max_user_namespaces", "0"},
      {"kernel/unprivileged_userns_clone", "0"},  // Debian's
      {"kernel/apparmor_restrict_unprivileged_userns", "1"},
  };
  for (const auto& [name, forbids] : switches) {
    const std::string path = std::string("/proc/sys/") + name;
    SysResult<std::string> value = ReadSmallFile(AT_FDCWD, path.c_str(), 32);
    if (!value.ok() || *value != std::string(forbids) + "\n") continue;
    std::string sysctl = name;
    std::replace(sysctl.begin(), sysctl.end(), '/', '.');
    return "sysctl " + sysctl + " = " + forbids;
  }
  const std::string covered = CoveredPartOfProc();
  return covered.empty() ? "" : "a mount at " + covered + ", which a new /proc would not have";
}

}  // namespace sessionctl
