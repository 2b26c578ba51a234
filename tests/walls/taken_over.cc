// A broker that a hostile session has taken over: the handler of truncate is replaced by attack
// code, which runs in the broker's process, on one of its workers.
// `truncate("attack:NAME:ARGUMENT")` makes one attempt and answers with its errno, 0 when the
// broker could do it. Only the names of the attempts are known here;
// tests/escape/taken_over_broker_test.cc says what each must come to.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/walls.h"
#include "supervisor/broker.h"
#include "supervisor/mediator/handlers/handlers.h"

namespace sessionctl {
namespace {

using Attack = long (*)(const char* argument);

pid_t supervisor = -1;

// "parent": the supervisor.
pid_t Pid(const char* argument) {
  return strcmp(argument, "parent") == 0 ? supervisor : atoi(argument);
}
long Syscall(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  return syscall(nr, a, b, c, d, e);
}
long Pointer(const void* pointer) { return reinterpret_cast<long>(pointer); }
long Open(const char* path, int flags) { return openat(AT_FDCWD, path, flags | O_CLOEXEC, 0644); }

// The broker's own descriptor of the file `path`.
int OwnDescriptor(const char* path) {
  for (int fd = 0; fd < 256; ++fd) {
    SysResult<std::string> name = PathOfDescriptor(fd);
    if (name.ok() && *name == path) return fd;
  }
  errno = EBADF;
  return -1;
}

long ReadMemory(const char* argument) {
  char byte;
  iovec local = {&byte, 1};
  // Any address: EFAULT says that it was allowed.
  iovec remote = {nullptr, 1};
  const long result = process_vm_readv(Pid(argument), &local, 1, &remote, 1, 0);
  return result < 0 && errno == EFAULT ? 0 : result;
}

long WriteMemory(const char* argument) {
  char byte = 0;
  iovec local = {&byte, 1};
  iovec remote = {nullptr, 1};
  const long result = process_vm_writev(Pid(argument), &local, 1, &remote, 1, 0);
  return result < 0 && errno == EFAULT ? 0 : result;
}

long TakeDescriptor(const char* argument) {
  const long pidfd = Syscall(SYS_pidfd_open, Pid(argument));
  return pidfd < 0 ? -1 : Syscall(SYS_pidfd_getfd, pidfd, 1);
}

// SIGURG is ignored by whoever has no handler: the attempt does no harm where it succeeds.
long SignalByPidfd(const char* argument, int signal) {
  const long pidfd = Syscall(SYS_pidfd_open, Pid(argument));
  return pidfd < 0 ? -1 : Syscall(SYS_pidfd_send_signal, pidfd, signal);
}

long Trace(const char* argument) { return Syscall(SYS_ptrace, PTRACE_SEIZE, Pid(argument)); }

long Socket(int family, int type = SOCK_STREAM) { return Syscall(SYS_socket, family, type); }

// What the fence has bounded and nobody else.
long RaiseLimit(const char*) {
  const rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  return Syscall(SYS_prlimit64, 0, RLIMIT_DATA, Pointer(&limit));
}

long LimitOther(const char* argument) {
  rlimit limit;
  if (prlimit(Pid(argument), RLIMIT_CORE, nullptr, &limit) != 0) return -1;
  return Syscall(SYS_prlimit64, Pid(argument), RLIMIT_CORE, Pointer(&limit));
}

long ForkProcess(const char*) {
  const long child = Syscall(SYS_clone, SIGCHLD);
  if (child == 0) _exit(0);
  if (child > 0) waitpid(static_cast<pid_t>(child), nullptr, __WALL);
  return child;
}

long Map(int protection, int flags) {
  return Pointer(mmap(nullptr, 4096, protection, flags | MAP_ANONYMOUS, -1, 0));
}

long MakeExecutable(const char*) {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

long Perf(const char*) {
  perf_event_attr attributes = {};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  attributes.exclude_kernel = 1;
  return Syscall(SYS_perf_event_open, Pointer(&attributes), 0, -1, -1);
}

long WriteOwn(const char* path) {
  const int fd = OwnDescriptor(path);
  return fd < 0 ? -1 : write(fd, "forged\n", 7);
}

long TruncateOwn(const char* path) {
  const int fd = OwnDescriptor(path);
  return fd < 0 ? -1 : ftruncate(fd, 0);
}

long DropAppend(const char* path) {
  const int fd = OwnDescriptor(path);
  return fd < 0 ? -1 : fcntl(fd, F_SETFL, 0);
}

long ReopenOwn(const char* path) {
  const int fd = OwnDescriptor(path);
  return fd < 0 ? -1 : Open(FdPath(fd).c_str(), O_WRONLY);
}

// A lie to the supervisor, over the one socket that a broker has.
long ForgeBytes(const void* bytes, size_t size) {
  for (int fd = 3; fd < 256; ++fd) {
    SysResult<struct stat> info = Fstat(fd);
    if (info.ok() && S_ISSOCK(info->st_mode)) return send(fd, bytes, size, MSG_NOSIGNAL);
  }
  errno = EBADF;
  return -1;
}

long Forge(const BrokerEvent& event) { return ForgeBytes(&event, sizeof(event)); }

long ForgeCommand(const char* pid) {
  BrokerEvent event = {};
  event.kind = BrokerEvent::Kind::kStarted;
  event.pid = Pid(pid);
  return Forge(event);
}

long ForgeFailure(const char*) {
  BrokerEvent event = {};
  event.kind = BrokerEvent::Kind::kStartFailed;
  event.exit_code = kOwnFailure;
  strcpy(event.message, "forged \x1b]0;title\x07\n\x7f");
  return Forge(event);
}

// Answers to changes of mounts that nobody has asked for, or not yet; another view; kinds that
// there are not.
long ForgeMounts(const char* answer) {
  for (uint32_t number = 0; number < 64; ++number) {
    BrokerEvent event = {};
    event.kind = BrokerEvent::Kind::kMountsChanged;
    event.request = number;
    event.exit_code = atoi(answer);
    if (Forge(event) < 0) return -1;
    event.kind = number % 2 == 0 ? BrokerEvent::Kind::kView : static_cast<BrokerEvent::Kind>(1000);
    if (Forge(event) < 0) return -1;
  }
  return 0;
}

long ForgeMany(const char* count) {
  BrokerEvent event = {};
  event.kind = BrokerEvent::Kind::kContinued;
  for (int i = atoi(count); i > 0; --i) {
    if (Forge(event) < 0) return -1;
  }
  return 0;
}

// A message of that many bytes more than one has, or less.
long ForgeSize(const char* difference) {
  static char bytes[sizeof(BrokerEvent) + 4096];
  return ForgeBytes(bytes, sizeof(BrokerEvent) + static_cast<size_t>(atol(difference)));
}

int kept[64];
int number_kept = 0;

// Every directory that the broker holds, for later.
long KeepDirectories(const char*) {
  for (int fd = 3; fd < 256 && number_kept < 64; ++fd) {
    SysResult<struct stat> info = Fstat(fd);
    if (!info.ok() || !S_ISDIR(info->st_mode)) continue;
    kept[number_kept] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (kept[number_kept] >= 0) ++number_kept;
  }
  return number_kept;
}

// Through each that was kept, until one can; else EACCES if that was an answer.
template <typename Act>
long InKept(Act act) {
  int error = ENOENT;
  for (int i = 0; i < number_kept; ++i) {
    if (act(kept[i]) >= 0) return 0;
    if (errno != ENOENT && error != EACCES) error = errno;
  }
  errno = error;
  return -1;
}

long WriteInKept(const char* name) {
  return InKept([name](int directory) { return openat(directory, name, O_WRONLY | O_CLOEXEC); });
}

long MakeInKept(const char* name) {
  return InKept([name](int directory) { return mkdirat(directory, name, 0755); });
}

const std::map<std::string, Attack>& Attacks() {
  static const auto* const attacks = new std::map<std::string, Attack>{
      // Files.
      {"read", [](const char* path) { return Open(path, O_RDONLY); }},
      {"write", [](const char* path) { return Open(path, O_WRONLY); }},
      {"create", [](const char* path) { return Open(path, O_WRONLY | O_CREAT | O_EXCL); }},
      {"truncate", [](const char* path) -> long { return truncate(path, 1); }},
      {"unlink", [](const char* path) -> long { return unlinkat(AT_FDCWD, path, 0); }},
      {"rmdir", [](const char* path) -> long { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }},
      {"mkdir", [](const char* path) -> long { return mkdirat(AT_FDCWD, path, 0755); }},
      {"symlink", [](const char* path) -> long { return symlinkat("x", AT_FDCWD, path); }},
      {"mkfifo",
       [](const char* path) {
         return Syscall(SYS_mknodat, AT_FDCWD, Pointer(path), S_IFIFO | 0644);
       }},
      {"mkdevice",
       [](const char* path) {
         return Syscall(SYS_mknodat, AT_FDCWD, Pointer(path), S_IFCHR | 0644, 0x103);
       }},
      {"rename",
       [](const char* path) {
         return Syscall(SYS_renameat2, AT_FDCWD, Pointer(path), AT_FDCWD,
                        Pointer((std::string(path) + ".moved").c_str()));
       }},
      {"link",
       [](const char* path) -> long {
         return linkat(AT_FDCWD, path, AT_FDCWD, (std::string(path) + ".link").c_str(),
                       AT_SYMLINK_FOLLOW);
       }},
      {"chmod", [](const char* path) -> long { return chmod(path, 0600); }},
      {"chown",
       [](const char* path) -> long {
         return fchownat(AT_FDCWD, path, getuid(), getgid(), AT_EMPTY_PATH);
       }},
      {"utimens",
       [](const char* path) {
         return Syscall(SYS_utimensat, AT_FDCWD, Pointer(path), 0, AT_EMPTY_PATH);
       }},
      {"setxattr",
       [](const char* path) -> long { return setxattr(path, "user.marker", "x", 1, 0); }},
      {"removexattr", [](const char* path) -> long { return removexattr(path, "user.present"); }},
      {"stat",
       [](const char* path) -> long {
         struct stat info;
         return fstatat(AT_FDCWD, path, &info, 0);
       }},
      {"open-path", [](const char* path) { return Open(path, O_PATH); }},
      {"write-own", WriteOwn},
      {"truncate-own", TruncateOwn},
      {"drop-append", DropAppend},
      {"reopen-own", ReopenOwn},
      {"forge-command", ForgeCommand},
      {"forge-failure", ForgeFailure},
      {"forge-mounts", ForgeMounts},
      {"forge-many", ForgeMany},
      {"forge-size", ForgeSize},
      {"keep-directories", KeepDirectories},
      {"write-in-kept", WriteInKept},
      {"make-in-kept", MakeInKept},
      // Other processes.
      {"read-memory", ReadMemory},
      {"write-memory", WriteMemory},
      {"take-descriptor", TakeDescriptor},
      {"trace", Trace},
      {"probe", [](const char* pid) -> long { return kill(Pid(pid), 0); }},
      {"kill", [](const char* pid) -> long { return kill(Pid(pid), SIGURG); }},
      {"tkill", [](const char* pid) { return Syscall(SYS_tkill, Pid(pid), SIGURG); }},
      {"stop", [](const char* pid) { return SignalByPidfd(pid, SIGSTOP); }},
      {"end", [](const char* pid) { return SignalByPidfd(pid, SIGKILL); }},
      {"limit-other", LimitOther},
      {"renice",
       [](const char* pid) -> long {
         return setpriority(PRIO_PROCESS, static_cast<id_t>(Pid(pid)), 19);
       }},
      {"renice-group",
       [](const char* group) -> long {
         return setpriority(PRIO_PGRP, static_cast<id_t>(atoi(group)), 5);
       }},
      {"io-priority",
       [](const char* pid) { return Syscall(SYS_ioprio_set, kIoprioWhoProcess, Pid(pid), 0); }},
      {"set-affinity",
       [](const char* pid) -> long {
         cpu_set_t set;
         sched_getaffinity(0, sizeof(set), &set);
         return sched_setaffinity(Pid(pid), sizeof(set), &set);
       }},
      {"setns",
       [](const char* pid) {
         const long pidfd = Syscall(SYS_pidfd_open, Pid(pid));
         return Syscall(SYS_setns, pidfd, CLONE_NEWUTS);
       }},
      // Executing.
      {"execve",
       [](const char*) {
         const char* argv[] = {"/bin/true", nullptr};
         return Syscall(SYS_execve, Pointer(argv[0]), Pointer(argv), 0);
       }},
      {"memfd", [](const char*) { return Syscall(SYS_memfd_create, Pointer("x"), 0); }},
      {"fork", ForkProcess},
      {"map-executable", [](const char*) { return Map(PROT_READ | PROT_EXEC, MAP_PRIVATE); }},
      {"make-executable", MakeExecutable},
      {"map-shared", [](const char*) { return Map(PROT_READ | PROT_WRITE, MAP_SHARED); }},
      // Out over sockets.
      {"unix-socket", [](const char*) { return Socket(AF_UNIX); }},
      {"tcp-socket", [](const char*) { return Socket(AF_INET); }},
      {"netlink-socket", [](const char*) { return Socket(AF_NETLINK, SOCK_DGRAM); }},
      {"sendmsg",
       [](const char*) {
         msghdr message = {};
         return Syscall(SYS_sendmsg, -1, Pointer(&message));
       }},
      // The kernel's surface, and its own confinement.
      {"mount",
       [](const char*) {
         return Syscall(SYS_mount, Pointer("none"), Pointer("/mnt"), Pointer("tmpfs"), 0, 0);
       }},
      {"chroot", [](const char*) -> long { return chroot("/"); }},
      {"unshare", [](const char*) -> long { return unshare(CLONE_NEWUSER); }},
      {"setuid", [](const char*) { return Syscall(SYS_setuid, getuid()); }},
      {"io_uring",
       [](const char*) {
         static char params[256];
         return Syscall(SYS_io_uring_setup, 1, Pointer(params));
       }},
      {"bpf",
       [](const char*) {
         bpf_attr attributes = {};
         attributes.map_type = BPF_MAP_TYPE_ARRAY;
         attributes.key_size = attributes.value_size = 4;
         attributes.max_entries = 1;
         return Syscall(SYS_bpf, BPF_MAP_CREATE, Pointer(&attributes), sizeof(attributes));
       }},
      {"keyctl", [](const char*) { return Syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 1); }},
      {"userfaultfd",
       [](const char*) { return Syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY); }},
      {"perf", Perf},
      {"raise-limit", RaiseLimit},
      {"dumpable", [](const char*) -> long { return prctl(PR_SET_DUMPABLE, 1); }},
      {"signal-handler", [](const char*) { return Syscall(SYS_rt_sigaction, SIGSYS, 0, 0, 8); }},
      {"terminal-input",
       [](const char*) {
         const long result = Syscall(SYS_ioctl, 0, 0x5412, Pointer("x"));
         return result < 0 && errno == ENOTTY ? 0 : result;
       }},
  };
  return *attacks;
}

int Try(const std::string& text) {
  const size_t colon = text.find(':');
  const auto attack = Attacks().find(text.substr(0, colon));
  if (attack == Attacks().end()) return EDOM;
  const std::string argument = colon == std::string::npos ? "" : text.substr(colon + 1);
  return attack->second(argument.c_str()) < 0 ? errno : 0;
}

// Without a fence, so that the next one starts afresh. Its answer comes by a pipe: the broker's
// first thread reaps whatever ends.
int TryInAChild(const std::string& text) {
  int answer[2];
  if (pipe2(answer, O_CLOEXEC) != 0) return errno;
  const OwnedFd reader(answer[0]);
  OwnedFd writer(answer[1]);
  const pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) {
    const int error = Try(text);
    _exit(write(writer.get(), &error, sizeof(error)) == sizeof(error) ? 0 : 1);
  }
  writer.Reset();
  int error = 0;
  const ssize_t size = read(reader.get(), &error, sizeof(error));
  if (size == sizeof(error)) return error;
  // What it has become has closed the pipe.
  return size == 0 && text.starts_with("execve") ? 0 : EIO;
}

}  // namespace

Reply HandleTruncate(CallContext&, const SyscallRequest& request) {
  constexpr std::string_view kPrefix = "attack:";
  const std::string& path = request.paths[0].path;
  if (!path.starts_with(kPrefix)) return Reply::Error(ENOSYS);
  const std::string text = path.substr(kPrefix.size());
  supervisor = getppid();
  const int error = kWalls.broker_fence ? Try(text) : TryInAChild(text);
  return error == 0 ? Reply::Value(0) : Reply::Error(error);
}

}  // namespace sessionctl
