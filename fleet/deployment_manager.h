// Keeps deployments as their files say. It looks at the sessions that there are whenever something
// happens to one of them or a delay is over, has Reconcile decide, and does that through the
// supervisor. What is wanted stands on disk before anything is done, and what became of a place
// stands in its sessions' records: a manager that was killed at any point leaves nothing to tidy
// up, and the next one goes on from there.
//
// On the io_context's thread; probes of readiness run on the pool.
#ifndef FLEET_DEPLOYMENT_MANAGER_H_
#define FLEET_DEPLOYMENT_MANAGER_H_

#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fleet/deployment_plan.h"
#include "fleet/deployment_store.h"
#include "fleet/supervisor.h"

namespace sessionctl {

// What an apply did or, dry, would do.
struct AppliedDeployment {
  std::string name;
  int version = 0;  // of the deployment from now on; dry: as it is, 0 when there is none
  std::vector<PlanLine> plan;
};

struct DeploymentView {
  WantedDeployment wanted;
  std::vector<PlaceStatus> places;
  std::string message;  // why starts have to wait, "" when they do not
};

class DeploymentManager {
 public:
  // Both must outlive it.
  DeploymentManager(Supervisor& supervisor, boost::asio::thread_pool& pool);
  ~DeploymentManager();
  DeploymentManager(const DeploymentManager&) = delete;
  DeploymentManager& operator=(const DeploymentManager&) = delete;

  // Reads what is wanted and begins; once, after Supervisor::Adopt. Errors: those of
  // DeploymentStore::Open; every function below gives them from then on.
  absl::Status Open();

  // Makes `deployment` what is wanted under its name. `environment`: "K=V", what passes to its
  // sessions. `dry`: only tells the plan. Errors, of which each leaves everything as it was:
  // kFailedPrecondition (the name is that of a later version's file), kResourceExhausted (no room
  // for so many sessions; disk full), kPermissionDenied (disk read-only).
  absl::StatusOr<AppliedDeployment> Apply(Deployment deployment,
                                          std::vector<std::string> environment, bool dry);
  // Applies it again with other numbers of replicas, by session. Errors: kNotFound,
  // kInvalidArgument (too many), and those of Apply.
  absl::StatusOr<AppliedDeployment> Scale(const std::string& name,
                                          const std::map<std::string, int>& replicas, bool dry);
  // Stops all its sessions and forgets it, once they have ended. Errors: kNotFound, and those of
  // writing.
  absl::Status Remove(const std::string& name);

  std::vector<std::string> Names() const;
  // Errors: kNotFound.
  absl::StatusOr<DeploymentView> Inspect(const std::string& name);

  // Is there something that it has still to do, now or later?
  bool busy() const;
  // Does nothing more: the supervisor leaves.
  void Drain();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sessionctl

#endif  // FLEET_DEPLOYMENT_MANAGER_H_
