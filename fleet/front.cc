#include "fleet/front.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <thread>
#include <utility>

#include "fleet/front_client.h"
#include "fleet/front_socket.h"
#include "fleet/parting.h"
#include "fleet/serve_log.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/socket_peer.h"

namespace sessionctl {
namespace {

constexpr size_t kMostClients = 64;  // that are being handed over, at once
constexpr size_t kMostOfOne = 16;    // … of one user
constexpr unsigned kHandOverSeconds = 60;

class Front {
 public:
  Front(FrontSocket socket, std::string state_base)
      : socket_(std::move(socket)), state_base_(std::move(state_base)) {}

  // Until it is told to leave.
  absl::Status Run();

 private:
  absl::Status Prepare();
  bool HandleSignals();  // false: leave
  void Accept();
  int PollTime() const;
  void TurnAway(OwnedFd client, int status, const std::string& code, const std::string& detail);
  void Reap();
  size_t ClientsOf(uid_t uid) const;
  [[noreturn]] void Serve(OwnedFd client, const ucred& user);

  FrontSocket socket_;
  const std::string state_base_;
  OwnedFd signals_;
  sigset_t before_ = {};
  std::map<pid_t, uid_t> clients_;  // processes that hand one over
  std::deque<OwnedFd> parting_;     // refused, and not yet closed
  int watchdog_ = -1;               // milliseconds
};

absl::Status Front::Prepare() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, &before_);
  signals_ = OwnedFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return absl::ErrnoToStatus(errno, "signalfd");
  fcntl(socket_.fd(), F_SETFL, O_NONBLOCK);
  uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) > 0) watchdog_ = static_cast<int>(microseconds / 2000);
  return absl::OkStatus();
}

absl::Status Front::Run() {
  if (absl::Status prepared = Prepare(); !prepared.ok()) return prepared;
  sd_notify(0, "READY=1");
  for (;;) {
    std::array<pollfd, 2> sources = {{{.fd = socket_.fd(), .events = POLLIN, .revents = 0},
                                      {.fd = signals_.get(), .events = POLLIN, .revents = 0}}};
    const int ready = poll(sources.data(), sources.size(), PollTime());
    if (ready < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "poll");
    if (ready == 0) parting_.clear();
    if (watchdog_ > 0) sd_notify(0, "WATCHDOG=1");
    if (sources[1].revents != 0 && !HandleSignals()) return absl::OkStatus();
    if (sources[0].revents != 0) Accept();
  }
}

bool Front::HandleSignals() {
  bool stay = true;
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGCHLD) {
      Reap();
    } else {
      spdlog::info("leaving: signal {}", info.ssi_signo);
      stay = false;
    }
  }
  return stay;
}

void Front::Reap() {
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto it = clients_.find(pid);
    if (it == clients_.end()) continue;
    if (status != 0) spdlog::warn("a client of user {} was not handed over", it->second);
    clients_.erase(it);
  }
}

size_t Front::ClientsOf(uid_t uid) const {
  return static_cast<size_t>(std::count_if(clients_.begin(), clients_.end(),
                                           [uid](const auto& each) { return each.second == uid; }));
}

void Front::Accept() {
  OwnedFd client(accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client.valid()) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      std::this_thread::sleep_for(kAcceptPause);
    }
    return;
  }
  ucred user = {};
  socklen_t size = sizeof(user);
  if (getsockopt(client.get(), SOL_SOCKET, SO_PEERCRED, &user, &size) != 0 ||
      !PeerIsUnconfined(client.get())) {
    return TurnAway(std::move(client), 403, "forbidden", "nothing is taken from inside a session");
  }
  if (clients_.size() >= kMostClients || ClientsOf(user.uid) >= kMostOfOne) {
    return TurnAway(std::move(client), 503, "busy", "too many connections at once");
  }
  const pid_t child = fork();
  if (child == 0) Serve(std::move(client), user);
  if (child > 0) clients_[child] = user.uid;
  if (child < 0) TurnAway(std::move(client), 503, "exhausted", "no process can be made");
}

int Front::PollTime() const {
  if (parting_.empty()) return watchdog_;
  const auto parting = static_cast<int>(kPartingTime.count());
  return watchdog_ > 0 ? std::min(watchdog_, parting) : parting;
}

// Who finds its connection closed before it has sent anything does not look for an answer: a few
// are kept for a moment.
void Front::TurnAway(OwnedFd client, int status, const std::string& code,
                     const std::string& detail) {
  AnswerProblem(client.get(), status, code, detail);
  parting_.push_back(std::move(client));
  if (parting_.size() > kMostParting) parting_.pop_front();
}

void Front::Serve(OwnedFd client, const ucred& user) {
  alarm(kHandOverSeconds);  // its default action: the end of this process
  signal(SIGPIPE, SIG_IGN);
  signals_.Reset();
  socket_.CloseInChild();
  parting_.clear();
  sigprocmask(SIG_SETMASK, &before_, nullptr);
  if (const absl::Status became = BecomeUser(user, state_base_); !became.ok()) {
    spdlog::error("{}", std::string(became.message()));
    AnswerProblem(client.get(), 500, "internal", "the user's processes cannot be started");
    _exit(1);
  }
  _exit(HandOverToOwnSupervisor(std::move(client)));
}

int Refuse(int ready_fd, int code, const absl::Status& status) {
  const std::string message(status.message());
  spdlog::error("{}", message);
  if (ready_fd >= 0 && !WriteAll(ready_fd, message.data(), message.size()).ok()) return code;
  return code;
}

}  // namespace

int ServeSystem(const FrontOptions& options) {
  prctl(PR_SET_NAME, "sessiond-front");
  SetUpServeLog("sessiond-front");
  umask(022);
  if (geteuid() != 0) {
    return Refuse(options.ready_fd, 125, absl::PermissionDeniedError("--system is root's"));
  }
  absl::StatusOr<FrontSocket> socket = FrontSocket::Open(options.socket, options.group);
  if (!socket.ok()) {
    return Refuse(options.ready_fd, absl::IsAlreadyExists(socket.status()) ? 1 : 125,
                  socket.status());
  }
  spdlog::info("front {}: one supervisor a user, started on demand", getpid());
  Front front(*std::move(socket), options.state_base);
  if (options.ready_fd >= 0 && !WriteAll(options.ready_fd, "ready", 5).ok()) return 125;
  if (options.ready_fd >= 0) close(options.ready_fd);
  const absl::Status ran = front.Run();
  sd_notify(0, "STOPPING=1");
  return ran.ok() ? 0 : Refuse(-1, 125, ran);
}

}  // namespace sessionctl
