#include "supervisor/mediator/mediator.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "supervisor/mediator/call_context.h"
#include "supervisor/mediator/syscall_args.h"
#include "supervisor/mediator/syscall_table.h"

namespace sessionctl {
namespace {

// Calls that wait may not take the last workers: those that would end the wait have to be
// served.
constexpr int kMaxBlockedCalls = Workers::kMost - 64;

bool Has(const SyscallRow& row, ArgRole role) {
  return std::any_of(row.args.begin(), row.args.end(),
                     [role](const ArgSpec& arg) { return arg.role == role; });
}

bool ChangesSomething(const SyscallRow& row, const SyscallRequest& request) {
  const bool about_a_file =
      Has(row, ArgRole::kPath) || Has(row, ArgRole::kOptionalPath) || Has(row, ArgRole::kFd);
  if (!about_a_file || Has(row, ArgRole::kAddressOut)) return false;
  if (row.under == MediatedCall::Under::kHiddenNames) return false;  // looks, or lists
  if (row.handler != FindSyscallRow(kNrOpenat2)->handler) return true;
  return (request.how.flags & (O_ACCMODE | O_CREAT | O_TRUNC)) != 0;
}

}  // namespace

Mediator::Mediator(const SessionView& session, Notifier notifier, AuditSink* audit)
    : view_(session),
      notifier_(std::move(notifier)),
      audit_(audit),
      blocking_(notifier_, kMaxBlockedCalls),
      workers_(notifier_, [this](const Notification& call) { Serve(call); }) {}

// Everything that was held for the call is let go on return: the caller must not meet our copies of
// its open files after its call.
Reply Mediator::Answer(const ViewInUse& view, const Notification& call) {
  const SyscallRow* row = FindSyscallRow(call.nr);
  if (row == nullptr) return Reply::Error(ENOSYS);
  CallContext context(view, notifier_, blocking_, terminals_, bound_names_, mount_table_, call);
  SysResult<SyscallRequest> request = DecodeRequest(*row, call, context.task());
  // What was read may belong to another process that got the same thread id (trap 18).
  if (!context.StillWaiting()) return Reply::CallerGone();
  if (SysStatus adopted = context.AdoptCredentials(); !adopted.ok()) {
    return adopted.error() == ESRCH ? Reply::CallerGone() : Reply::Error(adopted.error());
  }
  Reply reply = request.ok() ? row->handler(context, *request) : Reply::Error(request.error());
  if (reply.kind() == Reply::Kind::kCallerGone) return reply;  // nothing was done
  std::string denied_by = context.refusal().RuleBehind(reply.error());
  if (!denied_by.empty()) ++counters_->denials;
  if (audit_ != nullptr) {
    AuditEvent event = {row->name, call.tid, "", "", std::move(denied_by), reply.error(), false};
    if (request.ok()) {
      event.path = request->memory_name.empty() ? request->paths[0].path : request->memory_name;
      event.other_path = request->target.empty() ? request->paths[1].path : request->target;
      event.changes = ChangesSomething(*row, *request);
    }
    audit_->Record(event);
  }
  return reply;
}

// The view is held until the answer is sent: a descriptor that a call has opened is the caller's by
// then. A call that nothing was done for, because its view was over, is begun anew.
void Mediator::Serve(const Notification& call) {
  ++counters_->calls;
  for (;;) {
    const std::shared_ptr<const ViewInUse> view = view_.Get();
    Reply reply = Answer(*view, call);
    const bool given_up = reply.kind() == Reply::Kind::kCallerGone && view->over;
    if (given_up && notifier_.StillWaiting(call.id)) continue;
    workers_.Answering();
    return Send(call, std::move(reply));
  }
}

void Mediator::Send(const Notification& call, Reply reply) {
  switch (reply.kind()) {
    case Reply::Kind::kCallerGone: return;
    case Reply::Kind::kError: (void)notifier_.SendError(call.id, reply.error()).ok(); return;
    case Reply::Kind::kValue: (void)notifier_.SendValue(call.id, reply.value()).ok(); return;
    case Reply::Kind::kSharedDescriptor: {
      SysStatus sent = notifier_.SendDescriptor(call.id, reply.fd(), reply.close_on_exec());
      if (sent.ok()) return;
      return Send(call, Reply::Error(sent.error()));
    }
    case Reply::Kind::kDescriptor: {
      SysResult<int> number =
          notifier_.InstallDescriptor(call.id, reply.fd(), reply.close_on_exec());
      reply = number.ok() ? Reply::Value(*number) : Reply::Error(number.error());
      return Send(call, std::move(reply));
    }
  }
}

}  // namespace sessionctl
