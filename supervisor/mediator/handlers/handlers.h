// The operations behind the rows of the syscall table, one file an operation. A handler gets a
// request whose memory was copied once; it resolves, decides on what it pinned, acts on exactly
// that, and answers. It does no I/O on the listener. Any worker thread.
#ifndef SUPERVISOR_MEDIATOR_HANDLERS_HANDLERS_H_
#define SUPERVISOR_MEDIATOR_HANDLERS_HANDLERS_H_

#include "supervisor/mediator/call_context.h"
#include "supervisor/mediator/reply.h"
#include "supervisor/mediator/syscall_request.h"

namespace sessionctl {

Reply HandleOpen(CallContext& context, const SyscallRequest& request);
Reply HandleRename(CallContext& context, const SyscallRequest& request);
Reply HandleMkdir(CallContext& context, const SyscallRequest& request);
Reply HandleMknod(CallContext& context, const SyscallRequest& request);
Reply HandleSymlink(CallContext& context, const SyscallRequest& request);
Reply HandleUnlink(CallContext& context, const SyscallRequest& request);
Reply HandleLink(CallContext& context, const SyscallRequest& request);
Reply HandleChmod(CallContext& context, const SyscallRequest& request);
Reply HandleFchmod(CallContext& context, const SyscallRequest& request);
Reply HandleChown(CallContext& context, const SyscallRequest& request);
Reply HandleFchown(CallContext& context, const SyscallRequest& request);
Reply HandleUtimens(CallContext& context, const SyscallRequest& request);
Reply HandleFileSetattr(CallContext& context, const SyscallRequest& request);
Reply HandleTruncate(CallContext& context, const SyscallRequest& request);
Reply HandleSetxattr(CallContext& context, const SyscallRequest& request);
Reply HandleFsetxattr(CallContext& context, const SyscallRequest& request);
Reply HandleRemovexattr(CallContext& context, const SyscallRequest& request);
Reply HandleFremovexattr(CallContext& context, const SyscallRequest& request);
Reply HandleMemfdCreate(CallContext& context, const SyscallRequest& request);
Reply HandleTask(CallContext& context, const SyscallRequest& request);
Reply HandleSetpriority(CallContext& context, const SyscallRequest& request);
Reply HandleIoprioSet(CallContext& context, const SyscallRequest& request);
Reply HandleConnect(CallContext& context, const SyscallRequest& request);
Reply HandleBind(CallContext& context, const SyscallRequest& request);
Reply HandleGetsockname(CallContext& context, const SyscallRequest& request);
Reply HandleListen(CallContext& context, const SyscallRequest& request);
Reply HandleSendto(CallContext& context, const SyscallRequest& request);
Reply HandleSendmsg(CallContext& context, const SyscallRequest& request);
Reply HandleSendmmsg(CallContext& context, const SyscallRequest& request);
// Only where a mount hides names:
Reply HandleStat(CallContext& context, const SyscallRequest& request);
Reply HandleStatx(CallContext& context, const SyscallRequest& request);
Reply HandleAccess(CallContext& context, const SyscallRequest& request);
Reply HandleReadlink(CallContext& context, const SyscallRequest& request);
Reply HandleStatfs(CallContext& context, const SyscallRequest& request);
Reply HandleGetxattr(CallContext& context, const SyscallRequest& request);
Reply HandleListxattr(CallContext& context, const SyscallRequest& request);
Reply HandleFileGetattr(CallContext& context, const SyscallRequest& request);
Reply HandleInotifyAddWatch(CallContext& context, const SyscallRequest& request);
Reply HandleGetdents64(CallContext& context, const SyscallRequest& request);
Reply HandleGetdents(CallContext& context, const SyscallRequest& request);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_HANDLERS_HANDLERS_H_
