// What is on disk of the deployments of one user, beside the sessions (SessionStore):
//   deployments/NAME.json                   what is wanted, replaced as one step
//   deployments/NAME/SESSION-REPLICA.lock   locked by the monitor of the session in that place
// A file that cannot be read is set aside as NAME.json.set-aside; one of a later version stays
// where it is, and its name cannot be used. Neither touches a session that lives. All access is by
// sandbox/safe_file. Single-threaded use; no state but the held directory.
#ifndef FLEET_DEPLOYMENT_STORE_H_
#define FLEET_DEPLOYMENT_STORE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fleet/deployment_plan.h"
#include "sandbox/base/owned_fd.h"
#include "supervisor/session_store.h"

namespace sessionctl {

struct StoredDeployment {
  WantedDeployment wanted;
  std::vector<std::string> environment;  // "K=V": what environment.pass takes
};

struct DeploymentListing {
  std::vector<StoredDeployment> deployments;  // by name
  std::vector<std::string> later_versions;    // names that a later version wrote
  std::vector<std::string> messages;          // one a file that was set aside or left
};

class DeploymentStore {
 public:
  // Makes the directory when it is missing. Errors: kPermissionDenied, kInternal.
  static absl::StatusOr<DeploymentStore> Open(const SessionStore& sessions);

  DeploymentListing List() const;
  // Errors: kResourceExhausted (disk full), kPermissionDenied (read-only) …; the old file stands.
  absl::Status Write(const StoredDeployment& stored) const;
  // The file, and the directory of its locks: nothing of it may live or be starting. What is not
  // there is fine.
  absl::Status Remove(const std::string& name) const;

 private:
  explicit DeploymentStore(OwnedFd fd) : fd_(std::move(fd)) {}
  OwnedFd fd_;
};

}  // namespace sessionctl

#endif  // FLEET_DEPLOYMENT_STORE_H_
