// What the HTTP server (http_server.h) consists of: its state, and one client's connection from its
// first byte to its last. Of no concern to others. On the io_context's thread.
#ifndef FLEET_HTTP_CONNECTION_H_
#define FLEET_HTTP_CONNECTION_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "fleet/http_server.h"

namespace sessionctl {

class HttpConnection;

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  using Socket = boost::asio::local::stream_protocol::socket;
  using Error = boost::system::error_code;

  State(boost::asio::io_context& io_context, Handler on_request,
        std::function<void(int)> on_answer);

  void Accept();
  void HandleAccepted(const Error& error, Socket socket);
  void Admit(Socket socket);
  void Start(Socket socket);
  void Refuse(Socket socket, const HttpReply& reply);
  // Closes one connection that holds others up; false when there is none.
  bool MakeRoom();
  // Room for a body that is about to be read; false when there is none.
  bool ReserveBody(size_t bytes);

  boost::asio::io_context& io;
  Handler handler;
  std::function<void(int)> answered;
  boost::asio::local::stream_protocol::acceptor acceptor;
  boost::asio::steady_timer pause;
  size_t max_connections;
  size_t count = 0;
  size_t parting = 0;     // refused, and not yet closed
  size_t body_bytes = 0;  // reserved
  uint64_t refused = 0;
  std::list<std::weak_ptr<HttpConnection>> clients;  // oldest first; some may have gone
};

class HttpConnection : public Exchange, public std::enable_shared_from_this<HttpConnection> {
 public:
  using Error = boost::system::error_code;
  using Clock = std::chrono::steady_clock;

  HttpConnection(std::shared_ptr<HttpServer::State> server, HttpServer::State::Socket socket,
                 uid_t peer);
  ~HttpConnection() override;

  void Start();
  bool gone() const { return gone_; }
  // Closes it, and says why as far as it can be said at once.
  void TurnAway();
  // Has it said what it wants?
  bool asked() const { return asked_; }
  // Since when it has taken nothing of what is there for it; nullopt: nothing waits.
  std::optional<Clock::time_point> stalled_since() const;

  void Reply(HttpReply reply) override;
  void BeginStream(int status, const std::string& content_type,
                   const std::string& headers) override;
  void Write(std::string bytes, std::function<void()> written) override;
  void End() override;
  size_t waiting() const override { return waiting_; }
  void Close() override { Lost(); }
  void OnGone(std::function<void()> gone) override;
  OwnedFd Duplicate(std::string* early) override;
  void GiveAway() override;

 private:
  struct Reader;  // Beast
  struct Outgoing {
    std::string bytes;
    std::function<void()> written;
  };

  void HandleHeader(const Error& error);
  void ReadBody();
  void HandleRequest(const Error& error);
  void RefuseRequest(const Error& error);
  void WatchPeer();
  void Send(std::string bytes, std::function<void()> written);
  void SendNext();
  void LimitRequest();
  void LimitAnswer();
  void Lost();

  const std::shared_ptr<HttpServer::State> server_;
  HttpServer::State::Socket socket_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<Reader> reader_;
  std::deque<Outgoing> outgoing_;
  Clock::time_point progress_;
  size_t waiting_ = 0;
  size_t reserved_ = 0;    // of the server's room for bodies
  bool asked_ = false;     // the request is complete
  bool answered_ = false;  // an answer has begun
  bool ending_ = false;    // close when everything is written
  bool gone_ = false;
  std::function<void()> on_gone_;
};

}  // namespace sessionctl

#endif  // FLEET_HTTP_CONNECTION_H_
