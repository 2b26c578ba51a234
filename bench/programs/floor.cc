// The floor beneath all mediation: the smallest loop that opens files for another process by
// seccomp user notification. It checks nothing, so nothing that checks can be faster; not to be
// used for anything else.
//
//   floor [--spread] -- COMMAND [ARGS…]
//
// `openat` is carried out: RECV, process_vm_readv, openat2, ADDFD with SEND. Calls that only return
// a number are read and carried out likewise, beneath the working directory. Loop and command stand
// on one processor, with --spread on whichever the kernel chooses. SYS_getpgid of 0x5e55 is
// answered at once: the round trip alone.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "sandbox/base/fd_channel.h"

namespace {

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif

constexpr uint32_t kNobody = 0x5e55;

void StandOnOneProcessor() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(sched_getcpu()), &set);
  sched_setaffinity(0, sizeof(set), &set);
}

int InstallFilter() {
  const sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 7, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unlinkat, 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchmodat, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kNobody, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = std::size(code), .filter = const_cast<sock_filter*>(code)};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return static_cast<int>(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
              SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program));
}

class Floor {
 public:
  Floor(int listener, pid_t child) : listener_(listener), child_(child) {}

  void Serve() {
    for (;;) {
      memset(&call_, 0, sizeof(call_));
      if (ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &call_) != 0) {
        if (waitpid(child_, &status_, WNOHANG) == child_) return;
        continue;
      }
      Answer();
    }
  }
  int exit_code() const {
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }

 private:
  bool ReadPath(int argument, char* path) const {
    const uint64_t address = call_.data.args[argument];
    const size_t size =
        4096 - address % 4096;  // to the end of the page; far enough for what is measured
    iovec local = {path, size};
    iovec remote = {reinterpret_cast<void*>(address), size};
    return process_vm_readv(static_cast<pid_t>(call_.pid), &local, 1, &remote, 1, 0) > 0;
  }

  // Whoever is measured uses its working directory, which is ours too, or absolute paths; its own
  // descriptors are not ours.
  int Directory(int argument, const char* path) {
    const int fd = static_cast<int>(call_.data.args[argument]);
    if (path[0] == '/' || fd == AT_FDCWD) return OwnWorkingDirectory(path);
    return -1;
  }
  int OwnWorkingDirectory(const char* path) {
    if (path[0] == '/') return AT_FDCWD;
    if (cwd_ < 0) {
      char name[64];
      snprintf(name, sizeof(name), "/proc/%u/cwd", call_.pid);
      cwd_ = open(name, O_PATH | O_CLOEXEC);
    }
    return cwd_;
  }

  void Answer() {
    switch (call_.data.nr) {
      case SYS_getpgid: return Send(0, 0);
      case SYS_openat: return Open();
      default: return Change();
    }
  }

  void Open() {
    char path[4096];
    if (!ReadPath(1, path)) return Send(0, EFAULT);
    open_how how = {};
    how.flags = static_cast<uint32_t>(call_.data.args[2]) | O_CLOEXEC;
    if ((how.flags & O_CREAT) != 0) how.mode = call_.data.args[3] & 07777;
    const int directory = Directory(0, path);
    if (directory == -1) return Continue();
    how.resolve = path[0] == '/' ? 0 : RESOLVE_BENEATH;
    const int fd = static_cast<int>(syscall(SYS_openat2, directory, path, &how, sizeof(how)));
    if (fd < 0) return Send(0, errno);
    seccomp_notif_addfd addfd = {};
    addfd.id = call_.id;
    addfd.flags = SECCOMP_ADDFD_FLAG_SEND;
    addfd.srcfd = static_cast<uint32_t>(fd);
    addfd.newfd_flags = call_.data.args[2] & O_CLOEXEC;
    ioctl(listener_, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
    close(fd);
  }

  void Change() {
    char path[4096], second[4096];
    if (!ReadPath(1, path)) return Send(0, EFAULT);
    const int directory = Directory(0, path);
    if (directory == -1) return Continue();
    long result = -1;
    switch (call_.data.nr) {
      case SYS_unlinkat:
        result = unlinkat(directory, path, static_cast<int>(call_.data.args[2]));
        break;
      case SYS_mkdirat:
        result = mkdirat(directory, path, static_cast<mode_t>(call_.data.args[2]));
        break;
      case SYS_fchmodat:
        result = fchmodat(directory, path, static_cast<mode_t>(call_.data.args[2]), 0);
        break;
      case SYS_renameat:
        if (!ReadPath(3, second)) return Send(0, EFAULT);
        result = renameat(directory, path, Directory(2, second), second);
        break;
    }
    Send(result, result < 0 ? errno : 0);
  }

  void Continue() {
    seccomp_notif_resp reply = {};
    reply.id = call_.id;
    reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &reply);
  }

  void Send(int64_t value, int error) {
    seccomp_notif_resp reply = {};
    reply.id = call_.id;
    reply.val = error == 0 ? value : 0;
    reply.error = -error;
    ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &reply);
  }

  const int listener_;
  const pid_t child_;
  int cwd_ = -1;
  int status_ = 0;
  seccomp_notif call_ = {};
};

}  // namespace

int main(int argc, char** argv) {
  const bool spread = argc > 1 && strcmp(argv[1], "--spread") == 0;
  char** command = argv + (spread ? 3 : 2);
  if (argc < (spread ? 4 : 3) || strcmp(command[-1], "--") != 0) {
    fprintf(stderr, "usage: floor [--spread] -- COMMAND [ARGS...]\n");
    return 2;
  }
  if (!spread) StandOnOneProcessor();
  int channel[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) return 125;
  const pid_t child = fork();
  if (child == 0) {
    const int listener = InstallFilter();
    if (listener < 0 || !sessionctl::SendDescriptor(channel[1], listener).ok()) _exit(125);
    close(listener);
    close(channel[0]);
    close(channel[1]);
    execvp(command[0], command);
    _exit(127);
  }
  close(channel[1]);
  sessionctl::SysResult<sessionctl::OwnedFd> listener = sessionctl::ReceiveDescriptor(channel[0]);
  if (!listener.ok()) return 125;
  signal(SIGCHLD, [](int) {});  // interrupts RECV on kernels where nothing else does
  umask(0);                     // the command's modes are what they are; its umask is not looked at
  Floor floor(listener->get(), child);
  floor.Serve();
  return floor.exit_code();
}
