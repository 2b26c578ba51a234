// HTTP/1.1 on a UNIX socket, one request a connection. Everything a client can do is bounded: the
// number of connections, the size of headers and body, of all bodies together, the time until a
// request is complete and an answer is taken. Who may ask is decided before the first byte is read
// (supervisor/socket_peer.h): our own uid and root, and nobody from inside a session.
#ifndef FLEET_HTTP_SERVER_H_
#define FLEET_HTTP_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "fleet/exchange.h"
#include "sandbox/base/owned_fd.h"

namespace boost::asio {
class io_context;
}

namespace sessionctl {

inline constexpr size_t kMaxBody = size_t{4} << 20;
inline constexpr size_t kMaxHeader = size_t{16} << 10;
inline constexpr size_t kMaxConnections = 1024;

class HttpServer {
 public:
  using Handler = std::function<void(const ExchangePtr&)>;
  // `answered` is told the status of every answer.
  HttpServer(boost::asio::io_context& io, Handler handler, std::function<void(int)> answered);
  ~HttpServer();

  // Takes connections from a listening socket. Errors: kInternal.
  absl::Status Listen(OwnedFd listener);
  // Serves one connection that somebody else has accepted.
  void Serve(OwnedFd connection);
  // Takes what waits on the listening socket and closes it; returns how many came.
  int StopListening();

  size_t connections() const;
  uint64_t refused() const;  // peers that may not ask, connections beyond the limit

  struct State;  // http_connection.h

 private:
  std::shared_ptr<State> state_;
};

// Head and body of an answer, as bytes.
std::string WholeAnswer(const HttpReply& reply);

}  // namespace sessionctl

#endif  // FLEET_HTTP_SERVER_H_
