// Plain values of a deployment: what the policy file says should run, before any process is asked.
// No behaviour, no I/O; copyable. policy_parser makes them, fleet/deployment_plan acts on them.
#ifndef POLICY_DEPLOYMENT_H_
#define POLICY_DEPLOYMENT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "policy/policy.h"
#include "policy/policy_keys.h"

namespace sessionctl {

// kOnFailure: after any end but exit code 0.
enum class RestartWhen { kNever, kOnFailure, kAlways };

// When a session that ended is started again. Times are milliseconds.
struct RestartRule {
  RestartWhen when = RestartWhen::kNever;
  int64_t delay = 1'000;           // before the first restart; doubles with each short run
  int64_t delay_max = 60'000;      // and grows no further
  int limit = 10;                  // short runs in a row, then no more restarts; 0: no limit
  int64_t healthy_after = 10'000;  // a run that lasted this long is no short one
};

// When a session counts as ready; without either, once its command runs.
struct ReadyProbe {
  std::string file;    // this path in one of its mounts exists
  std::string output;  // a line of its output contains this
};

// One [[session]]: `replicas` sessions that are alike.
struct DeploymentSession {
  std::string name;
  std::vector<std::string> command;
  int replicas = 1;
  RestartRule restart;
  std::vector<Mount> mounts;                             // beside the file's own
  std::vector<std::pair<std::string, KeyValue>> limits;  // keys of [limits], over the file's own
  std::map<std::string, std::string> environment;        // over environment.set
  bool stdin_open = false;
  std::map<std::string, std::string> labels;
  int64_t start_timeout = kUnlimited;  // milliseconds from the start until it is ready
  ReadyProbe ready;
  std::string stop_signal = "TERM";
  int64_t stop_timeout = 10'000;  // milliseconds
  SourceLocation where;
};

// A file without [deployment] and [[session]] is a deployment without a name.
struct Deployment {
  std::string name;
  std::map<std::string, std::string> labels;  // of every session
  std::vector<DeploymentSession> sessions;
  SessionPolicy policy;  // what all sessions have in common
};

inline constexpr int kMaxReplicas = 10'000;  // of a deployment, all sessions together

}  // namespace sessionctl

#endif  // POLICY_DEPLOYMENT_H_
