#include "fleet/control_client.h"

#include <fcntl.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "fleet/control_socket.h"
#include "fleet/exchange.h"
#include "nlohmann/json.hpp"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Error = boost::system::error_code;

constexpr size_t kMaxProblem = size_t{64} * 1024;

std::string RequestText(const std::string& method, const std::string& target,
                        const std::string& body, const std::string& headers) {
  return method + " " + target + " HTTP/1.1\r\nHost: sessiond\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

void ReadProblem(ClientReply& reply) {
  const auto json = nlohmann::json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    reply.detail = "the supervisor answers " + std::to_string(reply.status);
    return;
  }
  const auto member = [&](const char* name) {
    const auto it = json.find(name);
    return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  reply.code = member("code");
  reply.detail = member("detail");
  reply.field = member("field");
}

// One request on one connection, read as it comes.
class Call {
 public:
  explicit Call(OwnedFd connection) : socket_(io_) {
    socket_.assign(asio::local::stream_protocol(), connection.Release());
    // Not boost::none: to Boost 1.74 every body is longer than that.
    parser_.body_limit(std::numeric_limits<uint64_t>::max());
    parser_.header_limit(65536);
  }

  absl::Status Ask(const std::string& text) {
    // A supervisor that refuses early does not read on; its answer is there all the same.
    const bool sent = WriteAll(socket_.native_handle(), text.data(), text.size()).ok();
    Error error;
    http::read_header(socket_, buffer_, parser_, error);
    if (!error) return absl::OkStatus();
    return absl::UnavailableError(sent ? "the supervisor has gone: " + error.message()
                                       : "the supervisor has gone");
  }

  int status() { return static_cast<int>(parser_.get().result_int()); }

  std::optional<uint64_t> LogOffset() {
    const auto value = parser_.get()[kLogOffsetHeader];
    uint64_t offset = 0;
    if (!absl::SimpleAtoi(absl::string_view(value.data(), value.size()), &offset)) return {};
    return offset;
  }

  absl::Status ReadBody(const std::function<bool(std::string_view)>& piece) {
    std::array<char, 65536> chunk;
    while (!parser_.is_done()) {
      parser_.get().body().data = chunk.data();
      parser_.get().body().size = chunk.size();
      Error error;
      http::read_some(socket_, buffer_, parser_, error);
      if (error == http::error::need_buffer) error = {};
      if (error) return absl::UnavailableError("the supervisor has gone: " + error.message());
      const size_t size = chunk.size() - parser_.get().body().size;
      if (size > 0 && !piece(std::string_view(chunk.data(), size))) return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  UpgradedStream Take() {
    const auto data = buffer_.data();
    return {OwnedFd(socket_.release()),
            std::string(static_cast<const char*>(data.data()), data.size())};
  }

 private:
  asio::io_context io_;
  asio::local::stream_protocol::socket socket_;
  beast::flat_buffer buffer_;
  http::response_parser<http::buffer_body> parser_;
};

absl::StatusOr<ClientReply> ReadReply(Call& call,
                                      const std::function<bool(std::string_view)>* piece) {
  ClientReply reply = {.status = call.status()};
  const std::function<bool(std::string_view)> keep = [&](std::string_view bytes) {
    reply.body.append(bytes);
    return reply.ok() || reply.body.size() < kMaxProblem;
  };
  absl::Status read = call.ReadBody(reply.ok() && piece != nullptr ? *piece : keep);
  if (!read.ok()) return read;
  if (!reply.ok()) ReadProblem(reply);
  return reply;
}

}  // namespace

absl::StatusOr<ControlClient> ControlClient::OpenDefault() {
  if (const char* socket = getenv("SESSIONCTL_SOCKET"); socket != nullptr && *socket != '\0') {
    if (socket[0] == '/') return ControlClient(std::string(socket));
    return absl::FailedPreconditionError("SESSIONCTL_SOCKET must be an absolute path: " +
                                         std::string(socket));
  }
  absl::StatusOr<SessionStore> store = SessionStore::OpenDefault();
  if (!store.ok()) return store.status();
  return ControlClient(*std::move(store));
}

absl::StatusOr<OwnedFd> ControlClient::Connect() const {
  if (store_.has_value()) return ConnectOrStart(*store_);
  absl::StatusOr<OwnedFd> connection = ConnectSocketFile(AT_FDCWD, socket_, {.anybody = true});
  if (!absl::IsUnavailable(connection.status())) return connection;
  // Not kUnavailable: whoever is told that asks again, until one has been started.
  return absl::NotFoundError("nobody listens at " + socket_);
}

absl::StatusOr<ClientReply> ControlClient::Request(const std::string& method,
                                                   const std::string& target,
                                                   const std::string& body) const {
  absl::StatusOr<OwnedFd> connection = Connect();
  if (!connection.ok()) return connection.status();
  Call call(*std::move(connection));
  if (absl::Status asked = call.Ask(RequestText(method, target, body, "")); !asked.ok()) {
    return asked;
  }
  return ReadReply(call, nullptr);
}

absl::StatusOr<ClientReply> ControlClient::Stream(
    const std::string& method, const std::string& target, const std::string& body,
    const std::string& accept, const std::function<bool(std::string_view)>& piece,
    const std::function<void(uint64_t)>& begun) const {
  absl::StatusOr<OwnedFd> connection = Connect();
  if (!connection.ok()) return connection.status();
  Call call(*std::move(connection));
  const std::string text = RequestText(method, target, body, "Accept: " + accept + "\r\n");
  if (absl::Status asked = call.Ask(text); !asked.ok()) return asked;
  if (const auto offset = call.LogOffset(); offset.has_value() && begun != nullptr) begun(*offset);
  return ReadReply(call, &piece);
}

absl::StatusOr<UpgradedStream> ControlClient::Upgrade(const std::string& target,
                                                      const std::string& body,
                                                      ClientReply* refused) const {
  absl::StatusOr<OwnedFd> connection = Connect();
  if (!connection.ok()) return connection.status();
  Call call(*std::move(connection));
  const std::string text =
      RequestText("POST", target, body, "Connection: Upgrade\r\nUpgrade: sessionctl-stream\r\n");
  if (absl::Status asked = call.Ask(text); !asked.ok()) return asked;
  if (call.status() == 101) return call.Take();
  absl::StatusOr<ClientReply> reply = ReadReply(call, nullptr);
  if (!reply.ok()) return reply.status();
  *refused = *std::move(reply);
  return absl::FailedPreconditionError(refused->detail);
}

}  // namespace sessionctl
