// What a deployment needs: pure functions of what is wanted, what was found, and how long ago
// things happened. No clock, no I/O, nothing remembered: all that a restart depends on stands in
// the records of the place's sessions, so a supervisor that has just started decides as the one
// before it would have. Any thread.
//
// A place is one replica of one [[session]] of a deployment. The latest session of a place says
// what became of it; at most one session of a place lives (its lock), and should two be found, one
// is stopped.
#ifndef FLEET_DEPLOYMENT_PLAN_H_
#define FLEET_DEPLOYMENT_PLAN_H_

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policy/deployment.h"
#include "supervisor/session_record.h"

namespace sessionctl {

using Milliseconds = std::chrono::milliseconds;
// The name of the [[session]] and the replica, from 1.
using PlaceName = std::pair<std::string, int>;

// One session of a deployment, as found.
struct PlacedSession {
  std::string id;
  SessionPlace place;
  std::string created;  // only to tell which of two is the later one
  bool alive = false;
  bool ready = false;               // it is, or was
  bool stopping = false;            // somebody has asked it to end
  Milliseconds age{0};              // since its start, or since its end when it has ended
  Milliseconds run{0};              // how long it ran, of an ended one
  std::optional<SessionExit> exit;  // of an ended one; missing: nobody knows
};

// What should run.
struct WantedDeployment {
  Deployment deployment;
  int version = 1;        // counts what was applied under this name
  bool removing = false;  // nothing should run, and nothing should be left
  // Ids of sessions that had ended, or were about to, when it was applied: what they left their
  // places in (a failure, a crash loop, stopped) is forgotten.
  std::set<std::string> retried = {};
};

enum class PlaceState {
  kWaiting,    // to be started, or just being started
  kStarting,   // its command runs and is not ready yet
  kRunning,    // ready
  kStopping,   // asked to end: it is to be replaced or is not wanted any more
  kBackoff,    // ended; is started again later
  kCompleted,  // ended with exit code 0, and that was all
  kFailed,     // ended otherwise, and is not started again
  kCrashLoop,  // too many short runs in a row
  kStopped,    // stopped by a person
};
const char* PlaceStateName(PlaceState state);

struct PlaceStatus {
  PlaceName place;
  PlaceState state = PlaceState::kWaiting;
  std::string id;                          // of the latest session, "" when there is none
  int restarts = 0;                        // of the latest session's place
  int failures = 0;                        // short runs in a row, the latest included
  std::optional<Milliseconds> restart_in;  // of kBackoff
  std::optional<SessionExit> exit;         // of the latest session, when it has ended
};

// A session to start. Its SessionPlace is complete.
struct PlaceStart {
  SessionPlace place;
};

struct Actions {
  std::vector<PlaceStart> start;
  std::vector<std::string> stop;      // ids: as each one's own rule says
  std::vector<std::string> kill;      // ids: not ready in time
  std::vector<std::string> remove;    // ids: ended, and needed for nothing any more
  std::optional<Milliseconds> again;  // look again after that time; else when something happens
  std::vector<PlaceStatus> places;    // in the order of the file
  bool gone = false;                  // a deployment to be removed of which nothing is left
};

// `starting`: places whose start is under way; they are left alone.
Actions Reconcile(const WantedDeployment& wanted, const std::vector<PlacedSession>& found,
                  const std::vector<PlaceName>& starting);

// How long after its end a place is started again whose latest `failures` runs were short ones.
Milliseconds RestartDelay(const RestartRule& rule, int failures);

enum class PlanAction { kStart, kReplace, kStop, kUpdate, kKeep };

// What an apply would do to some replicas of one [[session]].
struct PlanLine {
  PlanAction action = PlanAction::kKeep;
  std::string session;
  std::vector<int> replicas;  // ascending
  std::string reason;         // "" where the action says it all
};

// What applying `after` would do. `before`: what was applied last under that name, if anything.
std::vector<PlanLine> PlanDeployment(const std::optional<WantedDeployment>& before,
                                     const Deployment& after,
                                     const std::vector<PlacedSession>& found);

// One line a PlanLine, for people; "nothing to do" when all is kept.
std::string PlanText(const std::vector<PlanLine>& plan);

// "1-3,7".
std::string RangesText(const std::vector<int>& numbers);

}  // namespace sessionctl

#endif  // FLEET_DEPLOYMENT_PLAN_H_
