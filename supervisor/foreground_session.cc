#include "supervisor/foreground_session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <utility>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

// Everything that may be passed on: not what cannot be caught, what our own faults raise, and our
// children's.
sigset_t ForwardableSignals() {
  sigset_t set;
  sigfillset(&set);
  for (const int signal : {SIGKILL, SIGSTOP, SIGCHLD, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
                           SIGSYS, SIGABRT, SIGPIPE}) {
    sigdelset(&set, signal);
  }
  return set;
}

// The terminal driver signals the whole foreground group, the command included.
bool TerminalSentToGroup(const signalfd_siginfo& info) {
  if (info.ssi_code != SI_KERNEL) return false;
  switch (info.ssi_signo) {
    case SIGINT:
    case SIGQUIT:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGWINCH:
    case SIGCONT: return true;
    default: return false;
  }
}

class Foreground {
 public:
  explicit Foreground(Broker broker, const std::function<void(pid_t)>& on_started)
      : broker_(std::move(broker)), on_started_(on_started) {}

  ForegroundOutcome Run();

 private:
  void CatchSignals();
  void HandleNextEvent();
  void HandleStarted(pid_t pid);
  void HandleExited(const BrokerEvent& event);
  void HandleLost(const std::string& why);
  void ForwardNextSignal();
  void StopWithCommand();
  bool EventWaits() const;

  Broker broker_;
  const std::function<void(pid_t)>& on_started_;
  OwnedFd signals_;
  OwnedFd command_;     // pidfd
  int stopped_by_ = 0;  // the signal that stopped the command and not yet us
  bool done_ = false;
  ForegroundOutcome outcome_;
};

// After the fork of the broker, so that the command does not inherit the mask.
void Foreground::CatchSignals() {
  const sigset_t set = ForwardableSignals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.Reset(signalfd(-1, &set, SFD_CLOEXEC));
}

ForegroundOutcome Foreground::Run() {
  CatchSignals();
  while (!done_) {
    // Signals wait until there is a command to pass them to.
    std::array<pollfd, 2> sources = {
        pollfd{.fd = broker_.events_fd(), .events = POLLIN},
        pollfd{.fd = outcome_.started ? signals_.get() : -1, .events = POLLIN}};
    if (poll(sources.data(), sources.size(), -1) < 0) continue;  // EINTR: SIGCONT after a stop
    if (sources[0].revents != 0) {
      HandleNextEvent();
    } else if (sources[1].revents != 0) {
      ForwardNextSignal();
    }
    if (stopped_by_ != 0 && !done_ && !EventWaits()) StopWithCommand();
  }
  while (waitpid(broker_.pid(), nullptr, 0) < 0 && errno == EINTR) {
  }
  return outcome_;
}

bool Foreground::EventWaits() const {
  pollfd source = {.fd = broker_.events_fd(), .events = POLLIN};
  return poll(&source, 1, 0) > 0;
}

void Foreground::HandleNextEvent() {
  SysResult<std::optional<BrokerEvent>> received = broker_.ReadEvent();
  if (!received.ok() || !received->has_value()) return HandleLost("broker lost");
  const BrokerEvent& event = **received;
  switch (event.kind) {
    case BrokerEvent::Kind::kStarted: return HandleStarted(event.pid);
    case BrokerEvent::Kind::kStartFailed:
      outcome_.exit_code = event.exit_code;
      outcome_.error = event.message;
      done_ = true;
      return;
    case BrokerEvent::Kind::kStopped: stopped_by_ = WSTOPSIG(event.wait_status); return;
    case BrokerEvent::Kind::kContinued: stopped_by_ = 0; return;
    case BrokerEvent::Kind::kExited: return HandleExited(event);
    case BrokerEvent::Kind::kRefusedCall: return HandleLost(RefusedCallText(event));
    case BrokerEvent::Kind::kView:
    case BrokerEvent::Kind::kMountsChanged: return;  // nobody can ask for a mount here
  }
}

void Foreground::HandleStarted(pid_t pid) {
  outcome_.started = true;
  // The command may have ended already and its id be anybody's: only a child of the broker's is
  // ours.
  SysResult<OwnedFd> command = PidfdOpen(pid, 0);
  if (command.ok() && ParentOf(pid) == broker_.pid()) command_ = std::move(*command);
  on_started_(pid);
}

void Foreground::HandleExited(const BrokerEvent& event) {
  outcome_.mediated_calls = event.mediated_calls;
  outcome_.denials = event.denials;
  if (WIFSIGNALED(event.wait_status)) {
    outcome_.signal = WTERMSIG(event.wait_status);
    outcome_.exit_code = 128 + outcome_.signal;
  } else {
    outcome_.exit_code = WEXITSTATUS(event.wait_status);
  }
  outcome_.ended = event.ended;
  if (IsTimeLimit(event.ended)) outcome_.exit_code = kTimeLimitExit;
  done_ = true;
}

void Foreground::HandleLost(const std::string& why) {
  broker_.KillSession();
  outcome_.exit_code = kOwnFailure;
  outcome_.error = why + ": the session was ended with it";
  done_ = true;
}

void Foreground::ForwardNextSignal() {
  signalfd_siginfo info = {};
  if (read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return;
  if (TerminalSentToGroup(info) || !command_.valid()) return;
  // ESRCH: the command has ended and its last event is on the way.
  syscall(SYS_pidfd_send_signal, command_.get(), static_cast<int>(info.ssi_signo), nullptr, 0);
}

// Whoever waits for us sees the stop as if we were the command. Execution goes on here after
// SIGCONT, which then lies in the signal descriptor and is forwarded like any other.
void Foreground::StopWithCommand() {
  stopped_by_ = 0;
  raise(SIGSTOP);
}

}  // namespace

ForegroundOutcome RunForeground(const BrokerOptions& options,
                                const std::function<void(pid_t)>& on_started) {
  absl::StatusOr<Broker> broker = Broker::Start(options);
  if (!broker.ok()) {
    ForegroundOutcome outcome;
    outcome.error = std::string(broker.status().message());
    return outcome;
  }
  return Foreground(*std::move(broker), on_started).Run();
}

}  // namespace sessionctl
