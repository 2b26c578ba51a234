// What is on disk of the sessions of one user: a private directory with one directory a session,
// named by the session's id, that holds
//   state.json    SessionRecord, replaced as one step
//   lock          locked by the session's monitor for as long as it lives
//   output.log    standard output and error of the command
//   audit.jsonl   audit events
//   policy.toml   the policy as resolved
// Directories whose name begins with a dot are sessions being made. All access is by
// sandbox/safe_file: somebody who can write here anyway still cannot redirect us. Single-threaded
// use; no state but the held directory, so several processes may work on one store at once.
#ifndef SUPERVISOR_SESSION_STORE_H_
#define SUPERVISOR_SESSION_STORE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/safe_file.h"

namespace sessionctl {

inline constexpr char kSessionLockFile[] = "lock";
inline constexpr char kSessionOutputFile[] = "output.log";
inline constexpr char kSessionAuditFile[] = "audit.jsonl";
inline constexpr char kSessionPolicyFile[] = "policy.toml";

// A process that is still the same one when both agree: ids are reused, start times are not.
struct ProcessIdentity {
  pid_t pid = 0;             // 0: none
  uint64_t start_ticks = 0;  // /proc/PID/stat field 22: clock ticks since boot
};

// The identity of a living process. Errors: kNotFound.
absl::StatusOr<ProcessIdentity> IdentifyProcess(pid_t pid);

// Sends `signal` to exactly that process, through a pidfd whose start time was compared. Errors:
// kNotFound (it has gone), kPermissionDenied.
absl::Status SignalProcess(const ProcessIdentity& process, int signal);

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
  std::string reason;  // "exited", "signal", "stopped", "start failed: …", "broker lost", "monitor
                       // lost", or the limit that ended it: "wall_time" …
};

// The exit code a shell would see: the code, 128 + signal, or 125 for a session that was lost.
int ShellExitCode(const SessionExit& exit);

struct SessionMount {
  std::string host;
  std::string mode;  // "ro" or "rw"
  std::optional<int64_t> max_bytes, max_files;
};

struct SessionLimit {
  std::string name;  // the key in [limits]
  double value = 0;  // bytes, seconds, a count, processors
  std::string by;    // what holds it: "rlimit" …
};

struct SessionRecord {
  std::string id;
  std::string name;
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
  std::vector<std::string> missing_walls;
  std::string user;                       // whom it runs as
  std::vector<std::string> capabilities;  // what it keeps
  std::vector<std::string> warnings;
  std::vector<SessionLimit> limits;

  bool ended_already() const {
    return state != SessionState::kStarting && state != SessionState::kRunning;
  }
};

// JSON of a record, as in state.json and `inspect`. Bytes that are not UTF-8 become U+FFFD.
std::string RecordToJson(const SessionRecord& record);
std::string RecordsToJson(const std::vector<SessionRecord>& records);
// Errors: kDataLoss with what is wrong.
absl::StatusOr<SessionRecord> RecordFromJson(const std::string& json);

// "2026-01-31T12:00:00.000Z".
std::string CurrentTimestamp();

// Twelve hexadecimal digits from getrandom(2).
std::string NewSessionId();

// One session's directory, held open.
class SessionDirectory {
 public:
  SessionDirectory(std::string id, OwnedFd fd) : id_(std::move(id)), fd_(std::move(fd)) {}

  const std::string& id() const { return id_; }
  int fd() const { return fd_.get(); }

  // The record as written. Errors: kNotFound, kDataLoss.
  absl::StatusOr<SessionRecord> ReadRecord() const;
  absl::Status WriteRecord(const SessionRecord& record, Durability durability) const;

  // The record as it is: a session that says it runs but whose monitor holds no lock is kLost.
  absl::StatusOr<SessionRecord> CurrentRecord() const;

  // Does the monitor live?
  bool IsLocked() const;

 private:
  std::string id_;
  OwnedFd fd_;
};

class SessionStore {
 public:
  // $SESSIONCTL_STATE_DIR, else for root /run/sessionctl, else $XDG_RUNTIME_DIR/sessionctl when
  // that directory is ours, else $XDG_STATE_HOME/sessionctl or ~/.local/state/sessionctl with HOME
  // from the environment or the password database. Errors: kFailedPrecondition when none of these
  // is known.
  static absl::StatusOr<std::string> DefaultPath();

  // Makes the directory when it is missing. Errors: kPermissionDenied (somebody else's, or open to
  // others).
  static absl::StatusOr<SessionStore> Open(const std::string& path);
  static absl::StatusOr<SessionStore> OpenDefault();

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }

  // A new session's directory under a dotted name, invisible until Publish.
  absl::StatusOr<SessionDirectory> Create(const std::string& id) const;
  absl::Status Publish(const SessionDirectory& session) const;
  // Removes one that was not published.
  void Discard(const SessionDirectory& session) const;

  // Errors: kNotFound.
  absl::StatusOr<SessionDirectory> Find(const std::string& id) const;

  // The sessions there are, oldest first; what cannot be read is left out.
  std::vector<SessionRecord> List() const;

  // The one session that `reference` means: an id, else a name, else the beginning of an id.
  // Errors: kNotFound, kInvalidArgument (several).
  absl::StatusOr<std::string> Resolve(const std::string& reference) const;

  // Removes an ended session's directory. Errors: kFailedPrecondition (its monitor lives),
  // kNotFound.
  absl::Status Remove(const std::string& id) const;

  // Removes what interrupted starts left behind (older than a minute and locked by nobody).
  void RemoveAbandonedStarts() const;

 private:
  SessionStore(std::string path, OwnedFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::vector<std::string> EntryNames() const;

  std::string path_;
  OwnedFd fd_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_STORE_H_
