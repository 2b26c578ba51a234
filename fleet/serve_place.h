// A supervisor's place in its state directory: the lock that only one supervisor holds, and the
// socket that clients find. Files that somebody removes meanwhile are made again.
#ifndef FLEET_SERVE_PLACE_H_
#define FLEET_SERVE_PLACE_H_

#include <sys/stat.h>

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/safe_file.h"
#include "supervisor/session_store.h"

namespace sessionctl {

class ServePlace {
 public:
  // Waits for one that is leaving; with `replace` it asks the one that runs to leave. Blocks.
  // `store` must outlive the place. Errors: kAlreadyExists (another one runs), those of files.
  static absl::StatusOr<ServePlace> Take(SessionStore& store, bool replace);

  // The listening socket, to be passed on once; from systemd when it gave one. To be called when
  // requests can be answered: clients find it from here on.
  absl::StatusOr<OwnedFd> Listen();

  // What a look at the names says.
  enum class Finding {
    kOurs,          // nothing was touched
    kSocketGone,    // Listen() again
    kDirectoryNew,  // the state directory was removed, and is there again with our lock
    kNoDirectory,   // it was removed, and cannot be made again now
    kLost,          // another supervisor has the place
  };
  Finding Look();

  // From here on clients find no socket; who has connected already can still be accepted.
  void StopBeingFound();

 private:
  explicit ServePlace(SessionStore& store) : store_(&store) {}
  bool HasLock() const;
  bool HasSocket() const;

  SessionStore* store_;
  std::optional<LockFile> lock_;
  OwnedFd listener_;  // once more; invalid: systemd's socket
  struct stat socket_ = {};
};

}  // namespace sessionctl

#endif  // FLEET_SERVE_PLACE_H_
