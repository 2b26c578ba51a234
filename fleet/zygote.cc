#include "fleet/zygote.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstring>
#include <utility>

#include "fleet/message_socket.h"
#include "fleet/zygote_process.h"
#include "supervisor/process_identity.h"

namespace sessionctl {
namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kHealthyAfter(5);  // one that lived so long died of something else
constexpr std::chrono::milliseconds kRetry(500);

// After fork, in the child. Async-signal-safe.
[[noreturn]] void ExecZygote(int socket, const rlimit& descriptors) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGCHLD}) {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  setrlimit(RLIMIT_NOFILE, &descriptors);
  if (dup2(socket, kZygoteSocket) < 0) _exit(125);
  if (socket == kZygoteSocket) fcntl(socket, F_SETFD, 0);
  char name[] = "sessionctl";
  char verb[] = "zygote";
  std::array<char*, 3> argv = {name, verb, nullptr};
  execv("/proc/self/exe", argv.data());
  _exit(125);
}

}  // namespace

struct Zygote::State : std::enable_shared_from_this<Zygote::State> {
  State(asio::io_context& io_context, rlimit limits,
        std::function<void(const std::string&, const std::string&)> on_change)
      : io(io_context), descriptors(limits), changed(std::move(on_change)), retry(io_context) {}

  absl::Status Start();
  void WatchEnd();
  void HandleEnd();

  asio::io_context& io;
  rlimit descriptors;
  std::function<void(const std::string&, const std::string&)> changed;
  asio::steady_timer retry;
  std::unique_ptr<asio::posix::stream_descriptor> socket;
  pid_t pid = -1;
  int generation = 0;
  Clock::time_point started;
};

absl::Status Zygote::State::Start() {
  SysResult<std::pair<OwnedFd, OwnedFd>> ends = MakeMessageSockets();
  if (!ends.ok()) return absl::UnavailableError("zygote: no socket");
  // As an ordinary child of another thread's process: nothing but system calls until exec.
  const pid_t child = fork();
  if (child < 0) return absl::UnavailableError("zygote: fork: " + std::string(strerror(errno)));
  if (child == 0) ExecZygote(ends->second.get(), descriptors);
  Error error;
  auto stream = std::make_unique<asio::posix::stream_descriptor>(io);
  stream->assign(ends->first.get(), error);
  if (error) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return absl::UnavailableError("zygote: " + error.message());
  }
  ends->first.Release();
  stream->native_non_blocking(true, error);
  socket = std::move(stream);
  pid = child;
  ++generation;
  started = Clock::now();
  WatchEnd();
  changed("zygote.started", "process " + std::to_string(pid));
  return absl::OkStatus();
}

// It never sends anything: readable means that it has gone.
void Zygote::State::WatchEnd() {
  socket->async_wait(asio::posix::stream_descriptor::wait_read,
                     [weak = weak_from_this()](const Error& error) {
                       const auto self = weak.lock();
                       if (self != nullptr && !error) self->HandleEnd();
                     });
}

void Zygote::State::HandleEnd() {
  socket.reset();
  kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  const std::string how = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                              : "exit code " + std::to_string(WEXITSTATUS(status));
  changed("zygote.lost", "process " + std::to_string(pid) + ": " + how);
  pid = -1;
  if (Clock::now() - started > kHealthyAfter || generation <= 3) {
    if (Start().ok()) return;
  }
  retry.expires_after(kRetry);
  retry.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (self != nullptr && !error && self->socket == nullptr) self->Start().IgnoreError();
  });
}

Zygote::Zygote(asio::io_context& io, rlimit descriptors,
               std::function<void(const std::string&, const std::string&)> changed)
    : state_(std::make_shared<State>(io, descriptors, std::move(changed))) {
  state_->Start().IgnoreError();  // Request says so
}

Zygote::~Zygote() = default;

absl::StatusOr<OwnedFd> Zygote::Request(const std::string& id, const std::string& spec) {
  if (state_->socket == nullptr) {
    if (absl::Status started = state_->Start(); !started.ok()) return started;
  }
  SysResult<OwnedFd> file = MakeMemoryFile(spec);
  if (!file.ok())
    return absl::UnavailableError("memory file: " + std::string(strerror(file.error())));
  std::array<int, 2> pipe;
  if (pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return absl::UnavailableError("pipe: " + std::string(strerror(errno)));
  }
  OwnedFd read_end(pipe[0]);
  OwnedFd write_end(pipe[1]);
  SysStatus sent =
      SendSocketMessage(state_->socket->native_handle(), id, {file->get(), write_end.get()});
  if (!sent.ok()) return absl::UnavailableError("zygote: " + std::string(strerror(sent.error())));
  return read_end;
}

int Zygote::generation() const { return state_->generation; }
pid_t Zygote::pid() const { return state_->pid; }

}  // namespace sessionctl
