// Calls that change another task: its limits, its scheduling, its priority. Landlock has no say in
// them, so a session could slow down or end (RLIMIT_CPU) whatever else its user runs. The broker
// makes the call again, registers as they are, for tasks of the session only; the kernel gives the
// answer. (A form of the call that means the calling thread itself is native.)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>

#include "sandbox/credentials.h"
#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/session_tasks.h"

namespace sessionctl {
namespace {

// linux/ioprio.h
constexpr int kIoprioWhoPgrp = 2;
constexpr int kIoprioWhoUser = 3;

// Makes the call for `task`. `out` gets what the kernel writes. 0 or the errno.
int MakeAgain(const TaskCall& call, pid_t task, std::string* out) {
  std::array<uint64_t, 6> args = call.args;
  args.at(static_cast<size_t>(call.task_arg)) = static_cast<uint64_t>(task);
  if (call.in_arg >= 0) {
    args.at(static_cast<size_t>(call.in_arg)) = reinterpret_cast<uint64_t>(call.in.data());
  }
  if (call.out_arg >= 0) {
    out->resize(call.out_size);
    args.at(static_cast<size_t>(call.out_arg)) = reinterpret_cast<uint64_t>(out->data());
  }
  // sched_setaffinity has the size of its mask before it, and no more of it was copied.
  if (call.nr == SYS_sched_setaffinity && call.in_arg >= 0) args[1] = call.in.size();
  const long result = syscall(call.nr, args[0], args[1], args[2], args[3], args[4], args[5]);
  return result < 0 ? errno : 0;
}

// Threads of a session that keeps capabilities may be different users. Without CAP_SYS_NICE and
// CAP_SYS_RESOURCE, which none of them has, each changes its own user's tasks only.
bool IsOfCallersUser(const CallContext& context, pid_t task) {
  if (context.session().policy().identity.kept == 0) return true;
  const auto theirs = RemoteTask(context.session().proc(), task).ReadStatusAndCredentials();
  return theirs.ok() && theirs->second.fsuid == CurrentFileUser();
}

int CheckTask(CallContext& context, const SessionTasks& tasks, pid_t task) {
  int error = tasks.Check(task);
  if (error == 0 && !IsOfCallersUser(context, task)) error = EPERM;
  return error == EPERM ? context.NoteRefusal(EPERM, "the task is not one of this session") : error;
}

// One task: 0 is the caller, and of what is no id at all the kernel says so itself.
Reply OneTask(CallContext& context, const TaskCall& call) {
  const SessionTasks tasks(context.session(), context.task());
  pid_t task = call.task == 0 ? context.task().tid() : call.task;
  if (call.task > 0) {
    SysResult<pid_t> meant = context.session().TaskOf(call.task);
    if (!meant.ok()) return Reply::Error(meant.error());
    task = *meant;
  }
  if (task > 0) {
    if (const int error = CheckTask(context, tasks, task); error != 0) return Reply::Error(error);
  }
  if (!context.StillWaiting()) return Reply::CallerGone();
  std::string out;
  if (const int error = MakeAgain(call, task, &out); error != 0) return Reply::Error(error);
  if (out.empty()) return Reply::Value(0);
  return Reply::Of(context.task().WriteMemory(call.out_address, out.data(), out.size()));
}

// How the errors of several tasks become one (setpriority and ioprio_set differ).
enum class Several { kLastError, kFirstError };

// Every task of the session that is meant, as if there were no others on the machine.
Reply SeveralTasks(CallContext& context, TaskCall call, int process_kind, Several several,
                   const std::function<bool(pid_t process)>& wanted) {
  if (!context.StillWaiting()) return Reply::CallerGone();
  call.args[0] = static_cast<uint64_t>(process_kind);
  const SessionTasks tasks(context.session(), context.task());
  int answer = ESRCH;
  bool stopped = false;
  tasks.ForEach(wanted, [&](pid_t thread) {
    if (stopped || !IsOfCallersUser(context, thread)) return;
    std::string unused;
    const int error = MakeAgain(call, thread, &unused);
    if (error == ESRCH) return;  // gone meanwhile
    if (error != 0) {
      answer = error;
      stopped = several == Several::kFirstError;
    } else if (answer == ESRCH) {
      answer = 0;
    }
  });
  return answer == 0 ? Reply::Value(0) : Reply::Error(answer);
}

Reply Group(CallContext& context, const TaskCall& call, int process_kind, Several several) {
  pid_t group = getpgid(context.task().tid());
  if (call.task != 0) {
    // Of a group whose first process has ended the number tells nothing where it has to be
    // translated: then there is none.
    SysResult<pid_t> meant =
        call.task > 0 ? context.session().TaskOf(call.task) : SysResult<pid_t>(call.task);
    if (!meant.ok()) return Reply::Error(meant.error());
    group = *meant;
  }
  return SeveralTasks(context, call, process_kind, several,
                      [group](pid_t process) { return getpgid(process) == group; });
}

// Where no capabilities are kept, a session's processes all have the broker's uid.
Reply User(CallContext& context, const TaskCall& call, int process_kind, Several several) {
  if (call.task != 0 && static_cast<uid_t>(call.task) != getuid()) {
    return Reply::Error(context.NoteRefusal(EPERM, "the tasks are not those of this session"));
  }
  return SeveralTasks(context, call, process_kind, several, [](pid_t) { return true; });
}

}  // namespace

Reply HandleTask(CallContext& context, const SyscallRequest& request) {
  return OneTask(context, request.task_call);
}

Reply HandleSetpriority(CallContext& context, const SyscallRequest& request) {
  const TaskCall& call = request.task_call;
  switch (call.which) {
    case PRIO_PROCESS: return OneTask(context, call);
    case PRIO_PGRP: return Group(context, call, PRIO_PROCESS, Several::kLastError);
    case PRIO_USER: return User(context, call, PRIO_PROCESS, Several::kLastError);
    default: return Reply::Error(EINVAL);
  }
}

Reply HandleIoprioSet(CallContext& context, const SyscallRequest& request) {
  const TaskCall& call = request.task_call;
  switch (call.which) {
    case kIoprioWhoProcess: return OneTask(context, call);
    case kIoprioWhoPgrp: return Group(context, call, kIoprioWhoProcess, Several::kFirstError);
    case kIoprioWhoUser: return User(context, call, kIoprioWhoProcess, Several::kFirstError);
    default: return Reply::Error(EINVAL);
  }
}

}  // namespace sessionctl
