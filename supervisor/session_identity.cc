#include "supervisor/session_identity.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/credentials.h"
#include "sandbox/privileges.h"

namespace sessionctl {
namespace {

// Raising is everybody's right. The broker shares it: without it there is no session.
absl::Status RaiseOomScore(int least) {
  constexpr char kFile[] = "/proc/self/oom_score_adj";
  SysResult<std::string> text = ReadSmallFile(AT_FDCWD, kFile, 16);
  const int own = text.ok() ? atoi(text->c_str()) : 0;
  const int score = SessionOomScore(own, least);
  if (score == own) return absl::OkStatus();
  const std::string value = std::to_string(score);
  SysResult<OwnedFd> file = OpenAt(AT_FDCWD, kFile, O_WRONLY);
  SysStatus written =
      file.ok() ? WriteAll(file->get(), value.data(), value.size()) : Errno(file.error());
  if (written.ok() || least == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("process.oom_score_adj ", value, ": ", strerror(written.error())));
}

// What the session does natively in a mount goes by the host's path.
absl::Status CheckMountsAreReachable(const SessionView& view, const std::string& user) {
  for (const MountView& mount : view.mounts()) {
    const std::string& host = mount.rules->mount.host;
    if (faccessat(AT_FDCWD, host.c_str(), X_OK, AT_EACCESS) == 0) continue;
    return absl::PermissionDeniedError(
        absl::StrCat("mount ", host, ": user ", user, " cannot enter it: ", strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace

Privileges PlanPrivileges(const SessionIdentity& identity) {
  Privileges privileges;
  if (identity.changes) {
    privileges.become =
        UserAndGroups{.uid = identity.uid, .gid = identity.gid, .groups = identity.groups};
  }
  privileges.kept = identity.kept;
  if (identity.credentials_may_change) privileges.own = CapabilitiesForOtherUsers();
  return privileges;
}

int SessionOomScore(int callers, int least) { return std::max(callers, least); }

absl::Status TakeOomScore(const CompiledPolicy& policy) {
  return RaiseOomScore(policy.policy.process.oom_score_adj);
}

absl::Status TakeIdentity(const CompiledPolicy& policy, SessionView* view) {
  if (SysStatus assumed = AssumePrivileges(PlanPrivileges(policy.identity)); !assumed.ok()) {
    return absl::InternalError(absl::StrCat("dropping privileges: ", strerror(assumed.error())));
  }
  SysResult<FileCredentials> own = CurrentCredentials();
  if (!own.ok()) return absl::InternalError(absl::StrCat("capget: ", strerror(own.error())));
  view->SetOwnCredentials(std::move(*own));
  if (!policy.identity.changes) return absl::OkStatus();
  return CheckMountsAreReachable(*view, policy.identity.user);
}

void PlanAttributes(const CompiledPolicy& policy, LaunchPlan* plan) {
  const ProcessPolicy& process = policy.policy.process;
  if (policy.identity.credentials_may_change) plan->keep_only = policy.identity.kept;
  if (!process.umask.empty()) {
    plan->umask = static_cast<mode_t>(strtoul(process.umask.c_str(), nullptr, 8));
  }
  plan->nice = process.nice;
  const std::vector<std::string>& allowed = process.allow_groups;
  plan->needs_own_keyring = std::find(allowed.begin(), allowed.end(), "keyring") != allowed.end();
}

}  // namespace sessionctl
