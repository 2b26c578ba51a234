// The control socket's file. Beneath the held state directory; a link that was planted in its place
// is replaced by who binds and refused by who connects.
#ifndef FLEET_CONTROL_SOCKET_H_
#define FLEET_CONTROL_SOCKET_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {

// A listening socket that takes the name from whatever stands there, as one step: whoever connects
// finds the one before or this one. For who holds the supervisor's lock.
absl::StatusOr<OwnedFd> BindControlSocket(int directory);

// The same for any name, as one step: mode and group are right before it can be found. For who
// holds a lock of its own.
absl::StatusOr<OwnedFd> BindSocketFile(int directory, const std::string& name, mode_t mode,
                                       std::optional<gid_t> group);

// Whose answer is taken: our own user's and root's.
struct SocketPeer {
  std::string where = "";  // for messages: " in the state directory"
  bool anybody = false;    // by root: everybody's
};
// Errors: as ConnectControlSocket.
absl::StatusOr<OwnedFd> ConnectSocketFile(int directory, const std::string& path,
                                          const SocketPeer& from);

// Errors: kUnavailable (nobody listens), kPermissionDenied (what stands there is no socket of ours,
// or somebody else answers).
absl::StatusOr<OwnedFd> ConnectControlSocket(int directory);

}  // namespace sessionctl

#endif  // FLEET_CONTROL_SOCKET_H_
