// What is known of one session, as plain values and as JSON: the content of state.json and the
// answer of the control API. No I/O.
#ifndef SUPERVISOR_SESSION_RECORD_H_
#define SUPERVISOR_SESSION_RECORD_H_

#include <signal.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "supervisor/process_identity.h"

namespace sessionctl {

enum class SessionState {
  kStarting,
  kRunning,
  kExited,  // the command ended, or was made to
  kFailed,  // the command never ran
  kLost,    // broker or monitor were killed; the session died with them
};
const char* SessionStateName(SessionState state);

struct SessionExit {
  std::optional<int> code;    // exit status of the command, 124 at a time limit, or 125, 126, 127
                              // when it never ran
  std::optional<int> signal;  // the signal that ended it
  std::string reason;  // "exited", "signal", "stopped", "start failed: …", "policy error: …",
                       // "broker lost", "monitor lost", or the limit that ended it: "wall_time" …
};

// The exit code a shell would see: the code, 128 + signal, or 125 for a session that was lost.
int ShellExitCode(const SessionExit& exit);

struct SessionMount {
  std::string host;
  std::string mode;        // "ro", "rw" or "overlay"
  std::string guest = {};  // where the session sees it; "": a record of before this was kept
  bool added = false;      // while the session ran
  std::optional<int64_t> max_bytes, max_files;
};

struct SessionLimit {
  std::string name;  // the key in [limits]
  double value = 0;  // bytes, seconds, a count, processors
  std::string by;    // what holds it: "rlimit" …
};

// A session's place in a deployment. Of one place only one session lives at a time.
struct SessionPlace {
  std::string deployment;  // "": none
  std::string session;     // its name in the deployment file
  int replica = 0;         // from 1
  int restarts = 0;        // how often this place was started again before
  int failures = 0;        // how many short runs in a row there were before this one
  int version = 0;         // of the deployment when it was started: counts what was applied
  std::string definition;  // what it was started with: DefinitionId of policy/deployment_policy
};

// How a session is asked to end.
struct StopRule {
  int signal = SIGTERM;
  int64_t timeout = 10'000;  // milliseconds, then the whole tree is killed
};

// What the session has used, all processes together; known when it has ended.
struct SessionUsage {
  int64_t cpu_user = 0;     // microseconds
  int64_t cpu_system = 0;   // microseconds
  int64_t peak_memory = 0;  // bytes: the largest process's resident set, or the cgroup's peak
};

// Written into every record. A record of a later version is not read.
inline constexpr int kSessionRecordVersion = 1;

struct SessionRecord {
  std::string id;
  std::string name;
  std::map<std::string, std::string> labels;
  SessionPlace place;
  std::vector<std::string> command;
  std::vector<SessionMount> mounts;
  ProcessIdentity monitor;
  ProcessIdentity broker;
  ProcessIdentity process;  // the command
  SessionState state = SessionState::kStarting;
  std::string created;  // RFC 3339, UTC, milliseconds
  std::string started;  // "" until then
  std::string ended;
  std::optional<SessionExit> exit;
  uint64_t mediated_calls = 0;  // known at the end
  uint64_t denials = 0;
  uint64_t output_bytes = 0;       // in the log, those it has dropped since included; at the end
  uint64_t output_lost_bytes = 0;  // what a full disk did not take
  std::vector<std::string> missing_walls;
  std::string user;                       // whom it runs as
  std::vector<std::string> capabilities;  // what it keeps
  std::vector<std::string> warnings;
  std::vector<SessionLimit> limits;
  StopRule stop;
  bool terminal = false;  // the command has a terminal of its own
  std::optional<SessionUsage> usage;

  bool ended_already() const {
    return state != SessionState::kStarting && state != SessionState::kRunning;
  }
};

// One of a record's mounts, as in the record.
nlohmann::ordered_json SessionMountToJson(const SessionMount& mount);

// JSON of a record, as in state.json and `inspect`. Bytes that are not UTF-8 become U+FFFD.
nlohmann::ordered_json RecordToJsonValue(const SessionRecord& record);
std::string RecordToJson(const SessionRecord& record);
std::string RecordsToJson(const std::vector<SessionRecord>& records);
// Errors: kDataLoss with what is wrong; kUnimplemented: written by a later version.
absl::StatusOr<SessionRecord> RecordFromJson(const std::string& json);

// "2026-01-31T12:00:00.000Z".
std::string CurrentTimestamp();

// Twelve hexadecimal digits from getrandom(2).
std::string NewSessionId();
bool IsSessionId(std::string_view name);

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_RECORD_H_
