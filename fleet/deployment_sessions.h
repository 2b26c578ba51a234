// Between what a deployment says and what the supervisor knows: the spec of a session to start,
// and what became of one that was started. On the io_context's thread.
#ifndef FLEET_DEPLOYMENT_SESSIONS_H_
#define FLEET_DEPLOYMENT_SESSIONS_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "fleet/deployment_plan.h"
#include "fleet/deployment_store.h"
#include "fleet/supervisor.h"

namespace sessionctl {

using SteadyTime = std::chrono::steady_clock::time_point;

// How the session in `place` is started. It is called DEPLOYMENT.SESSION.REPLICA.
SpawnSpec MakeSpec(const StoredDeployment& stored, const SessionPlace& place);

// The probe of a session that runs, variables expanded.
ReadyProbe ProbeOf(const Deployment& deployment, const DeploymentSession& session,
                   const SessionPlace& place, const std::string& id);

// Milliseconds between two timestamps of records, by the wall clock; 0 when one of them is missing
// or the clock was set back meanwhile.
Milliseconds WallTimeBetween(const std::string& from, const std::string& to);

// When things happened to sessions, by the monotonic clock, and whether they became ready. Of what
// happened before this supervisor there are only the records.
class SessionMemory {
 public:
  explicit SessionMemory(const SessionStore& store) : store_(store) {}

  void NoteStarted(const std::string& id) { seen_[id].started = Clock::now(); }
  void NoteEnded(const std::string& id) { seen_[id].ended = Clock::now(); }
  void NoteReady(const std::string& id);
  void Forget(const std::string& id) { seen_.erase(id); }

  // `probed`: its definition says when it is ready.
  PlacedSession Place(const KnownSession& session, bool probed);

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    std::optional<SteadyTime> started, ended;
    std::optional<bool> ready;  // nullopt: the session's directory knows
  };
  bool IsKnownReady(const std::string& id, Seen& seen);
  Milliseconds AgeOf(const KnownSession& session, Seen& seen);

  const SessionStore& store_;
  std::map<std::string, Seen> seen_;
};

}  // namespace sessionctl

#endif  // FLEET_DEPLOYMENT_SESSIONS_H_
