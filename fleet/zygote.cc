#include "fleet/zygote.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "fleet/message_socket.h"
#include "fleet/zygote_process.h"
#include "supervisor/process_identity.h"

namespace sessionctl {
namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kHealthyAfter(5);  // one that lived so long died of something else
constexpr int kAtOnce = 3;                        // so many are replaced without a wait
constexpr std::chrono::milliseconds kStartAgain(500);
constexpr std::chrono::milliseconds kReapAgain(50);
constexpr std::chrono::milliseconds kHeldUp(500);  // a timer that comes so late

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
  State(asio::io_context& io_context, rlimit limits, std::chrono::milliseconds patient,
        std::function<void(const std::string&, const std::string&)> on_change)
      : io(io_context),
        descriptors(limits),
        patience(patient),
        changed(std::move(on_change)),
        retry(io_context),
        deadline(io_context),
        reaper(io_context) {}

  absl::Status Start();
  void StartOrWait();
  void StartSoon();
  void Watch();
  bool TakeAnswers();  // false: it has gone
  void Expect();
  void HandleSilence(Clock::time_point due);
  void HandleEnd();
  void Replace(const std::string& why);
  void ReapLater();

  asio::io_context& io;
  rlimit descriptors;
  std::chrono::milliseconds patience;
  std::function<void(const std::string&, const std::string&)> changed;
  asio::steady_timer retry;
  asio::steady_timer deadline;
  asio::steady_timer reaper;
  std::unique_ptr<asio::posix::stream_descriptor> socket;
  pid_t pid = -1;
  std::string why_none;
  int generation = 0;
  int unanswered = 0;
  std::vector<pid_t> dying;
  Clock::time_point started;
};

absl::Status Zygote::State::Start() {
  SysResult<std::pair<OwnedFd, OwnedFd>> ends = MakeMessageSockets();
  if (!ends.ok()) return absl::UnavailableError("no socket");
  // As an ordinary child of another thread's process: nothing but system calls until exec.
  const pid_t child = fork();
  if (child < 0) return absl::UnavailableError("fork: " + std::string(strerror(errno)));
  if (child == 0) ExecZygote(ends->second.get(), descriptors);
  Error error;
  auto stream = std::make_unique<asio::posix::stream_descriptor>(io);
  stream->assign(ends->first.get(), error);
  if (error) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return absl::UnavailableError(error.message());
  }
  ends->first.Release();
  stream->native_non_blocking(true, error);
  socket = std::move(stream);
  pid = child;
  ++generation;
  started = Clock::now();
  Watch();
  changed("zygote.started", "process " + std::to_string(pid));
  return absl::OkStatus();
}

void Zygote::State::Watch() {
  socket->async_wait(asio::posix::stream_descriptor::wait_read,
                     [weak = weak_from_this()](const Error& error) {
                       const auto self = weak.lock();
                       if (self == nullptr || error) return;
                       if (!self->TakeAnswers()) return self->HandleEnd();
                       self->Expect();
                       self->Watch();
                     });
}

bool Zygote::State::TakeAnswers() {
  for (;;) {
    const SysResult<SocketMessage> answer =
        ReceiveSocketMessage(socket->native_handle(), sizeof(kZygoteTook));
    if (!answer.ok()) return answer.error() == EAGAIN;
    unanswered = std::max(unanswered - 1, 0);
  }
}

// It works on one request at a time, so each answer begins the time of the next one.
void Zygote::State::Expect() {
  if (unanswered == 0) {
    deadline.cancel();
    return;
  }
  const Clock::time_point due = Clock::now() + patience;
  deadline.expires_at(due);
  deadline.async_wait([weak = weak_from_this(), due](const Error& error) {
    const auto self = weak.lock();
    if (self == nullptr || error || self->socket == nullptr) return;
    if (self->deadline.expiry() == due) self->HandleSilence(due);  // else an answer has just come
  });
}

void Zygote::State::HandleSilence(Clock::time_point due) {
  // When this process was held up itself, so was the other one perhaps.
  const bool late = Clock::now() - due > kHeldUp;
  const int before = unanswered;
  if (!TakeAnswers()) return HandleEnd();
  if (late || unanswered < before) return Expect();
  kill(pid, SIGKILL);
  dying.push_back(pid);  // it may be where no signal reaches it: nobody waits for it here
  ReapLater();
  Replace("no answer for " + std::to_string(patience.count()) + " ms");
}

void Zygote::State::HandleEnd() {
  kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  Replace(WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                              : "exit code " + std::to_string(WEXITSTATUS(status)));
}

void Zygote::State::ReapLater() {
  reaper.expires_after(kReapAgain);
  reaper.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (self == nullptr || error) return;
    const auto reaped = [](pid_t each) { return waitpid(each, nullptr, WNOHANG) != 0; };
    self->dying.erase(std::remove_if(self->dying.begin(), self->dying.end(), reaped),
                      self->dying.end());
    if (!self->dying.empty()) self->ReapLater();
  });
}

void Zygote::State::Replace(const std::string& why) {
  socket.reset();
  deadline.cancel();
  unanswered = 0;
  why_none = "process " + std::to_string(pid) + ": " + why;
  changed("zygote.lost", why_none);
  pid = -1;
  const bool young = Clock::now() - started <= kHealthyAfter && generation > kAtOnce;
  if (young) return StartSoon();
  StartOrWait();
}

void Zygote::State::StartOrWait() {
  absl::Status begun = Start();
  if (begun.ok()) return;
  why_none = std::string(begun.message());
  StartSoon();
}

void Zygote::State::StartSoon() {
  retry.expires_after(kStartAgain);
  retry.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (self == nullptr || error || self->socket != nullptr) return;
    self->StartOrWait();
  });
}

Zygote::Zygote(asio::io_context& io, rlimit descriptors, std::chrono::milliseconds patience,
               std::function<void(const std::string&, const std::string&)> changed)
    : state_(std::make_shared<State>(io, descriptors, patience, std::move(changed))) {
  state_->StartOrWait();
}

Zygote::~Zygote() = default;

absl::StatusOr<OwnedFd> Zygote::Request(const std::string& id, const std::string& spec) {
  if (state_->socket == nullptr) {
    return absl::UnavailableError("no zygote runs: " + state_->why_none);
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
  if (state_->unanswered++ == 0) state_->Expect();
  return read_end;
}

int Zygote::generation() const { return state_->generation; }
pid_t Zygote::pid() const { return state_->pid; }

}  // namespace sessionctl
