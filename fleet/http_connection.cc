#include "fleet/http_connection.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "fleet/problem.h"

namespace sessionctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Socket = HttpServer::State::Socket;

constexpr std::chrono::seconds kRequestTime(15);  // until the whole request is there
constexpr std::chrono::seconds kAnswerTime(60);   // until an answer of known length is taken
constexpr unsigned kHttpVersion = 11;

std::string Head(int status, const std::string& content_type, const std::string& framing) {
  return "HTTP/1.1 " + std::to_string(status) + " " + std::string(StatusText(status)) +
         "\r\nServer: sessionctl\r\nConnection: close\r\nContent-Type: " + content_type + "\r\n" +
         framing + "\r\n";
}

std::string Chunk(const std::string& bytes) {
  char size[24];
  snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

}  // namespace

std::string WholeAnswer(const HttpReply& reply) {
  std::string framing =
      reply.status == 204 ? "" : "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
  if (!reply.allow.empty()) framing += "Allow: " + reply.allow + "\r\n";
  return Head(reply.status, reply.content_type, framing) + reply.body;
}

struct HttpConnection::Reader {
  Reader() {
    parser.header_limit(kMaxHeader);
    parser.body_limit(kMaxBody);
  }
  beast::flat_buffer buffer{kMaxBody + 2 * kMaxHeader};
  http::request_parser<http::string_body> parser;
};

HttpConnection::HttpConnection(std::shared_ptr<HttpServer::State> server, Socket socket, uid_t peer)
    : server_(std::move(server)),
      socket_(std::move(socket)),
      timer_(server_->io),
      reader_(std::make_unique<Reader>()) {
  peer_ = peer;
  ++server_->count;
}

HttpConnection::~HttpConnection() {
  if (!gone_) --server_->count;
  server_->body_bytes -= reserved_;
}

std::optional<HttpConnection::Clock::time_point> HttpConnection::stalled_since() const {
  if (outgoing_.empty()) return std::nullopt;
  return progress_;
}

void HttpConnection::LimitRequest() {
  timer_.expires_after(kRequestTime);
  timer_.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (self == nullptr || error || self->asked_) return;
    self->Reply(Problem(408, "timeout", "the request did not come to its end in 15 seconds"));
  });
}

void HttpConnection::LimitAnswer() {
  timer_.expires_after(kAnswerTime);
  timer_.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (self != nullptr && !error) self->Lost();
  });
}

void HttpConnection::Start() {
  LimitRequest();
  http::async_read_header(
      socket_, reader_->buffer, reader_->parser,
      [self = shared_from_this()](const Error& error, size_t) { self->HandleHeader(error); });
}

// What can be refused is refused before the body has come.
void HttpConnection::HandleHeader(const Error& error) {
  if (gone_ || answered_) return;
  if (error) return RefuseRequest(error);
  const auto& message = reader_->parser.get();
  if (message.version() != kHttpVersion) {
    return Reply(Problem(505, "http_version", "only HTTP/1.1 is spoken here"));
  }
  const auto length = reader_->parser.content_length();
  const size_t room = reader_->parser.chunked() ? kMaxBody : length.value_or(0);
  if (!server_->ReserveBody(room)) {
    return Reply(Problem(503, "busy", "too many requests with large bodies at once"));
  }
  reserved_ = room;
  const auto expect = message[http::field::expect];
  if (expect.empty()) return ReadBody();
  if (!absl::EqualsIgnoreCase(absl::string_view(expect.data(), expect.size()), "100-continue")) {
    return Reply(Problem(417, "expectation", "nothing but 100-continue can be expected"));
  }
  auto text = std::make_shared<std::string>("HTTP/1.1 100 Continue\r\n\r\n");
  asio::async_write(socket_, asio::buffer(*text),
                    [self = shared_from_this(), text](const Error& failed, size_t) {
                      if (self->gone_ || self->answered_) return;
                      if (failed) return self->Lost();
                      self->ReadBody();
                    });
}

void HttpConnection::ReadBody() {
  http::async_read(
      socket_, reader_->buffer, reader_->parser,
      [self = shared_from_this()](const Error& error, size_t) { self->HandleRequest(error); });
}

void HttpConnection::HandleRequest(const Error& error) {
  if (gone_ || answered_) return;
  if (error) return RefuseRequest(error);
  timer_.cancel();
  asked_ = true;
  auto& message = reader_->parser.get();
  request_.method = std::string(message.method_string());
  ParseTarget(std::string(message.target()), request_);
  request_.accept = std::string(message[http::field::accept]);
  request_.upgrade = std::string(message[http::field::upgrade]);
  request_.body = std::move(message.body());
  WatchPeer();
  server_->handler(shared_from_this());
}

void HttpConnection::RefuseRequest(const Error& error) {
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

// Tells when the client has closed its end. One that has only said that it sends no more, or sends
// more than its request, still gets its answer: that is no error of the socket.
void HttpConnection::WatchPeer() {
  socket_.async_wait(Socket::wait_error, [weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (self != nullptr && error != asio::error::operation_aborted) self->Lost();
  });
}

void HttpConnection::Lost() {
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

void HttpConnection::TurnAway() {
  if (gone_) return;
  if (!answered_) {
    const std::string answer = WholeAnswer(Problem(503, "busy", "too many connections"));
    send(socket_.native_handle(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    server_->answered(503);
  }
  Lost();
}

void HttpConnection::OnGone(std::function<void()> gone) {
  if (gone_) return asio::post(server_->io, std::move(gone));
  on_gone_ = std::move(gone);
}

void HttpConnection::Reply(HttpReply reply) {
  if (gone_ || std::exchange(answered_, true)) return;
  server_->answered(reply.status);
  on_gone_ = nullptr;
  ending_ = true;
  LimitAnswer();
  Send(WholeAnswer(reply), nullptr);
}

void HttpConnection::BeginStream(int status, const std::string& content_type,
                                 const std::string& headers) {
  if (gone_ || std::exchange(answered_, true)) return;
  server_->answered(status);
  Send(Head(status, content_type, headers + "Transfer-Encoding: chunked\r\n"), nullptr);
}

void HttpConnection::Write(std::string bytes, std::function<void()> written) {
  if (gone_ || ending_ || bytes.empty()) return;
  Send(Chunk(bytes), std::move(written));
}

void HttpConnection::End() {
  if (gone_ || std::exchange(ending_, true)) return;
  on_gone_ = nullptr;
  LimitAnswer();
  Send("0\r\n\r\n", nullptr);
}

void HttpConnection::Send(std::string bytes, std::function<void()> written) {
  waiting_ += bytes.size();
  outgoing_.push_back({std::move(bytes), std::move(written)});
  if (outgoing_.size() > 1) return;
  progress_ = Clock::now();
  SendNext();
}

void HttpConnection::SendNext() {
  asio::async_write(socket_, asio::buffer(outgoing_.front().bytes),
                    [self = shared_from_this()](const Error& error, size_t) {
                      if (self->gone_) return;
                      if (error) return self->Lost();
                      Outgoing sent = std::move(self->outgoing_.front());
                      self->outgoing_.pop_front();
                      self->waiting_ -= sent.bytes.size();
                      self->progress_ = Clock::now();
                      const bool more = !self->outgoing_.empty();
                      if (more) self->SendNext();
                      if (sent.written) sent.written();
                      if (!more && self->ending_ && self->outgoing_.empty()) self->Lost();
                    });
}

OwnedFd HttpConnection::Duplicate(std::string* early) {
  if (gone_) return {};
  const auto data = reader_->buffer.data();
  early->assign(static_cast<const char*>(data.data()), data.size());
  return OwnedFd(fcntl(socket_.native_handle(), F_DUPFD_CLOEXEC, 3));
}

void HttpConnection::GiveAway() {
  if (gone_) return;
  server_->answered(101);
  on_gone_ = nullptr;
  Lost();
}

}  // namespace sessionctl
