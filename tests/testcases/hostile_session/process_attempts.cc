// Against other processes: signals by every way there is; their memory, descriptors, scheduling,
// limits and namespaces by system call; and the same through files below /proc.
#include <dirent.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#include "tests/testcases/hostile_session/bystander.h"
#include "tests/testcases/hostile_session/tables.h"

namespace hostile {
namespace {

constexpr int kSignal = SIGURG;  // ignored by whoever does not ask for it

std::string ProcPath(const Target& target, const std::string& name) {
  return "/proc/" + std::to_string(target.pid) + "/" + name;
}

// --- signals

Answer Kill(const Scene&, const Target& target) { return Of(kill(target.pid, kSignal)); }
Answer KillGroup(const Scene&, const Target& target) {
  const pid_t group = getpgid(target.pid);
  if (group <= 0) return HeldBy(errno);
  // kill(2) succeeds when it reaches one of the group, and that may be ourselves.
  if (group == getpgid(getppid())) return Held("it is in our own group");
  return Of(kill(-group, kSignal));
}
Answer Tkill(const Scene&, const Target& target) {
  return Of(syscall(SYS_tkill, target.pid, kSignal));
}
Answer Tgkill(const Scene&, const Target& target) {
  return Of(syscall(SYS_tgkill, target.pid, target.pid, kSignal));
}
siginfo_t Queued() {
  siginfo_t info = {};
  info.si_signo = kSignal;
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  return info;
}
Answer Sigqueue(const Scene&, const Target& target) {
  siginfo_t info = Queued();
  return Of(syscall(SYS_rt_sigqueueinfo, target.pid, kSignal, &info));
}
Answer TgSigqueue(const Scene&, const Target& target) {
  siginfo_t info = Queued();
  return Of(syscall(SYS_rt_tgsigqueueinfo, target.pid, target.pid, kSignal, &info));
}
Answer PidfdSignal(const Scene&, const Target& target) {
  const long pidfd = syscall(SYS_pidfd_open, target.pid, 0);
  if (pidfd < 0) return HeldBy(errno);
  return Of(syscall(SYS_pidfd_send_signal, pidfd, kSignal, nullptr, 0));
}

bool WasHit(const Target& target) {
  for (int i = 0; i < 20; ++i) {
    std::ifstream file(ProcPath(target, "comm"));
    std::string name;
    if (file >> name && name == "hit") return true;
    poll(nullptr, 0, 10);
  }
  return false;
}

// A socket that sends `kSignal` to its owner as soon as there is something to read.
Answer SignalByOwner(const Target& target, bool (*own)(int fd, pid_t pid)) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return Absent("no socket pair");
  signal(kSignal, SIG_IGN);
  if (WasHit(target)) return Absent("it was hit before");
  if (!own(ends[0], target.pid)) return HeldBy(errno);
  fcntl(ends[0], F_SETSIG, SIGWINCH);  // another one than the attempts before
  fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK);
  if (write(ends[1], "x", 1) != 1) return Absent("no write");
  return WasHit(target) ? Reached() : Held("no signal came");
}
Answer SetOwner(const Scene&, const Target& target) {
  return SignalByOwner(target, [](int fd, pid_t pid) { return fcntl(fd, F_SETOWN, pid) == 0; });
}
Answer SetOwnerEx(const Scene&, const Target& target) {
  return SignalByOwner(target, [](int fd, pid_t pid) {
    f_owner_ex owner = {F_OWNER_PID, pid};
    return fcntl(fd, F_SETOWN_EX, &owner) == 0;
  });
}
Answer SetOwnerByIoctl(const Scene&, const Target& target) {
  return SignalByOwner(target, [](int fd, pid_t pid) { return ioctl(fd, FIOSETOWN, &pid) == 0; });
}
// --- the group that we share with the caller's pipeline

// What `act` does to the mate, once we are the newest member of its group: Landlock looked at the
// first process of a group only (control_current_fowner, until 2026).
Answer ToOwnGroup(const Scene& scene, bool (*act)(pid_t group)) {
  const Target mate = {"mate", static_cast<pid_t>(scene.Number("mate.pid"))};
  if (mate.pid <= 0) return Absent("no mate");
  signal(kSignal, SIG_IGN);
  signal(SIGWINCH, SIG_IGN);
  for (int i = 0; i < 8 && WasHit(mate); ++i) poll(nullptr, 0, 100);
  const pid_t group = getpgid(mate.pid);
  if (setpgid(0, group) != 0) return HeldBy(errno);
  const bool done = act(group);
  const int error = errno;
  if (WasHit(mate)) return Reached();
  return done ? Held("no signal came") : HeldBy(error);
}
// Has the socket's owner signalled as soon as there is something to read.
bool TellOwner(bool (*own)(int fd, pid_t group), pid_t group) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || !own(ends[0], group)) return false;
  fcntl(ends[0], F_SETSIG, kSignal);
  fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK);
  return write(ends[1], "x", 1) == 1;
}
Answer KillOwnGroup(const Scene& scene, const Target&) {
  return ToOwnGroup(scene, [](pid_t) { return kill(0, kSignal) == 0; });
}
Answer SetOwnerOwnGroup(const Scene& scene, const Target&) {
  return ToOwnGroup(scene, [](pid_t group) {
    return TellOwner([](int fd, pid_t id) { return fcntl(fd, F_SETOWN, -id) == 0; }, group);
  });
}
Answer SetOwnerExOwnGroup(const Scene& scene, const Target&) {
  return ToOwnGroup(scene, [](pid_t group) {
    return TellOwner(
        [](int fd, pid_t id) {
          f_owner_ex owner = {F_OWNER_PGRP, id};
          return fcntl(fd, F_SETOWN_EX, &owner) == 0;
        },
        group);
  });
}
Answer IoctlOwnerOwnGroup(const Scene& scene, const Target&) {
  return ToOwnGroup(scene, [](pid_t group) {
    return TellOwner(
        [](int fd, pid_t id) {
          id = -id;
          return ioctl(fd, FIOSETOWN, &id) == 0;
        },
        group);
  });
}
Answer RaiseOwnGroup(const Scene& scene, const Target&) {
  const auto mate = static_cast<pid_t>(scene.Number("mate.pid"));
  if (mate <= 0) return Absent("no mate");
  if (setpgid(0, getpgid(mate)) != 0) return HeldBy(errno);
  const int before = getpriority(PRIO_PROCESS, static_cast<id_t>(mate));
  const int result = setpriority(PRIO_PGRP, 0, before + 1);
  if (getpriority(PRIO_PROCESS, static_cast<id_t>(mate)) != before) return Reached();
  return result == 0 ? Held("our own only") : HeldBy(errno);
}

// --- memory and descriptors

Answer PtraceAttach(const Scene&, const Target& target) {
  if (ptrace(PTRACE_ATTACH, target.pid, 0, 0) != 0) return HeldBy(errno);
  waitpid(target.pid, nullptr, __WALL);
  ptrace(PTRACE_DETACH, target.pid, 0, 0);
  return Reached();
}
Answer PtraceSeize(const Scene&, const Target& target) {
  return Of(ptrace(PTRACE_SEIZE, target.pid, 0, 0));
}
// EFAULT is the answer to who may look and finds nothing there.
Answer MemoryAnswer(ssize_t size) {
  return size > 0 || errno == EFAULT ? Reached() : HeldBy(errno);
}
iovec RemoteSecret(const Scene& scene, const Target& target) {
  const long address = scene.Number(target.name + ".secret");
  return {reinterpret_cast<void*>(address), sizeof(kSecret)};
}
Answer ReadMemory(const Scene& scene, const Target& target) {
  char buffer[sizeof(kSecret)];
  iovec local = {buffer, sizeof(buffer)};
  iovec remote = RemoteSecret(scene, target);
  return MemoryAnswer(process_vm_readv(target.pid, &local, 1, &remote, 1, 0));
}
Answer WriteMemory(const Scene&, const Target& target) {
  char byte = 0;
  iovec local = {&byte, 1};
  iovec remote = {nullptr, 1};
  return MemoryAnswer(process_vm_writev(target.pid, &local, 1, &remote, 1, 0));
}
Answer AdviseMemory(const Scene&, const Target& target) {
  const long pidfd = syscall(SYS_pidfd_open, target.pid, 0);
  iovec none = {nullptr, 0};
  const long result = syscall(SYS_process_madvise, pidfd, &none, 1, 20 /* MADV_COLD */, 0);
  return result >= 0 || errno == EFAULT || errno == EINVAL ? Reached() : HeldBy(errno);
}
Answer TakeDescriptor(const Scene&, const Target& target) {
  const long pidfd = syscall(SYS_pidfd_open, target.pid, 0);
  if (pidfd < 0) return HeldBy(errno);
  return Of(syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}
Answer Kcmp(const Scene&, const Target& target) {
  return Of(syscall(SYS_kcmp, getpid(), target.pid, 0, 0, 0));
}
Answer RobustList(const Scene&, const Target& target) {
  void* head = nullptr;
  size_t size = 0;
  return Of(syscall(SYS_get_robust_list, target.pid, &head, &size));
}
Answer MovePages(const Scene&, const Target& target) {
  void* page = nullptr;
  int status = 0;
  const long result = syscall(SYS_move_pages, target.pid, 1L, &page, nullptr, &status, 0);
  if (result < 0 && errno == ENOSYS) return Absent("ENOSYS");
  return Of(result);
}
Answer MigratePages(const Scene&, const Target& target) {
  unsigned long node = 1;
  const long result = syscall(SYS_migrate_pages, target.pid, 64L, &node, &node);
  if (result < 0 && errno == ENOSYS) return Absent("ENOSYS");
  return Of(result);
}
Answer PerfEvent(const Scene&, const Target& target) {
  perf_event_attr attributes = {};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  attributes.exclude_kernel = 1;
  return Of(syscall(SYS_perf_event_open, &attributes, target.pid, -1, -1, 0));
}
Answer ShareCore(const Scene&, const Target& target) {
  return Of(prctl(62 /* PR_SCHED_CORE */, 2 /* SHARE_TO */, target.pid, 0, 0));
}
Answer NamespaceOf(const Scene&, const Target& target) {
  const long pidfd = syscall(SYS_pidfd_open, target.pid, 0);
  return Of(ioctl(static_cast<int>(pidfd), _IO(0xFF, 3) /* PIDFD_GET_MNT_NAMESPACE */, 0));
}

// --- scheduling and limits; "reached" is what can be seen to have changed

Answer Priority(const Scene&, const Target& target) {
  const int before = getpriority(PRIO_PROCESS, static_cast<id_t>(target.pid));
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(target.pid), before + 1) != 0)
    return HeldBy(errno);
  return getpriority(PRIO_PROCESS, static_cast<id_t>(target.pid)) == before ? Held("no effect")
                                                                            : Reached();
}
Answer PriorityOfGroup(const Scene&, const Target& target) {
  const int before = getpriority(PRIO_PROCESS, static_cast<id_t>(target.pid));
  const auto group = static_cast<id_t>(getpgid(target.pid));
  const int result = setpriority(PRIO_PGRP, group, before + 1);
  const int error = errno;
  if (getpriority(PRIO_PROCESS, static_cast<id_t>(target.pid)) != before) return Reached();
  return result != 0 ? HeldBy(error) : Held("no effect");
}
Answer Affinity(const Scene&, const Target& target) {
  cpu_set_t set;
  if (sched_getaffinity(target.pid, sizeof(set), &set) != 0) return HeldBy(errno);
  return Of(sched_setaffinity(target.pid, sizeof(set), &set));
}
Answer Scheduler(const Scene&, const Target& target) {
  sched_param parameters = {};
  return Of(sched_setscheduler(target.pid, SCHED_BATCH, &parameters));
}
Answer SchedulerParameters(const Scene&, const Target& target) {
  sched_param parameters = {};
  return Of(sched_setparam(target.pid, &parameters));
}
Answer SchedulerAttributes(const Scene&, const Target& target) {
  struct {
    uint32_t size = 48, policy = 0;
    uint64_t flags = 0;
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t runtime = 0, deadline = 0, period = 0;
  } attributes;
  attributes.nice = getpriority(PRIO_PROCESS, static_cast<id_t>(target.pid));
  return Of(syscall(SYS_sched_setattr, target.pid, &attributes, 0));
}
Answer IoPriority(const Scene&, const Target& target) {
  return Of(syscall(SYS_ioprio_set, 1, target.pid, 2 << 13 | 7));
}
Answer Limit(const Scene&, const Target& target) {
  rlimit limit;
  if (prlimit(target.pid, RLIMIT_CORE, nullptr, &limit) != 0) return HeldBy(errno);
  return Of(prlimit(target.pid, RLIMIT_CORE, &limit, nullptr));
}
Answer ReadLimit(const Scene&, const Target& target) {
  rlimit limit;
  return Of(prlimit(target.pid, RLIMIT_CORE, nullptr, &limit));
}

// --- files below /proc

template <const char* kName>
Answer ReadProcFile(const Scene&, const Target& target) {
  const int fd = open(ProcPath(target, kName).c_str(), O_RDONLY);
  if (fd < 0) return HeldBy(errno);
  char byte;
  const ssize_t size = read(fd, &byte, 1);
  return size > 0 ? Reached() : size < 0 ? HeldBy(errno) : Held("empty");
}
template <const char* kName, const char* kText>
Answer WriteProcFile(const Scene&, const Target& target) {
  const int fd = open(ProcPath(target, kName).c_str(), O_WRONLY);
  return fd < 0 ? HeldBy(errno) : Of(write(fd, kText, strlen(kText)));
}
template <const char* kName>
Answer FollowProcLink(const Scene&, const Target& target) {
  const int fd = open(ProcPath(target, kName).c_str(), O_RDONLY);
  return Of(fd);
}
template <const char* kName>
Answer ReadProcLink(const Scene&, const Target& target) {
  char text[256];
  return Of(readlink(ProcPath(target, kName).c_str(), text, sizeof(text)));
}
template <const char* kName>
Answer ListProcDirectory(const Scene&, const Target& target) {
  DIR* directory = opendir(ProcPath(target, kName).c_str());
  if (directory == nullptr) return HeldBy(errno);
  int entries = 0;
  while (readdir(directory) != nullptr) ++entries;
  return entries > 2 ? Reached() : Held("empty");
}

#define PROC_NAME(name, text) constexpr char name[] = text
PROC_NAME(kMem, "mem");
PROC_NAME(kEnviron, "environ");
PROC_NAME(kMaps, "maps");
PROC_NAME(kSmaps, "smaps");
PROC_NAME(kAuxv, "auxv");
PROC_NAME(kStack, "stack");
PROC_NAME(kSyscall, "syscall");
PROC_NAME(kIo, "io");
PROC_NAME(kPagemap, "pagemap");
PROC_NAME(kPersonality, "personality");
PROC_NAME(kTimers, "timerslack_ns");
PROC_NAME(kMapFiles, "map_files");
PROC_NAME(kFdinfo, "fdinfo");
PROC_NAME(kNs, "ns/mnt");
PROC_NAME(kCwdCanary, "cwd/canary");
PROC_NAME(kCwd, "cwd");
PROC_NAME(kRoot, "root");
PROC_NAME(kExe, "exe");
PROC_NAME(kFdZero, "fd/0");
PROC_NAME(kOom, "oom_score_adj");
PROC_NAME(kCoredump, "coredump_filter");
PROC_NAME(kComm, "comm");
PROC_NAME(kAutogroup, "autogroup");
PROC_NAME(kClearRefs, "clear_refs");
PROC_NAME(kMore, "500");
PROC_NAME(kFilter, "0");
PROC_NAME(kName, "taken");
PROC_NAME(kNice, "1");

Answer WriteMem(const Scene& scene, const Target& target) {
  const int fd = open(ProcPath(target, "mem").c_str(), O_RDWR);
  if (fd < 0) return HeldBy(errno);
  const long address = scene.Number(target.name + ".secret");
  if (address == 0) return Reached();
  return Of(pwrite(fd, "S", 1, address));
}
// The memory of a thread group's other thread, and of ourselves seen through the target's task
// list.
Answer ReadTaskMem(const Scene&, const Target& target) {
  const std::string name = "task/" + std::to_string(target.pid) + "/environ";
  const int fd = open(ProcPath(target, name).c_str(), O_RDONLY);
  return Of(fd);
}
Answer VaultThroughRoot(const Scene& scene, const Target& target) {
  const int fd =
      open((ProcPath(target, "root") + scene.Get("vault") + "/canary").c_str(), O_RDONLY);
  return Of(fd);
}
Answer WriteExe(const Scene&, const Target& target) {
  const int fd = open(ProcPath(target, "exe").c_str(), O_WRONLY);
  if (fd < 0 && errno == ETXTBSY)
    return Reached("ETXTBSY: nothing but its running stands against it");
  return Of(fd);
}

}  // namespace

std::vector<Attempt> SignalAttempts() {
  constexpr auto kFamily = "signals";
  constexpr auto kAll = Against::kProcesses;
  constexpr auto kSome = Against::kBystanders;
  return {
      // First those whose effect is seen in the target's name.
      {kFamily, "F_SETOWN", Bare::kAlways, kSome, SetOwner},
      {kFamily, "F_SETOWN_EX", Bare::kDepends, kSome, SetOwnerEx},
      {kFamily, "FIOSETOWN", Bare::kDepends, kSome, SetOwnerByIoctl},
      {kFamily, "kill of our own group", Bare::kAlways, Against::kNone, KillOwnGroup},
      {kFamily, "F_SETOWN of our own group", Bare::kAlways, Against::kNone, SetOwnerOwnGroup},
      {kFamily, "F_SETOWN_EX of our own group", Bare::kAlways, Against::kNone, SetOwnerExOwnGroup},
      {kFamily, "FIOSETOWN of our own group", Bare::kAlways, Against::kNone, IoctlOwnerOwnGroup},
      {kFamily, "kill", Bare::kAlways, kAll, Kill},
      {kFamily, "kill of the group", Bare::kAlways, kAll, KillGroup},
      {kFamily, "tkill", Bare::kAlways, kAll, Tkill},
      {kFamily, "tgkill", Bare::kAlways, kAll, Tgkill},
      {kFamily, "rt_sigqueueinfo", Bare::kAlways, kAll, Sigqueue},
      {kFamily, "rt_tgsigqueueinfo", Bare::kAlways, kAll, TgSigqueue},
      {kFamily, "pidfd_send_signal", Bare::kAlways, kAll, PidfdSignal},
  };
}

std::vector<Attempt> ProcessAttempts() {
  constexpr auto kFamily = "processes";
  constexpr auto kAll = Against::kProcesses;
  return {
      {kFamily, "process_vm_readv", Bare::kAlways, kAll, ReadMemory},
      {kFamily, "process_vm_writev", Bare::kAlways, kAll, WriteMemory},
      {kFamily, "process_madvise", Bare::kDepends, kAll, AdviseMemory},
      {kFamily, "pidfd_getfd", Bare::kAlways, kAll, TakeDescriptor},
      {kFamily, "kcmp", Bare::kDepends, kAll, Kcmp},
      {kFamily, "get_robust_list", Bare::kAlways, kAll, RobustList},
      {kFamily, "move_pages", Bare::kDepends, kAll, MovePages},
      {kFamily, "migrate_pages", Bare::kDepends, kAll, MigratePages},
      {kFamily, "perf_event_open", Bare::kDepends, kAll, PerfEvent},
      {kFamily, "PR_SCHED_CORE", Bare::kDepends, kAll, ShareCore},
      {kFamily, "PIDFD_GET_MNT_NAMESPACE", Bare::kDepends, kAll, NamespaceOf},
      {kFamily, "setpriority", Bare::kAlways, kAll, Priority},
      {kFamily, "setpriority of the group", Bare::kAlways, kAll, PriorityOfGroup},
      {kFamily, "setpriority of our own group", Bare::kAlways, Against::kNone, RaiseOwnGroup},
      {kFamily, "sched_setaffinity", Bare::kAlways, kAll, Affinity},
      {kFamily, "sched_setscheduler", Bare::kAlways, kAll, Scheduler},
      {kFamily, "sched_setparam", Bare::kAlways, kAll, SchedulerParameters},
      {kFamily, "sched_setattr", Bare::kDepends, kAll, SchedulerAttributes},
      {kFamily, "ioprio_set", Bare::kAlways, kAll, IoPriority},
      {kFamily, "prlimit64", Bare::kAlways, kAll, Limit},
      {kFamily, "prlimit64 for reading", Bare::kAlways, kAll, ReadLimit},
      {kFamily, "ptrace attach", Bare::kAlways, kAll, PtraceAttach},
      {kFamily, "ptrace seize", Bare::kAlways, kAll, PtraceSeize},
  };
}

std::vector<Attempt> ProcFileAttempts() {
  constexpr auto kFamily = "proc";
  constexpr auto kAll = Against::kProcesses;
  return {
      {kFamily, "mem written", Bare::kAlways, kAll, WriteMem},
      {kFamily, "mem opened", Bare::kAlways, kAll, FollowProcLink<kMem>},
      {kFamily, "environ", Bare::kAlways, kAll, ReadProcFile<kEnviron>},
      {kFamily, "task/TID/environ", Bare::kAlways, kAll, ReadTaskMem},
      {kFamily, "maps", Bare::kAlways, kAll, ReadProcFile<kMaps>},
      {kFamily, "smaps", Bare::kDepends, kAll, ReadProcFile<kSmaps>},
      {kFamily, "auxv", Bare::kAlways, kAll, ReadProcFile<kAuxv>},
      {kFamily, "stack", Bare::kDepends, kAll, ReadProcFile<kStack>},
      {kFamily, "syscall", Bare::kDepends, kAll, ReadProcFile<kSyscall>},
      {kFamily, "io", Bare::kDepends, kAll, ReadProcFile<kIo>},
      {kFamily, "pagemap", Bare::kDepends, kAll, FollowProcLink<kPagemap>},
      {kFamily, "personality", Bare::kDepends, kAll, ReadProcFile<kPersonality>},
      {kFamily, "map_files", Bare::kDepends, kAll, ListProcDirectory<kMapFiles>},
      {kFamily, "fdinfo listed", Bare::kDepends, kAll, ListProcDirectory<kFdinfo>},
      {kFamily, "fd/0 opened", Bare::kDepends, kAll, FollowProcLink<kFdZero>},
      {kFamily, "fd/0 read as a link", Bare::kAlways, kAll, ReadProcLink<kFdZero>},
      {kFamily, "cwd opened", Bare::kAlways, kAll, FollowProcLink<kCwd>},
      {kFamily, "cwd/canary opened", Bare::kAlways, Against::kBystanders,
       FollowProcLink<kCwdCanary>},
      {kFamily, "root opened", Bare::kAlways, kAll, FollowProcLink<kRoot>},
      {kFamily, "a file through root", Bare::kAlways, kAll, VaultThroughRoot},
      {kFamily, "exe read as a link", Bare::kAlways, kAll, ReadProcLink<kExe>},
      {kFamily, "exe opened for writing", Bare::kDepends, kAll, WriteExe},
      {kFamily, "ns/mnt opened", Bare::kAlways, kAll, FollowProcLink<kNs>},
      {kFamily, "oom_score_adj written", Bare::kAlways, kAll, WriteProcFile<kOom, kMore>},
      {kFamily, "coredump_filter written", Bare::kDepends, kAll, WriteProcFile<kCoredump, kFilter>},
      {kFamily, "comm written", Bare::kDepends, kAll, WriteProcFile<kComm, kName>},
      {kFamily, "autogroup written", Bare::kDepends, kAll, WriteProcFile<kAutogroup, kNice>},
      {kFamily, "clear_refs written", Bare::kDepends, kAll, WriteProcFile<kClearRefs, kNice>},
      {kFamily, "timerslack_ns written", Bare::kDepends, kAll, WriteProcFile<kTimers, kNice>},
  };
}

}  // namespace hostile
