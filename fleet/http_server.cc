#include "fleet/http_server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <deque>
#include <list>
#include <string>
#include <utility>

#include "fleet/problem.h"

namespace sessionctl {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::local::stream_protocol;
using Error = boost::system::error_code;

namespace {

constexpr std::chrono::seconds kRequestTime(15);        // until the whole request is there
constexpr std::chrono::seconds kAnswerTime(60);         // until an answer of known length is taken
constexpr std::chrono::milliseconds kAcceptPause(100);  // without a free descriptor

bool MayAsk(int fd, uid_t& peer) {
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return false;
  peer = credentials.uid;
  return peer == geteuid() || peer == 0;
}

std::string Head(int status, const std::string& content_type, const std::string& framing) {
  return "HTTP/1.1 " + std::to_string(status) + " " + std::string(StatusText(status)) +
         "\r\nServer: sessionctl\r\nConnection: close\r\nContent-Type: " + content_type + "\r\n" +
         framing + "\r\n";
}

std::string WholeAnswer(const HttpReply& reply) {
  std::string framing =
      reply.status == 204 ? "" : "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
  if (!reply.allow.empty()) framing += "Allow: " + reply.allow + "\r\n";
  return Head(reply.status, reply.content_type, framing) + reply.body;
}

std::string Chunk(const std::string& bytes) {
  char size[24];
  snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

}  // namespace

class Connection;

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  State(asio::io_context& io_context, Handler on_request, std::function<void(int)> on_answer)
      : io(io_context),
        handler(std::move(on_request)),
        answered(std::move(on_answer)),
        acceptor(io_context),
        pause(io_context) {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    max_connections = std::min<size_t>(kMaxConnections, std::max<size_t>(16, limit.rlim_cur / 4));
  }

  void Accept();
  void HandleAccepted(const Error& error, stream_protocol::socket socket);
  void Start(stream_protocol::socket socket);
  void MakeRoom();

  asio::io_context& io;
  Handler handler;
  std::function<void(int)> answered;
  stream_protocol::acceptor acceptor;
  asio::steady_timer pause;
  size_t max_connections;
  size_t count = 0;
  uint64_t refused = 0;
  std::list<std::weak_ptr<Connection>> reading;  // whose request is not complete, oldest first
};

class Connection : public Exchange, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<HttpServer::State> server, stream_protocol::socket socket, uid_t peer)
      : server_(std::move(server)), socket_(std::move(socket)), timer_(server_->io) {
    peer_ = peer;
    ++server_->count;
    parser_.header_limit(kMaxHeader);
    parser_.body_limit(kMaxBody);
  }
  ~Connection() override {
    if (!gone_) --server_->count;
  }

  void Start();

  void Reply(HttpReply reply) override;
  void BeginStream(int status, const std::string& content_type) override;
  void Write(std::string bytes, std::function<void()> written) override;
  void End() override;
  size_t waiting() const override { return waiting_; }
  void Close() override;
  void OnGone(std::function<void()> gone) override;
  OwnedFd Duplicate(std::string* early) override;
  void GiveAway() override;

 private:
  struct Outgoing {
    std::string bytes;
    std::function<void()> written;
  };

  void HandleRequest(const Error& error);
  void RefuseRequest(const Error& error);
  void WatchPeer();
  void Send(std::string bytes, std::function<void()> written);
  void SendNext();
  void Limit(std::chrono::seconds time);
  void Lost();

  std::shared_ptr<HttpServer::State> server_;
  stream_protocol::socket socket_;
  asio::steady_timer timer_;
  beast::flat_buffer buffer_{kMaxBody + 2 * kMaxHeader};
  http::request_parser<http::string_body> parser_;
  std::deque<Outgoing> outgoing_;
  size_t waiting_ = 0;
  bool ending_ = false;  // close when everything is written
  bool gone_ = false;
  std::function<void()> on_gone_;
};

void Connection::Limit(std::chrono::seconds time) {
  timer_.expires_after(time);
  timer_.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (self != nullptr && !error) self->Lost();
  });
}

void Connection::Start() {
  Limit(kRequestTime);
  http::async_read(
      socket_, buffer_, parser_,
      [self = shared_from_this()](const Error& error, size_t) { self->HandleRequest(error); });
}

void Connection::HandleRequest(const Error& error) {
  timer_.cancel();
  if (gone_) return;
  if (error) return RefuseRequest(error);
  const auto& message = parser_.get();
  request_.method = std::string(message.method_string());
  ParseTarget(std::string(message.target()), request_);
  request_.accept = std::string(message[http::field::accept]);
  request_.upgrade = std::string(message[http::field::upgrade]);
  request_.body = std::move(parser_.get().body());
  if (request_.upgrade.empty()) WatchPeer();
  server_->handler(shared_from_this());
}

void Connection::RefuseRequest(const Error& error) {
  if (error == http::error::end_of_stream || error == http::error::partial_message ||
      error == asio::error::operation_aborted || error == asio::error::connection_reset) {
    return Lost();
  }
  if (error == http::error::body_limit) {
    return Reply(Problem(413, "too_large", "the body is larger than 4 MiB"));
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Reply(Problem(431, "too_large", "the header is larger than 16 KiB"));
  }
  Reply(Problem(400, "malformed", "no HTTP/1.1 request: " + error.message()));
}

// While an answer is being made the client says nothing more: readable means that it has gone, or
// that it sends what nobody reads.
void Connection::WatchPeer() {
  socket_.async_wait(stream_protocol::socket::wait_read,
                     [weak = weak_from_this()](const Error& error) {
                       const auto self = weak.lock();
                       if (self == nullptr || error) return;
                       char byte;
                       const ssize_t count =
                           recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
                       if (count == 0 || (count < 0 && errno != EAGAIN)) self->Lost();
                     });
}

void Connection::Lost() {
  if (gone_) return;
  gone_ = true;
  --server_->count;
  timer_.cancel();
  Error ignored;
  socket_.close(ignored);
  outgoing_.clear();
  waiting_ = 0;
  if (on_gone_) std::exchange(on_gone_, nullptr)();
}

void Connection::Close() { Lost(); }

void Connection::OnGone(std::function<void()> gone) {
  if (gone_) return asio::post(server_->io, std::move(gone));
  on_gone_ = std::move(gone);
}

void Connection::Reply(HttpReply reply) {
  if (gone_) return;
  server_->answered(reply.status);
  on_gone_ = nullptr;
  ending_ = true;
  Limit(kAnswerTime);
  Send(WholeAnswer(reply), nullptr);
}

void Connection::BeginStream(int status, const std::string& content_type) {
  if (gone_) return;
  server_->answered(status);
  Send(Head(status, content_type, "Transfer-Encoding: chunked\r\n"), nullptr);
}

void Connection::Write(std::string bytes, std::function<void()> written) {
  if (gone_ || bytes.empty()) return;
  Send(Chunk(bytes), std::move(written));
}

void Connection::End() {
  if (gone_) return;
  on_gone_ = nullptr;
  ending_ = true;
  Limit(kAnswerTime);
  Send("0\r\n\r\n", nullptr);
}

void Connection::Send(std::string bytes, std::function<void()> written) {
  waiting_ += bytes.size();
  outgoing_.push_back({std::move(bytes), std::move(written)});
  if (outgoing_.size() == 1) SendNext();
}

void Connection::SendNext() {
  asio::async_write(socket_, asio::buffer(outgoing_.front().bytes),
                    [self = shared_from_this()](const Error& error, size_t) {
                      if (self->gone_) return;
                      if (error) return self->Lost();
                      Outgoing sent = std::move(self->outgoing_.front());
                      self->outgoing_.pop_front();
                      self->waiting_ -= sent.bytes.size();
                      // First: `written` may send, which begins to write where nothing waits.
                      if (!self->outgoing_.empty()) self->SendNext();
                      if (sent.written) sent.written();
                      if (self->gone_ || !self->outgoing_.empty()) return;
                      if (self->ending_) self->Lost();
                    });
}

OwnedFd Connection::Duplicate(std::string* early) {
  if (gone_) return {};
  const auto data = buffer_.data();
  early->assign(static_cast<const char*>(data.data()), data.size());
  return OwnedFd(fcntl(socket_.native_handle(), F_DUPFD_CLOEXEC, 3));
}

void Connection::GiveAway() {
  if (gone_) return;
  server_->answered(101);
  on_gone_ = nullptr;
  Lost();
}

void HttpServer::State::Accept() {
  acceptor.async_accept(
      [weak = weak_from_this()](const Error& error, stream_protocol::socket peer) {
        const auto self = weak.lock();
        if (self != nullptr) self->HandleAccepted(error, std::move(peer));
      });
}

void HttpServer::State::HandleAccepted(const Error& error, stream_protocol::socket socket) {
  if (error == asio::error::operation_aborted || !acceptor.is_open()) return;
  if (error) {  // no descriptor, no memory: who waits goes on waiting
    pause.expires_after(kAcceptPause);
    return pause.async_wait([weak = weak_from_this()](const Error& aborted) {
      const auto self = weak.lock();
      if (self != nullptr && !aborted) self->Accept();
    });
  }
  Start(std::move(socket));
  Accept();
}

void HttpServer::State::Start(stream_protocol::socket socket) {
  uid_t peer;
  const bool may_ask = MayAsk(socket.native_handle(), peer);
  if (may_ask && count >= max_connections) MakeRoom();
  if (!may_ask || count >= max_connections) {
    ++refused;
    const std::string answer =
        WholeAnswer(may_ask ? Problem(503, "busy", "too many connections")
                            : Problem(403, "forbidden", "this supervisor is another user's"));
    send(socket.native_handle(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return answered(may_ask ? 503 : 403);
  }
  const auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket), peer);
  reading.remove_if([](const std::weak_ptr<Connection>& each) { return each.expired(); });
  reading.push_back(connection);
  connection->Start();
}

// The oldest connection that has not said what it wants goes.
void HttpServer::State::MakeRoom() {
  while (!reading.empty()) {
    const auto oldest = reading.front().lock();
    reading.pop_front();
    if (oldest == nullptr || !oldest->request().method.empty()) continue;
    ++refused;
    return oldest->Close();
  }
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
