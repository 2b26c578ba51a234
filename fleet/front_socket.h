// The socket of the system-wide front: in a directory that only root changes, for one group.
#ifndef FLEET_FRONT_SOCKET_H_
#define FLEET_FRONT_SOCKET_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/safe_file.h"

namespace sessionctl {

// The file goes with the object, unless systemd has made it.
class FrontSocket {
 public:
  // Errors: kAlreadyExists (another front holds the lock), kNotFound (the group), kPermissionDenied
  // (the directory is not root's alone).
  static absl::StatusOr<FrontSocket> Open(const std::string& path, const std::string& group);
  ~FrontSocket();
  FrontSocket(FrontSocket&&) = default;
  FrontSocket& operator=(FrontSocket&&) = delete;

  int fd() const { return listener_.get(); }
  // All of it, also its part in the lock; the file stays.
  void CloseInChild() {
    listener_.Reset();
    lock_.reset();
    directory_.Reset();
  }

 private:
  FrontSocket() = default;

  OwnedFd listener_;
  OwnedFd directory_;
  std::optional<LockFile> lock_;
  std::string name_;  // "": not ours to remove
};

}  // namespace sessionctl

#endif  // FLEET_FRONT_SOCKET_H_
