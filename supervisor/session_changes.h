// What a session has changed in its overlays, and what becomes of it: looked at, committed,
// discarded. Works on the session's directory in the store alone, so that anybody who may read it
// can do it: the supervisor for its clients, the monitor when the session ends. May take as long as
// copying takes: not for a thread that others wait for.
#ifndef SUPERVISOR_SESSION_CHANGES_H_
#define SUPERVISOR_SESSION_CHANGES_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/policy.h"
#include "supervisor/overlay/changes.h"
#include "supervisor/overlay/commit.h"
#include "supervisor/overlay/diff_text.h"

namespace sessionctl {

// Asked now and then; true: give up.
using StopAsked = std::function<bool()>;

struct MountChanges {
  std::string host, guest;
  OnExit on_exit = OnExit::kKeep;
  std::vector<OverlayChange> changes;
};

// One a mount in overlay mode, in the policy's order; none where the session has none. The session
// may run: then it is what was seen on the way. A commit that was interrupted is finished or undone
// first. Errors: kFailedPrecondition (the lower directory is another one now, or gone), kCancelled,
// kUnavailable (a commit is at work), and those of FindChanges.
absl::StatusOr<std::vector<MountChanges>> ReadSessionChanges(int session, const StopAsked& stop);

// The same as text, with a line that names the mount where there are several.
absl::StatusOr<std::string> ReadSessionDiff(int session, DiffForm form, const StopAsked& stop);

struct SessionCommit {
  // As the session saw them, or relative to the mount where it has one overlay only; none:
  // everything.
  std::vector<std::string> paths;
  bool dry_run = false, force = false, keep_privileges = false;
  StopAsked stop;
};
struct MountCommit {
  std::string host, guest;
  CommitReport report;
};

// All or nothing for each mount; where one has conflicts, none is begun (`committed` of none is
// set). The session must have ended. Errors: kFailedPrecondition: it runs, or has no overlay;
// kNotFound, kInvalidArgument: a path; those of CommitChanges.
absl::StatusOr<std::vector<MountCommit>> CommitSessionChanges(int session,
                                                              const SessionCommit& commit);

// Errors: kFailedPrecondition: it runs, or has no overlay.
absl::Status DiscardSessionChanges(int session);

// Finishes or undoes what was interrupted. What cannot be done says so, mount by mount.
std::vector<std::string> RecoverSessionChanges(int session);

// What the policy says of each mount (`on_exit`), when everybody in the session has ended. What
// went wrong, for the session's record; the changes are kept then.
std::vector<std::string> EndSessionOverlays(int session);

// Is a commit of its changes at work, or was one interrupted that must be finished or undone before
// the session may be forgotten? "": no.
std::string WhatHoldsSessionChanges(int session);

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_CHANGES_H_
