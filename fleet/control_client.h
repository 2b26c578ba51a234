// The client side of the control API, for the command line. Blocking; one connection a request.
#ifndef FLEET_CONTROL_CLIENT_H_
#define FLEET_CONTROL_CLIENT_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"
#include "supervisor/session_store.h"

namespace sessionctl {

struct ClientReply {
  int status = 0;
  std::string body;
  // Of a problem: what it says; "" otherwise.
  std::string code, detail, field;
  bool ok() const { return status >= 200 && status < 300; }
};

struct UpgradedStream {
  OwnedFd connection;
  std::string early;  // bytes of the stream that were read with the answer
};

class ControlClient {
 public:
  // The user's own state directory, or where $SESSIONCTL_SOCKET points. Errors: those of
  // SessionStore::OpenDefault.
  static absl::StatusOr<ControlClient> OpenDefault();

  // Asks the supervisor, and starts one when none runs in the state directory. Errors: kUnavailable
  // when the answer did not come to its end: the supervisor has died, and may have done what was
  // asked.
  absl::StatusOr<ClientReply> Request(const std::string& method, const std::string& target,
                                      const std::string& body = "") const;
  // The same, but a body of 2xx is told piece by piece; false ends it. `accept`: what is wanted;
  // `begun` is told the answer's Session-Log-Offset before the first piece.
  absl::StatusOr<ClientReply> Stream(const std::string& method, const std::string& target,
                                     const std::string& body, const std::string& accept,
                                     const std::function<bool(std::string_view)>& piece,
                                     const std::function<void(uint64_t)>& begun = nullptr) const;
  // POST with Upgrade: sessionctl-stream. An answer that is no 101 is in `refused`.
  absl::StatusOr<UpgradedStream> Upgrade(const std::string& target, const std::string& body,
                                         ClientReply* refused) const;

 private:
  explicit ControlClient(SessionStore store) : store_(std::move(store)) {}
  explicit ControlClient(std::string socket) : socket_(std::move(socket)) {}
  absl::StatusOr<OwnedFd> Connect() const;

  std::optional<SessionStore> store_;
  std::string socket_;  // "": the store's
};

// Connects to the supervisor of this store, and starts one when none runs. Errors: what the new one
// says that it cannot.
absl::StatusOr<OwnedFd> ConnectOrStart(const SessionStore& store);

}  // namespace sessionctl

#endif  // FLEET_CONTROL_CLIENT_H_
