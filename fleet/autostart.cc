// ConnectOrStart (control_client.h): the supervisor starts by itself.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <thread>

#include "fleet/control_client.h"
#include "fleet/control_socket.h"
#include "fleet/serve.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr int kReadyFd = 3;
constexpr int kConnectTries = 20;
constexpr off_t kMaxLog = off_t{4} << 20;
constexpr std::chrono::milliseconds kConnectAgain(50);

// The log of a supervisor that was started by itself. Begun anew when it has become large.
OwnedFd OpenLog(int directory) {
  for (int i = 0; i < 2; ++i) {
    SysResult<OwnedFd> log = OpenAt(directory, kServeLogFile,
                                    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (!log.ok()) break;
    SysResult<struct stat> st = Fstat(log->get());
    if (!st.ok() || !S_ISREG(st->st_mode)) break;
    if (st->st_size < kMaxLog) return std::move(*log);
    renameat(directory, kServeLogFile, directory, "sessiond.log.1");
  }
  return OwnedFd(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

// In the child of a single-threaded process: becomes `sessionctl serve`, of nobody's terminal.
[[noreturn]] void BecomeSupervisor(int log, int ready, const std::string& idle) {
  setsid();
  const pid_t child = fork();  // the supervisor is nobody's child that would be waited for
  if (child != 0) _exit(child < 0 ? 125 : 0);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  const int ready_copy = fcntl(ready, F_DUPFD_CLOEXEC, 10);
  const int log_copy = fcntl(log, F_DUPFD_CLOEXEC, 10);
  dup2(null, 0);
  dup2(null, 1);
  dup2(log_copy, 2);
  dup2(ready_copy, kReadyFd);
  syscall(SYS_close_range, kReadyFd + 1, UINT_MAX, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  execl("/proc/self/exe", "sessionctl", "serve", "--ready-fd", "3", "--idle-exit", idle.c_str(),
        nullptr);
  _exit(125);
}

absl::Status StartSupervisor(const SessionStore& store) {
  const char* chosen = getenv("SESSIONCTL_IDLE_EXIT");
  const std::string idle = chosen == nullptr ? "30" : chosen;
  std::array<int, 2> pipe;
  if (pipe2(pipe.data(), O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2");
  OwnedFd read_end(pipe[0]);
  OwnedFd write_end(pipe[1]);
  const OwnedFd log = OpenLog(store.fd());
  const pid_t child = fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child == 0) BecomeSupervisor(log.get(), write_end.get(), idle);
  write_end.Reset();
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  std::string answer(4096, '\0');
  ssize_t size;
  while ((size = read(read_end.get(), answer.data(), answer.size())) < 0 && errno == EINTR) {
  }
  answer.resize(size > 0 ? static_cast<size_t>(size) : 0);
  if (answer == "ready") return absl::OkStatus();
  return absl::InternalError(answer.empty() ? "the supervisor did not start: see " + store.path() +
                                                  "/" + kServeLogFile
                                            : "the supervisor did not start: " + answer);
}

}  // namespace

absl::StatusOr<OwnedFd> ConnectOrStart(const SessionStore& store) {
  for (int i = 0; i < kConnectTries; ++i) {
    absl::StatusOr<OwnedFd> connection = ConnectControlSocket(store.fd());
    if (connection.ok() || absl::IsPermissionDenied(connection.status())) return connection;
    if (absl::Status started = StartSupervisor(store); !started.ok()) return started;
    connection = ConnectControlSocket(store.fd());
    if (connection.ok()) return connection;
    std::this_thread::sleep_for(kConnectAgain);
  }
  return absl::InternalError("the supervisor does not answer");
}

}  // namespace sessionctl
