#include "supervisor/foreground_record.h"

#include <unistd.h>

#include <utility>

#include "policy/policy_parser.h"
#include "supervisor/session_changes.h"

namespace sessionctl {

absl::StatusOr<std::unique_ptr<ForegroundRecord>> ForegroundRecord::Begin(
    const CompiledPolicy& policy, const std::string& id, const std::string& name,
    const std::vector<std::string>& command) {
  std::unique_ptr<ForegroundRecord> made(new ForegroundRecord);
  absl::StatusOr<SessionStore> store = SessionStore::OpenDefault();
  if (!store.ok()) return store.status();
  made->store_ = *std::move(store);
  absl::StatusOr<SessionDirectory> directory = made->store_->Create(id);
  if (!directory.ok()) return directory.status();
  made->directory_ = *std::move(directory);
  const int fd = made->directory();
  SysResult<LockFile> lock = LockFile::Acquire(fd, kSessionLockFile, LockWait::kBlock);
  if (!lock.ok()) return absl::ErrnoToStatus(lock.error(), kSessionLockFile);
  made->lock_ = std::move(*lock);
  SysStatus written = CreateFileBeneath(fd, kSessionPolicyFile, PolicyToToml(policy.policy), 0600);
  if (!written.ok()) return absl::ErrnoToStatus(written.error(), kSessionPolicyFile);
  SessionRecord& record = made->record_.value;
  record.id = id;
  record.name = name;
  record.command = command;
  record.created = CurrentTimestamp();
  absl::StatusOr<ProcessIdentity> self = IdentifyProcess(getpid());
  if (!self.ok()) return self.status();
  record.monitor = *self;
  made->record_.Describe(policy);
  if (absl::Status begun = made->record_.Begin(*made->directory_); !begun.ok()) return begun;
  if (absl::Status shown = made->store_->Publish(*made->directory_); !shown.ok()) return shown;
  return made;
}

void ForegroundRecord::Started(pid_t pid) {
  if (absl::StatusOr<ProcessIdentity> identity = IdentifyProcess(pid); identity.ok()) {
    record_.value.process = *identity;
  }
  record_.value.state = SessionState::kRunning;
  record_.value.started = CurrentTimestamp();
  record_.Save();
}

std::vector<std::string> ForegroundRecord::End(const ForegroundOutcome& outcome) {
  SessionRecord& record = record_.value;
  std::vector<std::string> failures;
  if (outcome.started) failures = EndSessionOverlays(directory());
  record.warnings.insert(record.warnings.end(), failures.begin(), failures.end());
  record.mediated_calls = outcome.mediated_calls;
  record.denials = outcome.denials;
  record.state = outcome.started ? SessionState::kExited : SessionState::kFailed;
  SessionExit exit = {.code = outcome.exit_code, .signal = {}, .reason = "exited"};
  if (outcome.signal != 0) exit = {.code = {}, .signal = outcome.signal, .reason = "signal"};
  if (outcome.ended != SessionEnd::kNone) exit.reason = SessionEndName(outcome.ended);
  if (!outcome.error.empty()) {
    exit.reason = (outcome.started ? "" : "start failed: ") + outcome.error;
  }
  record.exit = std::move(exit);
  record.ended = CurrentTimestamp();
  record_.SaveLast();
  lock_.reset();
  return failures;
}

}  // namespace sessionctl
