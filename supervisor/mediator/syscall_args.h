// The decoder: from registers and the caller's memory to a SyscallRequest, by the roles of the row.
// Every byte is read once (trap 14). A register is cut to the width the kernel takes it in (trap
// 22).
#ifndef SUPERVISOR_MEDIATOR_SYSCALL_ARGS_H_
#define SUPERVISOR_MEDIATOR_SYSCALL_ARGS_H_

#include "sandbox/base/sys_result.h"
#include "sandbox/notifier.h"
#include "sandbox/remote_task.h"
#include "supervisor/mediator/syscall_request.h"
#include "supervisor/mediator/syscall_table.h"

namespace sessionctl {

// Errors are those that the kernel itself gives before it resolves anything: EFAULT, EINVAL, E2BIG,
// ERANGE; ENAMETOOLONG and ENOENT of a link's text. What is wrong with a path stands in the
// CallerPath.
SysResult<SyscallRequest> DecodeRequest(const SyscallRow& row, const Notification& call,
                                        const RemoteTask& task);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_SYSCALL_ARGS_H_
