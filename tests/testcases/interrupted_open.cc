// Opens of a FIFO that wait for the other end while signals come: what open(2), signal(7) and
// pthreads(7) say of them. Runs in a directory of its own; prints one line a scenario; exit code 1
// when a scenario goes otherwise.
//
//   interrupted_open ATTEMPTS
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <csignal>
#include <functional>
#include <thread>

#include "tests/testcases/check.h"

namespace {

constexpr char kFifo[] = "fifo";
int attempts = 20;
volatile sig_atomic_t handled = 0;
int handler_pipe[2];  // one byte for each handler that ran

void CountAndTell(int) {
  handled = handled + 1;
  const int error = errno;
  if (write(handler_pipe[1], "h", 1) < 0) abort();
  errno = error;
}

void Catch(int number, int flags) {
  struct sigaction action = {};
  action.sa_handler = CountAndTell;
  action.sa_flags = flags;
  CHECK(sigaction(number, &action, nullptr) == 0);
}

// Signals come again and again, so that one finds the open waiting.
void Tick(int microseconds) {
  const itimerval every = {{0, microseconds}, {0, microseconds}};
  CHECK(setitimer(ITIMER_REAL, &every, nullptr) == 0);
}

void AwaitHandlers(int count) {
  char byte;
  for (int i = 0; i < count; ++i) {
    while (read(handler_pipe[0], &byte, 1) != 1) {
    }
  }
}

void DrainHandlerPipe() {
  char buffer[4096];
  pollfd source = {handler_pipe[0], POLLIN, 0};
  while (poll(&source, 1, 0) > 0 && read(handler_pipe[0], buffer, sizeof(buffer)) > 0) {
  }
}

// The other end, for whoever waits for it.
void OpenOtherEnd(int flags) {
  int fd;
  while ((fd = open(kFifo, flags)) < 0 && errno == EINTR) {
  }
  CHECK(fd >= 0);
  close(fd);
}

pid_t Fork(const std::function<int()>& child) {
  const pid_t pid = fork();
  if (pid == 0) _exit(child());
  return pid;
}

// The state of a thread in /proc: 'S' sleeps, 'T' is stopped.
char StateOf(pid_t pid, pid_t tid) {
  char path[64];
  char text[512] = {};
  snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
  const int fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  const ssize_t size = read(fd, text, sizeof(text) - 1);
  close(fd);
  const char* end = size > 0 ? strrchr(text, ')') : nullptr;
  return end != nullptr ? end[2] : 0;
}

void AwaitSleep(pid_t pid) {
  for (int seen = 0; seen < 5;) {
    seen = StateOf(pid, pid) == 'S' ? seen + 1 : 0;
    usleep(1000);
  }
}

void WithoutRestartIsInterrupted() {
  for (const int flags : {O_RDONLY, O_WRONLY}) {
    Catch(SIGALRM, 0);
    for (int i = 0; i < attempts; ++i) {
      Tick(2000);
      CHECK(open(kFifo, flags) == -1 && errno == EINTR);
    }
    Tick(0);
  }
  DrainHandlerPipe();
}

void RestartGoesOnUntilTheOtherEndComes() {
  for (const int flags : {O_RDONLY, O_WRONLY}) {
    Catch(SIGALRM, SA_RESTART);
    for (int i = 0; i < attempts; ++i) {
      const pid_t other = Fork([&] {
        AwaitHandlers(3);  // they run while the parent waits in open
        OpenOtherEnd(flags == O_RDONLY ? O_WRONLY : O_RDONLY);
        return 0;
      });
      Tick(2000);
      const int fd = open(kFifo, flags);
      Tick(0);
      CHECK(fd >= 0);
      close(fd);
      CHECK(ExitedWith(AwaitChild(other), 0));
      DrainHandlerPipe();
    }
  }
}

void IgnoredAndDefaultIgnoredSignalsChangeNothing() {
  for (int i = 0; i < attempts; ++i) {
    const pid_t child = Fork([] {
      signal(SIGUSR1, SIG_IGN);
      const int fd = open(kFifo, O_RDONLY);
      return fd >= 0 ? 0 : errno;
    });
    AwaitSleep(child);
    for (const int number : {SIGUSR1, SIGCHLD, SIGWINCH, SIGURG, SIGCONT}) kill(child, number);
    OpenOtherEnd(O_WRONLY);
    CHECK(ExitedWith(AwaitChild(child), 0));
  }
}

void BlockedSignalStaysPending() {
  Catch(SIGUSR1, 0);
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  for (int i = 0; i < attempts; ++i) {
    handled = 0;
    sigprocmask(SIG_BLOCK, &blocked, &before);
    const pid_t parent = getpid();
    const pid_t other = Fork([parent] {
      kill(parent, SIGUSR1);
      OpenOtherEnd(O_WRONLY);
      return 0;
    });
    const int fd = open(kFifo, O_RDONLY);
    CHECK(fd >= 0);
    close(fd);
    CHECK(ExitedWith(AwaitChild(other), 0));
    sigset_t pending;
    sigset_t now;
    sigpending(&pending);
    sigprocmask(SIG_SETMASK, nullptr, &now);
    CHECK(sigismember(&pending, SIGUSR1) == 1 && sigismember(&now, SIGUSR1) == 1 && handled == 0);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    CHECK(handled == 1);
    DrainHandlerPipe();
  }
}

void StopAndContinue() {
  for (int i = 0; i < attempts; ++i) {
    const pid_t child = Fork([] { return open(kFifo, O_RDONLY) >= 0 ? 0 : errno; });
    AwaitSleep(child);
    int status = 0;
    kill(child, SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    kill(child, SIGCONT);
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    OpenOtherEnd(O_WRONLY);
    CHECK(ExitedWith(AwaitChild(child), 0));
  }
}

// The stop is complete only when every thread has joined it, the one in open too.
void StopOfAProcessWithAThreadInOpen() {
  for (int i = 0; i < attempts; ++i) {
    const pid_t child = Fork([] {
      int result = -1;
      std::thread opener([&] { result = open(kFifo, O_RDONLY) >= 0 ? 0 : errno; });
      opener.join();
      return result;
    });
    AwaitSleep(child);
    int status = 0;
    kill(child, SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    kill(child, SIGCONT);
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    OpenOtherEnd(O_WRONLY);
    CHECK(ExitedWith(AwaitChild(child), 0));
  }
}

void KillEndsTheWait() {
  for (int i = 0; i < attempts; ++i) {
    const pid_t child = Fork([] { return open(kFifo, O_RDONLY) >= 0 ? 0 : errno; });
    AwaitSleep(child);
    kill(child, SIGKILL);
    CHECK(KilledBy(AwaitChild(child), SIGKILL));
  }
}

// The only thread that takes the process's signal is the one in open.
void SignalToTheProcessFindsTheThreadInOpen() {
  Catch(SIGUSR1, 0);
  sigset_t usr1;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  for (int i = 0; i < attempts; ++i) {
    const pid_t child = Fork([&] {
      int result = -1;
      std::thread opener([&] { result = open(kFifo, O_RDONLY) >= 0 ? 0 : errno; });
      pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
      if (write(handler_pipe[1], "b", 1) != 1) return 1;  // the leader blocks it now
      opener.join();
      return result;
    });
    AwaitHandlers(1);
    AwaitSleep(child);
    kill(child, SIGUSR1);
    // If it came before the open began, it interrupted nothing: again.
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
      usleep(2000);
      kill(child, SIGUSR1);
    }
    CHECK(ExitedWith(status, EINTR));
    DrainHandlerPipe();
  }
}

void SignalToAnotherThreadChangesNothing() {
  Catch(SIGUSR1, 0);
  for (int i = 0; i < attempts; ++i) {
    handled = 0;
    int result = -1;
    std::atomic<pid_t> tid = 0;
    std::thread opener([&] {
      tid = static_cast<pid_t>(syscall(SYS_gettid));
      result = open(kFifo, O_RDONLY);
    });
    while (tid == 0 || StateOf(getpid(), tid) != 'S') usleep(1000);
    for (int n = 0; n < 3; ++n) syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
    OpenOtherEnd(O_WRONLY);
    opener.join();
    CHECK(result >= 0 && handled == 3);
    close(result);
    DrainHandlerPipe();
  }
}

void CancelledThread() {
  for (int i = 0; i < attempts; ++i) {
    pthread_t thread;
    CHECK(pthread_create(
              &thread, nullptr,
              [](void*) -> void* {
                const int fd = open(kFifo, O_RDONLY);  // a cancellation point
                return fd >= 0 ? nullptr : &attempts;
              },
              nullptr) == 0);
    if (i % 2 == 1) usleep(3000);
    CHECK(pthread_cancel(thread) == 0);
    void* result = nullptr;
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
  }
}

void HandlerRunsOnItsOwnStack() {
  static char stack[65536];
  static std::atomic<bool> there;
  const stack_t alternate = {stack, 0, sizeof(stack)};
  CHECK(sigaltstack(&alternate, nullptr) == 0);
  struct sigaction action = {};
  action.sa_flags = SA_ONSTACK;
  action.sa_handler = [](int) {
    char here;
    char* at = &here;
    there = at >= stack && at < stack + sizeof(stack);
  };
  CHECK(sigaction(SIGALRM, &action, nullptr) == 0);
  for (int i = 0; i < attempts; ++i) {
    there = false;
    Tick(2000);
    CHECK(open(kFifo, O_RDONLY) == -1 && errno == EINTR && there);
    Tick(0);
  }
  const stack_t none = {nullptr, SS_DISABLE, 0};
  sigaltstack(&none, nullptr);
}

// A handler that itself makes files, while the open it interrupted goes on afterwards.
void HandlerOfAChildsEndMakesFiles() {
  static std::atomic<int> made;
  struct sigaction action = {};
  action.sa_flags = SA_RESTART;
  action.sa_handler = [](int) {
    const int error = errno;
    if (mkdir("by-handler", 0700) == 0 && rename("by-handler", "moved") == 0 &&
        rmdir("moved") == 0) {
      ++made;
    }
    errno = error;
  };
  CHECK(sigaction(SIGCHLD, &action, nullptr) == 0);
  for (int i = 0; i < attempts; ++i) {
    made = 0;
    const pid_t parent = getpid();
    const pid_t first = Fork([parent] {
      for (int seen = 0; seen < 3; ++seen) {
        while (StateOf(parent, parent) != 'S') usleep(1000);
      }
      return 0;
    });
    const pid_t other = Fork([] {
      while (access("enough", F_OK) != 0) usleep(1000);
      OpenOtherEnd(O_WRONLY);
      return 0;
    });
    std::thread when_made([] {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      while (made == 0) usleep(1000);
      CHECK(close(open("enough", O_CREAT | O_WRONLY, 0600)) == 0);
    });
    const int fd = open(kFifo, O_RDONLY);
    CHECK(fd >= 0);
    close(fd);
    when_made.join();
    CHECK(ExitedWith(AwaitChild(first), 0) && ExitedWith(AwaitChild(other), 0));
    CHECK(made >= 1 && unlink("enough") == 0);
  }
  signal(SIGCHLD, SIG_DFL);
}

// pselect and ppoll let a signal in only while they wait, and a mediated descriptor is as good as
// any.
void WaitingWithAMask() {
  Catch(SIGALRM, 0);
  sigset_t alarm;
  sigset_t none;
  sigemptyset(&none);
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  sigprocmask(SIG_BLOCK, &alarm, nullptr);
  const int fd = open(kFifo, O_RDWR);
  CHECK(fd >= 0);
  for (int i = 0; i < attempts; ++i) {
    handled = 0;
    Tick(2000);
    CHECK(mkdir("d", 0700) == 0 && rmdir("d") == 0 && handled == 0);
    pollfd source = {fd, POLLIN, 0};
    CHECK(ppoll(&source, 1, nullptr, &none) == -1 && errno == EINTR && handled >= 1);
    Tick(0);
    sigset_t pending;
    sigpending(&pending);
    if (sigismember(&pending, SIGALRM) == 1) {
      int number;
      sigwait(&alarm, &number);
    }
    CHECK(write(fd, "x", 1) == 1);
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(fd, &readable);
    CHECK(pselect(fd + 1, &readable, nullptr, nullptr, nullptr, &none) == 1);
    char byte;
    CHECK(read(fd, &byte, 1) == 1);
    DrainHandlerPipe();
  }
  close(fd);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) attempts = atoi(argv[1]);
  if (mkfifo(kFifo, 0600) != 0 || pipe2(handler_pipe, O_CLOEXEC) != 0) {
    perror("interrupted_open");
    return 2;
  }
  const struct {
    const char* name;
    void (*run)();
  } scenarios[] = {
      {"without SA_RESTART: EINTR", WithoutRestartIsInterrupted},
      {"with SA_RESTART: goes on", RestartGoesOnUntilTheOtherEndComes},
      {"ignored signals", IgnoredAndDefaultIgnoredSignalsChangeNothing},
      {"blocked signal", BlockedSignalStaysPending},
      {"stop and continue", StopAndContinue},
      {"stop with a thread in open", StopOfAProcessWithAThreadInOpen},
      {"kill", KillEndsTheWait},
      {"signal to the process", SignalToTheProcessFindsTheThreadInOpen},
      {"signal to another thread", SignalToAnotherThreadChangesNothing},
      {"pthread_cancel", CancelledThread},
      {"sigaltstack", HandlerRunsOnItsOwnStack},
      {"handler that makes files", HandlerOfAChildsEndMakesFiles},
      {"ppoll and pselect", WaitingWithAMask},
  };
  for (const auto& scenario : scenarios) {
    const int before = failed_checks;
    scenario.run();
    printf("%s: %d attempts, %d failed\n", scenario.name, attempts, failed_checks - before);
    fflush(stdout);
  }
  return Verdict();
}
