// A session in the foreground that leaves something behind (an overlay's changes) has a directory
// and a record in the store as a spawned one has, kept by `run` instead of a monitor. It has no
// control socket and no log: its streams are the caller's.
#ifndef SUPERVISOR_FOREGROUND_RECORD_H_
#define SUPERVISOR_FOREGROUND_RECORD_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/policy_compiler.h"
#include "sandbox/safe_file.h"
#include "supervisor/foreground_session.h"
#include "supervisor/kept_record.h"
#include "supervisor/session_store.h"

namespace sessionctl {

class ForegroundRecord {
 public:
  // Makes and publishes the session's directory, its lock held. Errors: those of the store.
  static absl::StatusOr<std::unique_ptr<ForegroundRecord>> Begin(
      const CompiledPolicy& policy, const std::string& id, const std::string& name,
      const std::vector<std::string>& command);

  int directory() const { return directory_->fd(); }

  // The command was executed, as `pid`.
  void Started(pid_t pid);
  // The session is over, its last process too: does with its overlays what the policy says. What
  // went wrong with them, which the record says as well.
  std::vector<std::string> End(const ForegroundOutcome& outcome);

 private:
  ForegroundRecord() = default;

  std::optional<SessionStore> store_;
  std::optional<SessionDirectory> directory_;
  std::optional<LockFile> lock_;
  KeptRecord record_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_FOREGROUND_RECORD_H_
