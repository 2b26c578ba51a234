// What the parts of the deployment manager share (deployment_manager.cc, deployment_actions.cc); of
// no concern to others.
#ifndef FLEET_DEPLOYMENT_STATE_H_
#define FLEET_DEPLOYMENT_STATE_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fleet/deployment_manager.h"
#include "fleet/deployment_sessions.h"

namespace sessionctl {

// A start that left nothing in the store (a policy that does not compile, a full disk): what is
// remembered of it is all there is.
struct FailedStart {
  PlacedSession session;
  SteadyTime at;
};

// A place in which somebody lives whom we do not see: left alone for a while.
struct HeldPlace {
  SteadyTime until;
  Milliseconds delay{0};
};

struct DeploymentEntry {
  explicit DeploymentEntry(boost::asio::io_context& io) : timer(io) {}
  StoredDeployment stored;
  boost::asio::steady_timer timer;
  std::optional<SteadyTime> look_at;  // the timer runs
  Milliseconds cost{0};               // of the last look
  std::set<PlaceName> flying;         // starts that we asked for
  std::map<PlaceName, FailedStart> failed;
  std::map<PlaceName, HeldPlace> held;
  std::optional<std::vector<PlaceStatus>> places;  // at the last look
  std::string message;
  bool crowded_out = false;  // starts wait until others have ended
};

struct DeploymentManager::State : std::enable_shared_from_this<DeploymentManager::State> {
  State(Supervisor& the_supervisor, boost::asio::thread_pool& the_pool)
      : supervisor(the_supervisor),
        pool(the_pool),
        io(the_supervisor.io()),
        memory(the_supervisor.store()),
        probe_timer(io) {}

  // deployment_manager.cc
  DeploymentEntry& EntryOf(const std::string& name);
  absl::Status CheckName(const std::string& name) const;
  absl::StatusOr<AppliedDeployment> Apply(Deployment deployment,
                                          std::vector<std::string> environment, bool dry);
  absl::Status Keep(const StoredDeployment& stored);
  void HandleEvent(const FleetEvent& event);
  void Publish(const std::string& type, const std::string& name, const std::string& message);

  // deployment_actions.cc
  void Schedule(DeploymentEntry& entry, Milliseconds after);
  std::vector<PlacedSession> FindSessions(const std::string& name);
  Actions Decide(DeploymentEntry& entry);
  void Look(const std::string& name);
  void Act(DeploymentEntry& entry, const Actions& actions);
  void Start(DeploymentEntry& entry, const std::vector<PlaceStart>& starts);
  void HandleStart(const std::string& name, const SessionPlace& place, const SpawnResult& result);
  void TellChanges(const DeploymentEntry& entry, const std::vector<PlaceStatus>& places);
  void Forget(const std::string& name);

  // deployment_probes.cc
  void ProbeSoon(Milliseconds after);
  void Probe();
  void HandleReady(const std::vector<std::string>& ids, Milliseconds cost);

  Supervisor& supervisor;
  boost::asio::thread_pool& pool;
  boost::asio::io_context& io;
  std::optional<DeploymentStore> store;
  absl::Status unusable;  // why there is no store
  std::map<std::string, std::unique_ptr<DeploymentEntry>> entries;
  std::set<std::string> later_versions;
  SessionMemory memory;
  boost::asio::steady_timer probe_timer;
  bool probing = false;  // the timer runs, or the pool works
  int flying = 0;        // of all entries together
  std::optional<Supervisor::WatchId> watch;
  bool draining = false;
};

}  // namespace sessionctl

#endif  // FLEET_DEPLOYMENT_STATE_H_
