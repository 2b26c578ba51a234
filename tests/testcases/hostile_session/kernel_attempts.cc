// Against the kernel's other doors: namespaces, mounts, rings, programs, watches, options of the
// process itself; and code that no exec grant covers.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <ctime>

#include "tests/testcases/hostile_session/tables.h"

namespace hostile {
namespace {

template <int kFlag>
Answer Unshare(const Scene&, const Target&) {
  return Of(unshare(kFlag));
}
template <int kFlag>
Answer Clone(const Scene&, const Target&) {
  const long child = syscall(SYS_clone, kFlag | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return Of(child);
}
// Its flags lie in memory.
Answer Clone3(const Scene&, const Target&) {
  uint64_t arguments[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
  const long child = syscall(SYS_clone3, arguments, sizeof(arguments));
  if (child == 0) _exit(0);
  return Of(child);
}
Answer Setns(const Scene&, const Target&) {
  const int fd = open("/proc/self/ns/uts", O_RDONLY);
  return fd < 0 ? HeldBy(errno) : Of(setns(fd, 0));
}
Answer Mount(const Scene&, const Target&) {
  if (unshare(CLONE_NEWNS) != 0) return HeldBy(errno);
  return Of(mount("none", "/proc", "tmpfs", 0, ""));
}
Answer Fsopen(const Scene&, const Target&) { return Of(syscall(SYS_fsopen, "tmpfs", 0)); }
Answer OpenTree(const Scene&, const Target&) {
  return Of(syscall(SYS_open_tree, AT_FDCWD, "/", 1));
}
Answer Chroot(const Scene&, const Target&) { return Of(chroot("/")); }
Answer PivotRoot(const Scene&, const Target&) {
  const long result = syscall(SYS_pivot_root, "/", "/");
  return result < 0 && errno != EPERM ? Reached("it was looked at") : Of(result);
}
Answer Statmount(const Scene&, const Target&) {
  char buffer[512];
  struct {
    uint32_t size = 24, unused = 0;
    uint64_t id = ~0ULL, last = 0;
  } request;
  const long result = syscall(458 /* listmount */, &request, buffer, 8, 0);
  return Of(result);
}
Answer IoUring(const Scene&, const Target&) {
  char parameters[256] = {};
  return Of(syscall(SYS_io_uring_setup, 1, parameters));
}
Answer Bpf(const Scene&, const Target&) {
  bpf_attr attributes = {};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = attributes.value_size = 4;
  attributes.max_entries = 1;
  return Of(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes)));
}
Answer Userfaultfd(const Scene&, const Target&) {
  return Of(syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */));
}
Answer Fanotify(const Scene&, const Target&) {
  return Of(syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, 0));
}
Answer OpenByHandle(const Scene& scene, const Target&) {
  struct {
    unsigned bytes = 128;
    int type = 0;
    char data[128];
  } handle;
  int mount_id;
  const std::string path = scene.Get("vault") + "/canary";
  if (syscall(SYS_name_to_handle_at, AT_FDCWD, path.c_str(), &handle, &mount_id, 0) != 0) {
    return HeldBy(errno);
  }
  const int directory = open(scene.Get("vault").c_str(), O_PATH | O_DIRECTORY);
  const int fd = static_cast<int>(syscall(SYS_open_by_handle_at, directory, &handle, O_RDONLY));
  return Of(fd);
}
Answer Personality(const Scene&, const Target&) { return Of(personality(ADDR_NO_RANDOMIZE)); }
Answer Listener(const Scene&, const Target&) {
  sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
  sock_fprog program = {1, &allow};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return Of(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}
Answer NotDumpable(const Scene&, const Target&) { return Of(prctl(PR_SET_DUMPABLE, 0)); }
Answer Ptracer(const Scene&, const Target&) {
  return Of(prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY));
}
Answer OwnCore(const Scene&, const Target&) {
  return Of(prctl(62 /* PR_SCHED_CORE */, 1, 0, 0, 0));
}
Answer Lease(const Scene&, const Target&) {
  const int fd = open("leased", O_RDWR | O_CREAT, 0600);
  return fd < 0 ? Absent("no file") : Of(fcntl(fd, F_SETLEASE, F_WRLCK));
}
Answer Notify(const Scene&, const Target&) {
  const int fd = open(".", O_RDONLY | O_DIRECTORY);
  return fd < 0 ? Absent("no directory") : Of(fcntl(fd, F_NOTIFY, DN_CREATE));
}
Answer InodeFlags(const Scene&, const Target&) {
  const int fd = open("/usr", O_RDONLY | O_DIRECTORY);
  int flags = 0;
  if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return Absent("no flags here");
  return Of(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}
Answer Regain(const Scene&, const Target&) {
  // A set-user-ID program would have root's capabilities (no_new_privs).
  return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? Reached() : Held("no_new_privs");
}
Answer SetClock(const Scene&, const Target&) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return Of(clock_settime(CLOCK_REALTIME, &now));
}

// --- code that lies in no grant

// Executes a copy of /bin/true that `fd` is, and says whether it ran.
Answer Execute(int fd, const char* path) {
  const pid_t child = fork();
  if (child == 0) {
    char* argv[] = {const_cast<char*>("true"), nullptr};
    if (path[0] != '\0') {
      execve(path, argv, argv + 1);
    } else {
      syscall(SYS_execveat, fd, "", argv, argv + 1, AT_EMPTY_PATH);
    }
    _exit(errno);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Reached();
  return WIFEXITED(status) ? HeldBy(WEXITSTATUS(status)) : Held("killed");
}
bool FillWithProgram(int fd) {
  const int from = open("/bin/true", O_RDONLY);
  char buffer[65536];
  for (ssize_t size; (size = read(from, buffer, sizeof(buffer))) > 0;) {
    if (write(fd, buffer, static_cast<size_t>(size)) != size) return false;
  }
  return from >= 0;
}
template <unsigned kFlags>
Answer ExecuteMemory(const Scene&, const Target&) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "code", kFlags));
  if (fd < 0) return HeldBy(errno);
  return FillWithProgram(fd) ? Execute(fd, "") : Absent("no program");
}
Answer ExecuteMemoryByPath(const Scene&, const Target&) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "code", 0U));
  if (fd < 0) return HeldBy(errno);
  if (!FillWithProgram(fd)) return Absent("no program");
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int again = open(path.c_str(), O_RDONLY);  // a writer makes execution fail (ETXTBSY)
  close(fd);
  return Execute(again, ("/proc/self/fd/" + std::to_string(again)).c_str());
}
Answer ExecuteMemoryMadeExecutable(const Scene&, const Target&) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "code", MFD_CLOEXEC));
  if (fd < 0) return HeldBy(errno);
  if (fchmod(fd, 0777) != 0) return HeldBy(errno);
  return FillWithProgram(fd) ? Execute(fd, "") : Absent("no program");
}

}  // namespace

std::vector<Attempt> KernelAttempts() {
  constexpr auto kFamily = "kernel";
  constexpr auto kOnce = Against::kNone;
  return {
      {kFamily, "unshare CLONE_NEWUSER", Bare::kDepends, kOnce, Unshare<CLONE_NEWUSER>},
      {kFamily, "unshare CLONE_NEWNS", Bare::kRoot, kOnce, Unshare<CLONE_NEWNS>},
      {kFamily, "unshare CLONE_NEWIPC", Bare::kRoot, kOnce, Unshare<CLONE_NEWIPC>},
      {kFamily, "unshare CLONE_NEWNET", Bare::kRoot, kOnce, Unshare<CLONE_NEWNET>},
      {kFamily, "unshare CLONE_NEWPID", Bare::kRoot, kOnce, Unshare<CLONE_NEWPID>},
      {kFamily, "unshare CLONE_NEWTIME", Bare::kDepends, kOnce, Unshare<0x80>},
      {kFamily, "clone CLONE_NEWUSER", Bare::kDepends, kOnce, Clone<CLONE_NEWUSER>},
      {kFamily, "clone CLONE_NEWNS", Bare::kRoot, kOnce, Clone<CLONE_NEWNS>},
      {kFamily, "clone3", Bare::kDepends, kOnce, Clone3},
      {kFamily, "setns", Bare::kDepends, kOnce, Setns},
      {kFamily, "mount", Bare::kRoot, kOnce, Mount},
      {kFamily, "fsopen", Bare::kRoot, kOnce, Fsopen},
      {kFamily, "open_tree", Bare::kDepends, kOnce, OpenTree},
      {kFamily, "chroot", Bare::kRoot, kOnce, Chroot},
      {kFamily, "pivot_root", Bare::kDepends, kOnce, PivotRoot},
      {kFamily, "listmount", Bare::kDepends, kOnce, Statmount},
      {kFamily, "io_uring_setup", Bare::kDepends, kOnce, IoUring},
      {kFamily, "bpf", Bare::kRoot, kOnce, Bpf},
      {kFamily, "userfaultfd", Bare::kDepends, kOnce, Userfaultfd},
      {kFamily, "fanotify_init", Bare::kDepends, kOnce, Fanotify},
      {kFamily, "open_by_handle_at", Bare::kDepends, kOnce, OpenByHandle},
      {kFamily, "personality", Bare::kAlways, kOnce, Personality},
      {kFamily, "seccomp listener", Bare::kAlways, kOnce, Listener},
      {kFamily, "PR_SET_DUMPABLE", Bare::kAlways, kOnce, NotDumpable},
      {kFamily, "PR_SET_PTRACER", Bare::kDepends, kOnce, Ptracer},
      {kFamily, "PR_SCHED_CORE", Bare::kDepends, kOnce, OwnCore},
      {kFamily, "F_SETLEASE", Bare::kAlways, kOnce, Lease},
      {kFamily, "F_NOTIFY", Bare::kDepends, kOnce, Notify},
      {kFamily, "FS_IOC_SETFLAGS", Bare::kDepends, kOnce, InodeFlags},
      {kFamily, "set-user-ID programs", Bare::kAlways, kOnce, Regain},
      {kFamily, "clock_settime", Bare::kDepends, kOnce, SetClock},
  };
}

std::vector<Attempt> MemoryAttempts() {
  constexpr auto kFamily = "memory";
  constexpr auto kOnce = Against::kNone;
  return {
      {kFamily, "memfd executed", Bare::kAlways, kOnce, ExecuteMemory<MFD_CLOEXEC>},
      {kFamily, "memfd without flags executed", Bare::kAlways, kOnce, ExecuteMemory<0>},
      {kFamily, "memfd with MFD_EXEC executed", Bare::kDepends, kOnce, ExecuteMemory<0x10>},
      {kFamily, "memfd that may be sealed executed", Bare::kAlways, kOnce,
       ExecuteMemory<MFD_ALLOW_SEALING>},
      {kFamily, "memfd executed by its path", Bare::kAlways, kOnce, ExecuteMemoryByPath},
      {kFamily, "memfd made executable", Bare::kAlways, kOnce, ExecuteMemoryMadeExecutable},
  };
}

}  // namespace hostile
