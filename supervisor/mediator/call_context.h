// One mediated call on its way through a handler: who asks, what is held, what was decided. Lives
// on the worker's stack.
#ifndef SUPERVISOR_MEDIATOR_CALL_CONTEXT_H_
#define SUPERVISOR_MEDIATOR_CALL_CONTEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "policy/access_check.h"
#include "sandbox/credentials.h"
#include "sandbox/notifier.h"
#include "sandbox/remote_task.h"
#include "supervisor/mediator/blocking_calls.h"
#include "supervisor/mediator/bound_names.h"
#include "supervisor/mediator/current_view.h"
#include "supervisor/mediator/mount_table.h"
#include "supervisor/mediator/path_resolver.h"
#include "supervisor/mediator/session_view.h"
#include "supervisor/mediator/terminals.h"

namespace sessionctl {

class CallContext {
 public:
  CallContext(const ViewInUse& view, const Notifier& notifier, BlockingCalls& blocking,
              Terminals& terminals, BoundNames& bound_names, MountTable& mount_table,
              const Notification& call)
      : view_(view),
        session_(*view.session),
        notifier_(notifier),
        blocking_(blocking),
        terminals_(terminals),
        bound_names_(bound_names),
        mount_table_(mount_table),
        task_(session_.proc(), call.tid),
        resolver_(session_, task_, refusal_),
        id_(call.id) {}
  CallContext(const CallContext&) = delete;
  CallContext& operator=(const CallContext&) = delete;

  const SessionView& session() const { return session_; }
  const RemoteTask& task() const { return task_; }
  const PathResolver& resolver() const { return resolver_; }
  // Makes a system call that may sleep for another process; see BlockingCalls::Run.
  template <typename Call>
  auto MayBlock(Call call) {
    const WaitingCall waiting(view_);
    return blocking_.Run(task_, id_, std::move(call));
  }
  Terminals& terminals() { return terminals_; }
  BoundNames& bound_names() { return bound_names_; }
  MountTable& mount_table() { return mount_table_; }
  const Notifier& notifier() const { return notifier_; }
  uint64_t id() const { return id_; }

  // Ask before each side effect (trap 18).
  bool StillWaiting() const { return notifier_.StillWaiting(id_); }
  // Ask instead before a side effect on what a path or descriptor led to: a mount that it may lie
  // in can have been taken off. Then, too, the answer is Reply::CallerGone, before anything was
  // done. `has_effect`: else it does not matter whether the caller is there still.
  bool MayAct(bool has_effect = true) const {
    return !view_.over && (!has_effect || StillWaiting());
  }

  // The verdict on an existing object; 0 or the errno to answer with. Decided by where the pinned
  // object really is.
  int CheckObject(Operation operation, const PinnedObject& object);
  // The same where the session gets a copy (MountTable) in place of an object that it may not read.
  int CheckCopy(const PinnedObject& object);
  // The verdict on a name in a pinned directory. `other` is the other end of a rename or link.
  int CheckName(Operation operation, const PinnedParent& parent,
                const PinnedParent* other = nullptr);
  // The verdict on giving `source` a second name in `to`.
  int CheckLinkSource(const PinnedObject& source, const PinnedParent& to);
  // The verdict on changing the metadata of the object behind a caller's own descriptor.
  int CheckDescriptorMetadata(const PinnedObject& object);

  // Takes a verdict that was made elsewhere: 0, or the errno to answer with.
  int Take(const Verdict& verdict);

  // Where the session keeps capabilities: this worker thread acts on files with the caller's user,
  // groups and capabilities for as long as the context lives. Errors: ESRCH when the caller is
  // gone; EPERM when the broker may not take them on.
  SysStatus AdoptCredentials();
  // Gives this worker thread the caller's umask, so that the kernel applies it (default ACLs
  // included, trap 24).
  SysStatus AdoptUmask();
  // Has the caller no descriptor left? Then an open must fail before it creates or truncates
  // anything. Quicker after AdoptUmask.
  bool DescriptorTableIsFull() const;

  // Is `size` beyond the caller's RLIMIT_FSIZE? Then it gets the signal that the kernel would send,
  // SIGXFSZ.
  bool ExceedsFileSizeLimit(int64_t size) const;

  // Refuses for a reason that is no rule about paths: notes it for the audit, returns `error`.
  int NoteRefusal(int error, const char* reason) { return refusal_.Note(error, reason).value; }
  // Refuses by a limit of a mount; 0 when there is nothing to refuse.
  int CheckQuota(int error) {
    if (error == 0) return 0;
    const char* const full = error == EDQUOT   ? "mount: max_bytes or max_files"
                             : error == ENOSPC ? "mount: overlay_size"
                                               : "mount: too many open files";
    return refusal_.Note(error, full).value;
  }

  // Which rule refused the call, once it is answered.
  const Refusal& refusal() const { return refusal_; }

 private:
  int CheckObject(AccessRequest request, const PinnedObject& object);
  int Decide(const AccessRequest& request);
  // Of what was allowed: is there room for it in the overlay that it is in, if it is in one?
  int AdmitObject(Operation operation, const PinnedObject& object);
  int TakeRoom(int error);
  int AdmitName(Operation operation, const PinnedParent& parent, const std::string& name);
  // `answer` in place of `error`; the rule that gave the error is still the one that refused.
  int AnswerInstead(int error, int answer);
  int DecideByLastName(AccessRequest request);
  // Has a verdict on what lies in `mount` to know where below it? Where no rule asks, it was
  // resolved beneath the mount's root, and Landlock holds what leaves it meanwhile.
  bool DecidesByPath(const MountView* mount) const;
  SysResult<std::string> NameOf(const PinnedParent& parent) const;

  const ViewInUse& view_;
  const SessionView& session_;
  const Notifier& notifier_;
  BlockingCalls& blocking_;
  Terminals& terminals_;
  BoundNames& bound_names_;
  MountTable& mount_table_;
  RemoteTask task_;
  Refusal refusal_;  // before resolver_, which writes it too
  PathResolver resolver_;
  uint64_t id_;
  std::optional<RemoteTask::Status> status_;       // once it was looked at
  std::optional<AdoptedCredentials> credentials_;  // last: given back before all else goes
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_CALL_CONTEXT_H_
