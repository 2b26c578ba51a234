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
#include <boost/asio/post.hpp>
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
#include "fleet/serve_place.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/session_changes.h"

namespace sessionctl {
namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;
using std::chrono::milliseconds;

constexpr milliseconds kDrainTime(20'000);   // for starts and answers in flight, when leaving
constexpr milliseconds kLastAnswers(1'000);  // for answers alone, which may be waits without an end
constexpr milliseconds kLeaveLook(10);
constexpr milliseconds kLook(1'000);

void TellReady(int& fd, const std::string& text) {
  if (fd < 0) return;
  if (!WriteAll(fd, text.data(), text.size()).ok()) spdlog::warn("nobody awaits the start");
  close(std::exchange(fd, -1));
}

class Server {
 public:
  Server(const SessionStore& store, ServePlace place, ServeOptions options)
      : store_(store),
        place_(std::move(place)),
        options_(options),
        supervisor_(io_, store,
                    {.max_sessions = options.max_sessions,
                     .zygote_patience = std::chrono::seconds(options.start_patience)}),
        api_{supervisor_,
             pool_,
             streams_,
             changes_,
             metrics_,
             std::chrono::steady_clock::now(),
             [this](const std::string& why) { Leave(why, kLastAnswers); },
             [this] { return http_.connections(); },
             [this](OwnedFd connection) { http_.Serve(std::move(connection)); },
             deployments_},
        http_(
            io_, [this](const ExchangePtr& exchange) { Dispatch(api_, exchange); },
            [this](int status) { metrics_.CountAnswer(status); }),
        look_(io_),
        watchdog_(io_),
        signals_(io_, SIGTERM, SIGINT) {}

  absl::Status Start();
  void Run() { io_.run(); }

 private:
  void Leave(const std::string& why, milliseconds answers);
  void LookLeaving(std::chrono::steady_clock::time_point told, milliseconds answers);
  void LookAround();
  void LookAtPlace();
  absl::Status Listen();
  void FeedWatchdog(milliseconds every);
  void RecoverChanges() const;

  const SessionStore& store_;
  ServePlace place_;
  ServeOptions options_;
  asio::io_context io_{1};
  asio::thread_pool pool_{1};
  asio::thread_pool streams_{4};
  asio::thread_pool changes_{2};
  Metrics metrics_;
  Supervisor supervisor_;
  DeploymentManager deployments_{supervisor_, pool_};
  Api api_;
  HttpServer http_;
  asio::steady_timer look_, watchdog_;
  asio::signal_set signals_;
  bool leaving_ = false;
  std::chrono::steady_clock::time_point busy_ = std::chrono::steady_clock::now();
};

absl::Status Server::Start() {
  supervisor_.Watch([this](const FleetEvent& event) {
    metrics_.CountEvent(event);
    spdlog::info("{}", EventLine(event));
  });
  const int living = supervisor_.Adopt();
  spdlog::info("supervisor {} of {}: {} sessions live", getpid(), store_.path(), living);
  asio::post(changes_, [this] { RecoverChanges(); });
  // Sessions are looked after all the same.
  if (absl::Status opened = deployments_.Open(); !opened.ok()) {
    spdlog::error("no deployments: {}", std::string(opened.message()));
  }
  signals_.async_wait([this](const Error& error, int signal) {
    if (!error) Leave("signal " + std::to_string(signal), kLastAnswers);
  });
  if (absl::Status listening = Listen(); !listening.ok()) return listening;
  LookAround();
  uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) > 0) FeedWatchdog(milliseconds(microseconds / 2000));
  sd_notify(0, "READY=1");
  return absl::OkStatus();
}

// Commits that a supervisor or a monitor has died over. On the pool, with a store of its own.
void Server::RecoverChanges() const {
  absl::StatusOr<SessionStore> store = SessionStore::Open(store_.path());
  if (!store.ok()) return;
  for (const std::string& id : store->Ids()) {
    absl::StatusOr<SessionDirectory> session = store->Find(id);
    if (!session.ok() || session->IsLocked()) continue;
    for (const std::string& failure : RecoverSessionChanges(session->fd())) {
      spdlog::error("session {}: {}", id, failure);
    }
  }
}

// The event loop itself feeds it: a loop that hangs is restarted, and loses nothing.
void Server::FeedWatchdog(milliseconds every) {
  sd_notify(0, "WATCHDOG=1");
  watchdog_.expires_after(every);
  watchdog_.async_wait([this, every](const Error& error) {
    if (!error) FeedWatchdog(every);
  });
}

absl::Status Server::Listen() {
  absl::StatusOr<OwnedFd> listener = place_.Listen();
  return listener.ok() ? http_.Listen(*std::move(listener)) : listener.status();
}

void Server::LookAround() {
  LookAtPlace();
  const auto now = std::chrono::steady_clock::now();
  if (supervisor_.alive() > 0 || http_.connections() > 0 || deployments_.busy()) busy_ = now;
  if (options_.idle_exit > 0 && now - busy_ > std::chrono::seconds(options_.idle_exit)) {
    return Leave("idle", kDrainTime);  // nobody waits for what does not end
  }
  if (leaving_) return;
  look_.expires_after(kLook);
  look_.async_wait([this](const Error& error) {
    if (!error) LookAround();
  });
}

// Somebody may have removed our files, or the whole directory: sessions that live need neither, but
// whoever looks for them does.
void Server::LookAtPlace() {
  const ServePlace::Finding finding = place_.Look();
  switch (finding) {
    case ServePlace::Finding::kOurs: return;
    case ServePlace::Finding::kNoDirectory:
      // A directory that cannot be made again is nobody's business when nothing lives.
      if (supervisor_.alive() == 0) Leave("the state directory was removed", kLastAnswers);
      return;
    case ServePlace::Finding::kLost:
      return Leave("the state directory was removed, another supervisor has the new one",
                   kLastAnswers);
    case ServePlace::Finding::kDirectoryNew:
      spdlog::warn("{} was removed and made again; {} sessions live without a directory",
                   store_.path(), supervisor_.alive());
      supervisor_.ReadStoreAnew();
      break;
    case ServePlace::Finding::kSocketGone: spdlog::warn("the control socket was removed"); break;
  }
  http_.StopListening();
  if (absl::Status listening = Listen(); !listening.ok()) {
    spdlog::error("{}", std::string(listening.message()));
  }
}

// Sessions stay. Who has connected already is answered, starts in flight are finished. The socket
// goes first, and takes no more: whoever comes now finds none, and starts the next supervisor.
void Server::Leave(const std::string& why, milliseconds answers) {
  if (std::exchange(leaving_, true)) return;
  spdlog::info("leaving: {}", why);
  sd_notify(0, "STOPPING=1");
  place_.StopBeingFound();
  http_.StopListening();
  deployments_.Drain();
  LookLeaving(std::chrono::steady_clock::now(), answers);
}

void Server::LookLeaving(std::chrono::steady_clock::time_point told, milliseconds answers) {
  const auto time = std::chrono::steady_clock::now() - told;
  const bool starting = supervisor_.starting() > 0;
  const bool answering = http_.connections() > 0 && time < answers;
  if ((!starting && !answering) || time > kDrainTime) return io_.stop();
  look_.expires_after(kLeaveLook);
  look_.async_wait([this, told, answers](const Error& error) {
    if (!error) LookLeaving(told, answers);
  });
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
  absl::StatusOr<ServePlace> place = ServePlace::Take(*store, options.replace);
  if (absl::IsAlreadyExists(place.status()) && options.ready_fd >= 0 &&
      ConnectControlSocket(store->fd()).ok()) {
    TellReady(options.ready_fd, "ready");
    return 0;
  }
  if (!place.ok()) {
    return Refuse(options, absl::IsAlreadyExists(place.status()) ? 1 : 125,
                  std::string(place.status().message()));
  }
  Server server(*store, *std::move(place), options);
  if (absl::Status started = server.Start(); !started.ok()) {
    return Refuse(options, 125, std::string(started.message()));
  }
  TellReady(options.ready_fd, "ready");
  server.Run();
  spdlog::info("left");
  spdlog::shutdown();
  _exit(0);  // the pool may be in the middle of something that takes its time
}

}  // namespace sessionctl
