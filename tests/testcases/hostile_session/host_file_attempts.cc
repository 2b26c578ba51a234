// Against files of the host: the vault by all plain calls, and the places from which published
// escapes went on (a runtime's own program, core_pattern, release_agent, sysrq, devices).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/testcases/hostile_session/tables.h"

namespace hostile {
namespace {

std::string Canary(const Scene& scene) { return scene.Get("vault") + "/canary"; }
std::string Fresh(const Scene& scene) { return scene.Get("vault") + "/fresh"; }

Answer ReadCanary(const Scene& scene, const Target&) {
  return Of(open(Canary(scene).c_str(), O_RDONLY));
}
Answer WriteCanary(const Scene& scene, const Target&) {
  return Of(open(Canary(scene).c_str(), O_WRONLY));
}
Answer CreateFile(const Scene& scene, const Target&) {
  const int fd = open(Fresh(scene).c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (fd < 0) return HeldBy(errno);
  unlink(Fresh(scene).c_str());
  return Reached();
}
Answer MakeDirectory(const Scene& scene, const Target&) {
  if (mkdir(Fresh(scene).c_str(), 0700) != 0) return HeldBy(errno);
  rmdir(Fresh(scene).c_str());
  return Reached();
}
Answer LinkOutHere(const Scene& scene, const Target&) {
  unlink("taken");
  return Of(link(Canary(scene).c_str(), "taken"));
}
Answer ThroughLink(const Scene& scene, const Target&) {
  unlink("way-out");
  if (symlink(Canary(scene).c_str(), "way-out") != 0) return Absent("no link");
  return Of(open("way-out", O_RDWR));
}
Answer ThroughSelfRoot(const Scene& scene, const Target&) {
  return Of(open(("/proc/self/root" + Canary(scene)).c_str(), O_RDONLY));
}
Answer ThroughInitRoot(const Scene& scene, const Target&) {
  return Of(open(("/proc/1/root" + Canary(scene)).c_str(), O_RDONLY));
}
Answer Mode(const Scene& scene, const Target&) { return Of(chmod(Canary(scene).c_str(), 0644)); }
Answer Owner(const Scene& scene, const Target&) {
  return Of(chown(Canary(scene).c_str(), getuid(), getgid()));
}
Answer DeviceNode(const Scene&, const Target&) {
  unlink("memory");
  return Of(mknod("memory", S_IFCHR | 0600, makedev(1, 1)));
}
template <const char* kPath, int kFlags>
Answer Open(const Scene&, const Target&) {
  const int fd = open(kPath, kFlags);
  return fd < 0 && errno == ENOENT ? Absent("no such file") : Of(fd);
}

constexpr char kCorePattern[] = "/proc/sys/kernel/core_pattern";
constexpr char kModprobe[] = "/proc/sys/kernel/modprobe";
constexpr char kSysrq[] = "/proc/sysrq-trigger";
constexpr char kBinfmt[] = "/proc/sys/fs/binfmt_misc/register";
constexpr char kKcore[] = "/proc/kcore";
constexpr char kKmsg[] = "/dev/kmsg";
constexpr char kMem[] = "/dev/mem";
constexpr char kFuse[] = "/dev/fuse";
constexpr char kLoop[] = "/dev/loop-control";
constexpr char kTun[] = "/dev/net/tun";
constexpr char kShadow[] = "/etc/shadow";
constexpr char kUevent[] = "/sys/kernel/uevent_helper";
constexpr char kRelease[] = "/sys/fs/cgroup/release_agent";
constexpr char kCgroupProcs[] = "/sys/fs/cgroup/cgroup.procs";

}  // namespace

std::vector<Attempt> HostFileAttempts() {
  constexpr auto kFamily = "files";
  constexpr auto kOnce = Against::kNone;
  return {
      {kFamily, "read", Bare::kAlways, kOnce, ReadCanary},
      {kFamily, "write", Bare::kAlways, kOnce, WriteCanary},
      {kFamily, "create", Bare::kAlways, kOnce, CreateFile},
      {kFamily, "mkdir", Bare::kAlways, kOnce, MakeDirectory},
      {kFamily, "link into the mount", Bare::kAlways, kOnce, LinkOutHere},
      {kFamily, "through a link in the mount", Bare::kAlways, kOnce, ThroughLink},
      {kFamily, "through /proc/self/root", Bare::kAlways, kOnce, ThroughSelfRoot},
      {kFamily, "through /proc/1/root", Bare::kDepends, kOnce, ThroughInitRoot},
      {kFamily, "chmod", Bare::kAlways, kOnce, Mode},
      {kFamily, "chown", Bare::kAlways, kOnce, Owner},
      {kFamily, "a device node made", Bare::kRoot, kOnce, DeviceNode},
      {kFamily, "core_pattern", Bare::kDepends, kOnce, Open<kCorePattern, O_WRONLY>},
      {kFamily, "modprobe", Bare::kDepends, kOnce, Open<kModprobe, O_WRONLY>},
      {kFamily, "sysrq-trigger", Bare::kDepends, kOnce, Open<kSysrq, O_WRONLY>},
      {kFamily, "binfmt_misc", Bare::kDepends, kOnce, Open<kBinfmt, O_WRONLY>},
      {kFamily, "kcore", Bare::kDepends, kOnce, Open<kKcore, O_RDONLY>},
      {kFamily, "/dev/kmsg", Bare::kDepends, kOnce, Open<kKmsg, O_RDWR>},
      {kFamily, "/dev/mem", Bare::kDepends, kOnce, Open<kMem, O_RDWR>},
      {kFamily, "/dev/fuse", Bare::kDepends, kOnce, Open<kFuse, O_RDWR>},
      {kFamily, "/dev/loop-control", Bare::kDepends, kOnce, Open<kLoop, O_RDWR>},
      {kFamily, "/dev/net/tun", Bare::kDepends, kOnce, Open<kTun, O_RDWR>},
      {kFamily, "/etc/shadow", Bare::kRoot, kOnce, Open<kShadow, O_RDONLY>},
      {kFamily, "uevent_helper", Bare::kDepends, kOnce, Open<kUevent, O_WRONLY>},
      {kFamily, "release_agent", Bare::kDepends, kOnce, Open<kRelease, O_WRONLY>},
      {kFamily, "cgroup.procs", Bare::kDepends, kOnce, Open<kCgroupProcs, O_WRONLY>},
  };
}

}  // namespace hostile
