#include "fleet/serve.h"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "fleet/api.h"
#include "fleet/control_socket.h"
#include "fleet/http_server.h"
#include "fleet/serve_log.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;
using std::chrono::milliseconds;

constexpr milliseconds kPlaceWait(20);
constexpr int kPlaceTries = 1500;           // 30 s for the one before to leave
constexpr milliseconds kDrainTime(10'000);  // for starts in flight, when leaving
constexpr milliseconds kIdleLook(1'000);

void TellReady(int& fd, const std::string& text) {
  if (fd < 0) return;
  if (!WriteAll(fd, text.data(), text.size()).ok()) spdlog::warn("nobody awaits the start");
  close(std::exchange(fd, -1));
}

class Server {
 public:
  Server(const SessionStore& store, ServeOptions options)
      : store_(store),
        options_(options),
        supervisor_(io_, store, {.max_sessions = options.max_sessions}),
        api_{supervisor_,
             pool_,
             streams_,
             metrics_,
             std::chrono::steady_clock::now(),
             [this](const std::string& why) { Leave(why); },
             [this] { return http_.connections(); },
             [this](OwnedFd connection) { http_.Serve(std::move(connection)); }},
        http_(
            io_, [this](const ExchangePtr& exchange) { Dispatch(api_, exchange); },
            [this](int status) { metrics_.CountAnswer(status); }),
        idle_(io_),
        watchdog_(io_),
        signals_(io_, SIGTERM, SIGINT) {}

  absl::Status Start(OwnedFd listener);
  void Run() { io_.run(); }

 private:
  void Leave(const std::string& why);
  void LookIdle();
  void FeedWatchdog(milliseconds every);

  const SessionStore& store_;
  ServeOptions options_;
  asio::io_context io_{1};
  asio::thread_pool pool_{1};
  asio::thread_pool streams_{4};
  Metrics metrics_;
  Supervisor supervisor_;
  Api api_;
  HttpServer http_;
  asio::steady_timer idle_, watchdog_;
  asio::signal_set signals_;
  bool leaving_ = false;
  std::chrono::steady_clock::time_point busy_ = std::chrono::steady_clock::now();
};

absl::Status Server::Start(OwnedFd listener) {
  supervisor_.Watch([this](const FleetEvent& event) {
    metrics_.CountEvent(event);
    spdlog::info("{}", EventLine(event));
  });
  const int living = supervisor_.Adopt();
  spdlog::info("supervisor {} of {}: {} sessions live", getpid(), store_.path(), living);
  supervisor_.OnStoreGone([this] { Leave("the state directory was removed"); });
  signals_.async_wait([this](const Error& error, int signal) {
    if (!error) Leave("signal " + std::to_string(signal));
  });
  if (absl::Status listening = http_.Listen(std::move(listener)); !listening.ok()) return listening;
  LookIdle();
  uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) > 0) FeedWatchdog(milliseconds(microseconds / 2000));
  sd_notify(0, "READY=1");
  return absl::OkStatus();
}

// The event loop itself feeds it: a loop that hangs is restarted, and loses nothing.
void Server::FeedWatchdog(milliseconds every) {
  sd_notify(0, "WATCHDOG=1");
  watchdog_.expires_after(every);
  watchdog_.async_wait([this, every](const Error& error) {
    if (!error) FeedWatchdog(every);
  });
}

void Server::LookIdle() {
  const auto now = std::chrono::steady_clock::now();
  if (supervisor_.alive() > 0 || http_.connections() > 0) busy_ = now;
  if (options_.idle_exit > 0 && now - busy_ > std::chrono::seconds(options_.idle_exit)) {
    return Leave("idle");
  }
  idle_.expires_after(kIdleLook);
  idle_.async_wait([this](const Error& error) {
    if (!error) LookIdle();
  });
}

// Sessions stay. Who has connected already is answered; starts in flight are finished.
void Server::Leave(const std::string& why) {
  if (std::exchange(leaving_, true)) return;
  spdlog::info("leaving: {}", why);
  sd_notify(0, "STOPPING=1");
  http_.StopListening();
  idle_.expires_after(kDrainTime);
  idle_.async_wait([this](const Error& error) {
    if (!error) io_.stop();
  });
  supervisor_.Drain([this] {
    idle_.expires_after(milliseconds(50));  // for answers that are on their way
    idle_.async_wait([this](const Error& error) {
      if (!error) io_.stop();
    });
  });
}

// Asks the supervisor that runs to leave; false when none runs.
bool AskToLeave(int directory) {
  absl::StatusOr<OwnedFd> connection = ConnectControlSocket(directory);
  if (!connection.ok()) return false;
  const std::string request =
      "POST /v1/shutdown HTTP/1.1\r\nHost: sessiond\r\nContent-Length: 0\r\n\r\n";
  return WriteAll(connection->get(), request.data(), request.size()).ok();
}

// One supervisor a state directory: the lock decides.
std::optional<LockFile> TakePlace(const SessionStore& store, const ServeOptions& options) {
  if (options.replace) AskToLeave(store.fd());
  for (int i = 0; i < kPlaceTries; ++i) {
    SysResult<LockFile> lock = LockFile::Acquire(store.fd(), kServeLockFile, LockWait::kTry);
    if (lock.ok()) return std::move(*lock);
    if (lock.error() != EWOULDBLOCK) {
      spdlog::error("{}/{}: {}", store.path(), kServeLockFile, strerror(lock.error()));
      return std::nullopt;
    }
    // It runs, and is not about to leave.
    if (!options.replace && ConnectControlSocket(store.fd()).ok()) return std::nullopt;
    std::this_thread::sleep_for(kPlaceWait);
  }
  return std::nullopt;
}

absl::StatusOr<OwnedFd> Listener(const SessionStore& store, std::string* temporary) {
  if (sd_listen_fds(1) == 1) {
    fcntl(SD_LISTEN_FDS_START, F_SETFD, FD_CLOEXEC);
    return OwnedFd(SD_LISTEN_FDS_START);
  }
  return BindControlSocket(store.fd(), temporary);
}

int Refuse(ServeOptions& options, int code, const std::string& message) {
  spdlog::error("{}", message);
  TellReady(options.ready_fd, message);
  return code;
}

}  // namespace

int Serve(const ServeOptions& chosen) {
  ServeOptions options = chosen;
  prctl(PR_SET_NAME, "sessiond");
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  umask(077);
  SetUpServeLog("sessiond");
  absl::StatusOr<SessionStore> store = SessionStore::OpenDefault();
  if (!store.ok()) return Refuse(options, 125, std::string(store.status().message()));
  setenv("SESSIONCTL_STATE_DIR", store->path().c_str(), 1);
  if (chdir("/") != 0) return Refuse(options, 125, "chdir /");
  std::string temporary;
  absl::StatusOr<OwnedFd> listener = Listener(*store, &temporary);
  if (!listener.ok()) return Refuse(options, 125, std::string(listener.status().message()));
  const std::optional<LockFile> lock = TakePlace(*store, options);
  if (!lock.has_value()) {
    if (!temporary.empty()) unlinkat(store->fd(), temporary.c_str(), 0);
    if (options.ready_fd >= 0 && ConnectControlSocket(store->fd()).ok()) {
      TellReady(options.ready_fd, "ready");
      return 0;
    }
    return Refuse(options, 1, "another supervisor runs in " + store->path());
  }
  Server server(*store, options);
  if (absl::Status started = server.Start(*std::move(listener)); !started.ok()) {
    return Refuse(options, 125, std::string(started.message()));
  }
  if (!temporary.empty()) {
    if (absl::Status placed = PlaceControlSocket(store->fd(), temporary); !placed.ok()) {
      return Refuse(options, 125, std::string(placed.message()));
    }
  }
  TellReady(options.ready_fd, "ready");
  server.Run();
  spdlog::info("left");
  spdlog::shutdown();
  _exit(0);  // the pool may be in the middle of something that takes its time
}

}  // namespace sessionctl
