#include "sandbox/launch.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <utility>

#include "sandbox/base/fd_channel.h"
#include "sandbox/base/raw_log.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/privileges.h"
#include "sandbox/seccomp_filter.h"

namespace sessionctl {
namespace {

constexpr int kNrCloseRange = 436;
constexpr int kLastSignal = 64;
constexpr unsigned long kTimerSlackNanoseconds = 50000;  // the kernel's own for new processes

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

void ResetSignals(const sigset_t& mask) {
  for (int signal = 1; signal <= kLastSignal; ++signal) {
    struct sigaction action;
    if (sigaction(signal, nullptr, &action) != 0) continue;
    if (action.sa_handler == SIG_IGN || action.sa_handler == SIG_DFL) continue;
    action = {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  sigprocmask(SIG_SETMASK, &mask, nullptr);
}

const char* LaunchStageName(LaunchFailure::Stage stage) {
  switch (stage) {
    case LaunchFailure::Stage::kNone: return "none";
    case LaunchFailure::Stage::kDescriptors: return "arranging descriptors";
    case LaunchFailure::Stage::kAttributes: return "setting the process's attributes";
    case LaunchFailure::Stage::kWorkingDirectory: return "entering the working directory";
    case LaunchFailure::Stage::kCgroup: return "entering the session's cgroup";
    case LaunchFailure::Stage::kLimits: return "setting the limits";
    case LaunchFailure::Stage::kLandlock: return "entering the Landlock domain";
    case LaunchFailure::Stage::kFilter: return "installing the seccomp filter";
    case LaunchFailure::Stage::kBroker: return "handing the listener to the broker";
    case LaunchFailure::Stage::kTerminal: return "taking the terminal";
    case LaunchFailure::Stage::kInit: return "starting the session's init";
    case LaunchFailure::Stage::kExec: return "executing the command";
  }
  return "unknown";
}

void CloseAllBut(const std::vector<int>& keep) {
  unsigned next = 3;
  for (int fd : keep) {
    if (fd < static_cast<int>(next)) continue;
    if (fd > static_cast<int>(next)) syscall(kNrCloseRange, next, fd - 1, 0);
    next = static_cast<unsigned>(fd) + 1;
  }
  syscall(kNrCloseRange, next, ~0U, 0);
}

LaunchPlan::LaunchPlan(std::vector<std::string> program_paths, std::vector<std::string> argv,
                       std::vector<std::string> environment)
    : program_paths_(std::move(program_paths)),
      argv_(std::move(argv)),
      environment_(std::move(environment)),
      program_path_pointers_(Pointers(program_paths_)),
      argv_pointers_(Pointers(argv_)),
      environment_pointers_(Pointers(environment_)) {
  // {"/bin/sh", PATH, argv[1], …}: the second is filled in when it is known.
  shell_argv_pointers_ = argv_pointers_;
  shell_argv_pointers_.insert(shell_argv_pointers_.begin(), const_cast<char*>("/bin/sh"));
}

void LaunchPlan::Fail(LaunchFailure::Stage stage, int error) const {
  LaunchFailure failure = {stage, error};
  if (write(status, &failure, sizeof(failure)) < 0) RawLog(LaunchStageName(stage), error);
  _exit(125);
}

// Puts the three standard descriptors in place and makes the kept ones inheritable. The two that
// lead to the broker stay close-on-exec wherever they are.
bool LaunchPlan::ArrangeDescriptors() const {
  int held[3];
  for (int i = 0; i < 3; ++i) {
    held[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
    if (held[i] < 0) return false;
  }
  for (int i = 0; i < 3; ++i) {
    if (dup2(held[i], i) < 0) return false;
  }
  for (int fd : keep_fds) {
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) < 0) return false;
  }
  return true;
}

// What a process inherits and nobody would think of, set on purpose (docs/policy.md).
bool LaunchPlan::SetAttributes() const {
  if (keep_only && !KeepOnly(*keep_only).ok()) return false;
  if (umask) ::umask(*umask);
  // Raising is everybody's right.
  if (nice != 0 && setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + nice) != 0) {
    return false;
  }
  if (prctl(PR_SET_TIMERSLACK, kTimerSlackNanoseconds) != 0) return false;
  if (personality(PER_LINUX) < 0) return false;
  if (!needs_own_keyring) return true;
  return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr, 0, 0, 0) >= 0;
}

void LaunchPlan::RunChild() const {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (own_terminal_session) setsid();
  ResetSignals(signal_mask);
  if (!ArrangeDescriptors()) Fail(LaunchFailure::Stage::kDescriptors, errno);
  if (controlling_terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) {
    Fail(LaunchFailure::Stage::kTerminal, errno);
  }
  if (!SetAttributes()) Fail(LaunchFailure::Stage::kAttributes, errno);
  if (chdir(working_directory.c_str()) != 0) Fail(LaunchFailure::Stage::kWorkingDirectory, errno);
  if (cgroup_procs >= 0 && write(cgroup_procs, "0", 1) != 1) {
    Fail(LaunchFailure::Stage::kCgroup, errno);
  }
  if (ruleset != nullptr) {
    SysStatus restricted = ruleset->RestrictSelf();
    if (!restricted.ok()) Fail(LaunchFailure::Stage::kLandlock, restricted.error());
  }
  SysResult<OwnedFd> listener = InstallFilterWithListener(*filter);
  if (!listener.ok()) Fail(LaunchFailure::Stage::kFilter, listener.error());
  const int number = listener->get();
  SysStatus sent =
      lend_listener ? WriteAll(channel, &number, sizeof(number)) : SendDescriptor(channel, number);
  if (!sent.ok()) Fail(LaunchFailure::Stage::kBroker, sent.error());
  if (!lend_listener) listener->Reset();
  char go;
  ssize_t received;
  do {
    received = read(channel, &go, 1);
  } while (received < 0 && errno == EINTR);
  if (received != 1) Fail(LaunchFailure::Stage::kBroker, EPIPE);
  listener->Reset();
  if (run_init != nullptr && !StartInit()) Fail(LaunchFailure::Stage::kInit, errno);
  // Last, so that only the command has to live with them.
  if (SysStatus limited = ApplyResourceLimits(limits); !limited.ok()) {
    Fail(LaunchFailure::Stage::kLimits, limited.error());
  }
  Execute();
}

// Nothing of the command's is init's: no descriptor, no process group, no terminal.
void LaunchPlan::BecomeInit() const {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "session-init");
  ForgetWords(memory);
  for (int fd = 0; fd <= 2; ++fd) dup2(null, fd);
  if (init_channel > 3) syscall(kNrCloseRange, 3, init_channel - 1, 0);
  syscall(kNrCloseRange, init_channel + 1, ~0U, 0);
  run_init(*this);
  _exit(0);
}

// CLONE_PARENT: a child of the broker's, which the command can neither wait for nor be told of. The
// command is not executed before init has left its process group.
bool LaunchPlan::StartInit() const {
  int left[2];
  if (pipe2(left, O_CLOEXEC) != 0) return false;
  const auto pid =
      static_cast<pid_t>(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (pid == 0) BecomeInit();
  const int error = errno;
  close(left[1]);
  char byte;
  while (pid > 0 && read(left[0], &byte, 1) < 0 && errno == EINTR) {
  }
  close(left[0]);
  errno = error;
  return pid > 0 && WriteAll(channel, &pid, sizeof(pid)).ok();
}

int ExecuteFirst(char* const* paths, char* const* argv, char** shell_argv,
                 char* const* environment) {
  int error = ENOENT;
  for (; *paths != nullptr; ++paths) {
    execve(*paths, argv, environment);
    if (errno == ENOEXEC) {
      shell_argv[1] = *paths;
      execve(shell_argv[0], shell_argv, environment);
      return ENOEXEC;
    }
    if (errno == EACCES || errno == EPERM) {
      error = errno;
    } else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV) {
      return errno;
    }
  }
  return error;
}

// Whatever else is open must not get in: only what was kept on purpose survives.
void LaunchPlan::Execute() const {
  Fail(LaunchFailure::Stage::kExec,
       ExecuteFirst(program_path_pointers_.data(), argv_pointers_.data(),
                    const_cast<char**>(shell_argv_pointers_.data()), environment_pointers_.data()));
}

}  // namespace sessionctl
