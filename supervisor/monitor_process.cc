#include "supervisor/monitor_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sandbox/launch.h"

namespace sessionctl {
namespace {

// The write end of the pipe through which the SIGTERM handler wakes the monitor, and whose handler
// it is: a broker that inherits the handler takes the default action.
volatile int stop_pipe = -1;
volatile pid_t stop_owner = -1;

void HandleStop(int signal) {
  const int saved = errno;
  if (getpid() == stop_owner) {
    const char byte = 's';
    if (write(stop_pipe, &byte, 1) < 0) {
      // The pipe is full: the monitor will wake anyway.
    }
  } else {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
    raise(signal);
  }
  errno = saved;
}

void HandleNothing(int) {}

void InstallHandler(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void LeaveCaller(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  CloseAllBut(keep);
  setsid();
}

void RaiseFileSizeLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_FSIZE, &limit);
}

absl::Status StopSignal::Catch() {
  std::array<int, 2> pipe;
  if (pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0) return absl::ErrnoToStatus(errno, "pipe2");
  read_.Reset(pipe[0]);
  write_.Reset(pipe[1]);
  stop_pipe = pipe[1];
  stop_owner = getpid();
  InstallHandler(SIGTERM, HandleStop);
  for (const int signal :
       {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2, SIGTSTP, SIGXFSZ}) {
    InstallHandler(signal, HandleNothing);
  }
  return absl::OkStatus();
}

}  // namespace sessionctl
