// What is on disk of the sessions of one user: a private directory with one directory a session,
// named by the session's id, that holds
//   state.json    SessionRecord, replaced as one step
//   lock          locked by the session's monitor for as long as it lives
//   output.log    standard output and error of the command
//   audit.jsonl   audit events
//   policy.toml   the policy as resolved
//   spawn.json    how it was started, as the supervisor says it to start one like it
// Directories whose name begins with a dot are sessions being made. All access is by
// sandbox/safe_file: somebody who can write here anyway still cannot redirect us. Single-threaded
// use; no state but the held directory, so several processes may work on one store at once.
#ifndef SUPERVISOR_SESSION_STORE_H_
#define SUPERVISOR_SESSION_STORE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/safe_file.h"
#include "supervisor/session_record.h"

namespace sessionctl {

inline constexpr char kSessionLockFile[] = "lock";
inline constexpr char kSessionOutputFile[] = "output.log";
inline constexpr char kSessionAuditFile[] = "audit.jsonl";
inline constexpr char kSessionPolicyFile[] = "policy.toml";
inline constexpr char kSessionSpecFile[] = "spawn.json";

// One session's directory, held open.
class SessionDirectory {
 public:
  SessionDirectory(std::string id, OwnedFd fd) : id_(std::move(id)), fd_(std::move(fd)) {}

  const std::string& id() const { return id_; }
  int fd() const { return fd_.get(); }

  // The record as written. Errors: kNotFound, kDataLoss.
  absl::StatusOr<SessionRecord> ReadRecord() const;
  absl::Status WriteRecord(const SessionRecord& record, Durability durability) const;
  // The first one, before the session is published.
  absl::Status WriteFirstRecord(const SessionRecord& record) const;
  // The last one, into the file `reserve`, which has room for it; on disk on return.
  absl::Status WriteLastRecord(const SessionRecord& record, const std::string& reserve) const;

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

  // Is the held directory still the one at path()?
  bool IsInPlace() const;
  // Holds the directory at path() from now on, under the same descriptor, and makes it when it is
  // missing. Errors: those of Open; then the old one stays.
  absl::Status Reopen();

  // A new session's directory under a dotted name, invisible until Publish.
  absl::StatusOr<SessionDirectory> Create(const std::string& id) const;
  absl::Status Publish(const SessionDirectory& session) const;
  // Removes one that was not published.
  void Discard(const SessionDirectory& session) const;

  // Errors: kNotFound.
  absl::StatusOr<SessionDirectory> Find(const std::string& id) const;

  // Every name in the store that could be a session's, in no order.
  std::vector<std::string> Ids() const;

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
