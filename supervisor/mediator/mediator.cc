#include "supervisor/mediator/mediator.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>
#include <utility>

#include "sandbox/base/raw_log.h"
#include "sandbox/base/thread.h"
#include "supervisor/mediator/call_context.h"
#include "supervisor/mediator/syscall_args.h"
#include "supervisor/mediator/syscall_table.h"

namespace sessionctl {
namespace {

constexpr int kMaxWorkers = 512;
// Calls that wait may not take the last workers: those that would end the wait have to be
// served.
constexpr int kMaxBlockedCalls = kMaxWorkers - 64;
// One to take the next call, and one for the call after that.
constexpr int kReceivers = 2;
// A worker that sees this many others asleep goes away.
constexpr int kSleepers = 3;

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
      blocking_(notifier_, kMaxBlockedCalls) {
  sem_init(&woken_, 0, 0);
}

bool Mediator::Start() {
  receivers_ = 1;
  return StartWorker();
}

void* Mediator::WorkerMain(void* self) {
  static_cast<Mediator*>(self)->Work();
  return nullptr;
}

// The new worker is counted as a receiver by whoever starts it, before it runs; so is one that is
// woken.
bool Mediator::StartWorker() {
  ++workers_;
  const bool started = StartDetachedThread(&Mediator::WorkerMain, this);
  if (!started) --workers_;
  return started;
}

void Mediator::EnsureReceiver() {
  if (--receivers_ > 0) return;
  ++receivers_;
  if (WakeOne()) return;
  // Else out of threads: calls wait until one is free.
  if (workers_ >= kMaxWorkers || !StartWorker()) --receivers_;
}

bool Mediator::WakeOne() {
  int sleepers = sleepers_;
  while (sleepers > 0) {
    if (sleepers_.compare_exchange_weak(sleepers, sleepers - 1)) {
      sem_post(&woken_);
      return true;
    }
  }
  return false;
}

// In one step: whoever takes a call meanwhile counts on those that are left.
bool Mediator::StopReceiving() {
  int receivers = receivers_;
  while (receivers > kReceivers) {
    if (receivers_.compare_exchange_weak(receivers, receivers - 1)) return true;
  }
  return false;
}

bool Mediator::Sleep() {
  int sleepers = sleepers_;
  do {
    if (sleepers >= kSleepers) return false;
  } while (!sleepers_.compare_exchange_weak(sleepers, sleepers + 1));
  while (sem_wait(&woken_) != 0) {  // EINTR
  }
  return true;
}

void Mediator::Work() {
  if (unshare(CLONE_FS) != 0) {
    RawLog("broker: a worker without its own umask cannot serve: unshare(CLONE_FS)", errno);
    _exit(125);
  }
  for (;;) {
    SysResult<Notification> call = notifier_.Receive();
    if (!call.ok()) {
      const bool goes_on = call.error() == ENOENT && !notifier_.HasEnded();  // trap 5
      if (goes_on || call.error() == EINTR) continue;
      --receivers_;
      --workers_;
      return;  // the session has ended; sleepers sleep until the process ends
    }
    EnsureReceiver();
    Serve(*call);
    ++receivers_;
    if (!StopReceiving() || Sleep()) continue;
    --workers_;
    return;
  }
}

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
    return Send(call, std::move(reply));
  }
}

void Mediator::Send(const Notification& call, Reply reply) {
  switch (reply.kind()) {
    case Reply::Kind::kCallerGone: return;
    case Reply::Kind::kError: (void)notifier_.SendError(call.id, reply.error()).ok(); return;
    case Reply::Kind::kValue: (void)notifier_.SendValue(call.id, reply.value()).ok(); return;
    case Reply::Kind::kDescriptor: {
      SysResult<int> number =
          notifier_.InstallDescriptor(call.id, reply.fd(), reply.close_on_exec());
      reply = number.ok() ? Reply::Value(*number) : Reply::Error(number.error());
      return Send(call, std::move(reply));
    }
  }
}

}  // namespace sessionctl
