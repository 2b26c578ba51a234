#include "fleet/http_server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>

#include "fleet/http_connection.h"
#include "fleet/parting.h"
#include "fleet/problem.h"
#include "supervisor/socket_peer.h"

namespace sessionctl {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using Error = boost::system::error_code;

namespace {

constexpr std::chrono::seconds kStall(5);  // who takes nothing for so long makes room for others
constexpr size_t kMostBodies = size_t{64} << 20;  // bytes, of all requests together

uid_t PeerUser(int fd) {
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -1;
  return credentials.uid;
}

// For the look at who asks (SO_PEERPIDFD, /proc) and the answer.
bool HasSpareDescriptors(int fd) {
  constexpr int kSpare = 3;
  std::array<OwnedFd, kSpare> spare;
  for (OwnedFd& each : spare) each.Reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  return spare.back().valid();
}

}  // namespace

HttpServer::State::State(asio::io_context& io_context, Handler on_request,
                         std::function<void(int)> on_answer)
    : io(io_context),
      handler(std::move(on_request)),
      answered(std::move(on_answer)),
      acceptor(io_context),
      pause(io_context) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  max_connections = std::min<size_t>(kMaxConnections, std::max<size_t>(16, limit.rlim_cur / 4));
}

void HttpServer::State::Accept() {
  acceptor.async_accept([weak = weak_from_this()](const Error& error, Socket peer) {
    const auto self = weak.lock();
    if (self != nullptr) self->HandleAccepted(error, std::move(peer));
  });
}

void HttpServer::State::HandleAccepted(const Error& error, Socket socket) {
  if (error == asio::error::operation_aborted || !acceptor.is_open()) return;
  if (error) {  // no descriptor, no memory: who waits goes on waiting
    pause.expires_after(kAcceptPause);
    return pause.async_wait([weak = weak_from_this()](const Error& aborted) {
      const auto self = weak.lock();
      if (self != nullptr && !aborted) self->Accept();
    });
  }
  Admit(std::move(socket));
}

// Who asks can only be looked at with descriptors to spare: until then it waits.
void HttpServer::State::Admit(Socket socket) {
  if (HasSpareDescriptors(socket.native_handle())) {
    Start(std::move(socket));
    if (acceptor.is_open()) Accept();
    return;
  }
  pause.expires_after(kAcceptPause);
  pause.async_wait(
      [weak = weak_from_this(), waiting = std::move(socket)](const Error& aborted) mutable {
        const auto self = weak.lock();
        if (self != nullptr && !aborted) self->Admit(std::move(waiting));
      });
}

void HttpServer::State::Start(Socket socket) {
  const bool may_ask = PeerMayCommand(socket.native_handle());
  if (!may_ask) {
    return Refuse(std::move(socket), Problem(403, "forbidden",
                                             "this supervisor takes nothing from another user, or "
                                             "from inside a session"));
  }
  if (count >= max_connections && !MakeRoom()) {
    return Refuse(std::move(socket), Problem(503, "busy", "too many connections"));
  }
  const uid_t peer = PeerUser(socket.native_handle());
  const auto client = std::make_shared<HttpConnection>(shared_from_this(), std::move(socket), peer);
  clients.remove_if([](const std::weak_ptr<HttpConnection>& each) { return each.expired(); });
  clients.push_back(client);
  client->Start();
}

// Answers what was not asked. A client that finds its connection closed before it has sent anything
// does not look for an answer, so a few are kept until they have, or for a moment.
void HttpServer::State::Refuse(Socket socket, const HttpReply& reply) {
  ++refused;
  answered(reply.status);
  const std::string answer = WholeAnswer(reply);
  send(socket.native_handle(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (parting >= kMostParting) return;
  struct Parting {
    Parting(std::shared_ptr<State> of, Socket client)
        : state(std::move(of)), socket(std::move(client)), timer(state->io) {
      ++state->parting;
    }
    ~Parting() { --state->parting; }
    std::shared_ptr<State> state;
    Socket socket;
    asio::steady_timer timer;
  };
  const auto client = std::make_shared<Parting>(shared_from_this(), std::move(socket));
  client->timer.expires_after(kPartingTime);
  client->timer.async_wait([client](const Error&) {
    Error ignored;
    client->socket.close(ignored);
  });
  client->socket.async_wait(Socket::wait_read, [client](const Error&) { client->timer.cancel(); });
}

// First whoever has been connected for longest without saying what it wants, else whoever has taken
// nothing of its answer for longest. Who merely waits stays.
bool HttpServer::State::MakeRoom() {
  std::shared_ptr<HttpConnection> stalled;
  auto oldest = HttpConnection::Clock::now() - kStall;
  for (const auto& weak : clients) {
    const auto client = weak.lock();
    if (client == nullptr || client->gone()) continue;
    if (!client->asked()) {
      ++refused;
      client->TurnAway();
      return true;
    }
    if (const auto since = client->stalled_since(); since && *since < oldest) {
      oldest = *since;
      stalled = client;
    }
  }
  if (stalled == nullptr) return false;
  ++refused;
  stalled->Close();
  return true;
}

bool HttpServer::State::ReserveBody(size_t bytes) {
  if (body_bytes + bytes > kMostBodies) return false;
  body_bytes += bytes;
  return true;
}

HttpServer::HttpServer(asio::io_context& io, Handler handler, std::function<void(int)> answered)
    : state_(std::make_shared<State>(io, std::move(handler), std::move(answered))) {}

HttpServer::~HttpServer() = default;

absl::Status HttpServer::Listen(OwnedFd listener) {
  Error error;
  state_->acceptor.assign(stream_protocol(), listener.get(), error);
  if (error) return absl::InternalError("listening socket: " + error.message());
  listener.Release();
  state_->Accept();
  return absl::OkStatus();
}

void HttpServer::Serve(OwnedFd connection) {
  stream_protocol::socket socket(state_->io);
  Error error;
  socket.assign(stream_protocol(), connection.get(), error);
  if (error) return;
  connection.Release();
  state_->Start(std::move(socket));
}

int HttpServer::StopListening() {
  int taken = 0;
  Error error;
  state_->acceptor.non_blocking(true, error);
  for (;;) {
    stream_protocol::socket socket(state_->io);
    state_->acceptor.accept(socket, error);
    if (error) break;
    ++taken;
    state_->Start(std::move(socket));
  }
  state_->acceptor.close(error);
  return taken;
}

size_t HttpServer::connections() const { return state_->count; }
uint64_t HttpServer::refused() const { return state_->refused; }

}  // namespace sessionctl
