// Route of the control API by which a connection that somebody else has accepted comes to us.
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "fleet/api.h"
#include "fleet/hand_over.h"
#include "fleet/message_socket.h"
#include "fleet/problem.h"

namespace sessionctl {
namespace {

using Error = boost::system::error_code;

constexpr std::chrono::seconds kPatience(5);
constexpr char kAccepted[] =
    "HTTP/1.1 101 Switching Protocols\r\nServer: sessionctl\r\nConnection: Upgrade\r\nUpgrade: "
    "sessionctl-hand-over\r\n\r\n";

bool IsConnection(int fd) {
  int domain = 0, type = 0, listens = 0;
  socklen_t size = sizeof(int);
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
         getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
         getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 0;
}

class HandOver : public std::enable_shared_from_this<HandOver> {
 public:
  HandOver(Api& api, ExchangePtr exchange)
      : api_(api),
        exchange_(std::move(exchange)),
        stream_(api.supervisor.io()),
        timer_(api.supervisor.io()) {}

  void Start() {
    std::string early;
    OwnedFd stream = exchange_->Duplicate(&early);
    Error error;
    stream_.assign(stream.get(), error);
    if (error || !early.empty()) return exchange_->Close();
    stream.Release();
    exchange_->OnGone([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Stop();
    });
    send(stream_.native_handle(), kAccepted, sizeof(kAccepted) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    timer_.expires_after(kPatience);
    timer_.async_wait([self = shared_from_this()](const Error& stopped) {
      if (!stopped) self->exchange_->Close();
    });
    stream_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const Error& stopped) {
                         if (!stopped) self->Take();
                       });
  }

 private:
  void Take() {
    SysResult<SocketMessage> message = ReceiveSocketMessage(stream_.native_handle(), 1);
    if (message.ok() && message->descriptors.size() == 1 &&
        IsConnection(message->descriptors[0].get())) {
      api_.serve(std::move(message->descriptors[0]));
      send(stream_.native_handle(), kHandOverByte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    Stop();
    exchange_->GiveAway();
  }

  void Stop() {
    Error ignored;
    timer_.cancel();
    stream_.close(ignored);
  }

  Api& api_;
  ExchangePtr exchange_;
  boost::asio::posix::stream_descriptor stream_;
  boost::asio::steady_timer timer_;
};

void TakeConnection(Api& api, const ExchangePtr& exchange) {
  if (exchange->request().upgrade != kHandOverProtocol) {
    return exchange->Reply(
        Problem(426, "upgrade_required", "a connection comes with Upgrade: sessionctl-hand-over"));
  }
  std::make_shared<HandOver>(api, exchange)->Start();
}

}  // namespace

std::vector<Route> HandOverRoutes() {
  return {{"POST", "/v1/connections", TakeConnection, {}, /*body=*/false}};
}

}  // namespace sessionctl
