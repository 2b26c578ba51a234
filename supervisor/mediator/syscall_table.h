// The table: one row a mediated system call. The filter, the decoder, the audit's names, the
// documentation's table and the hostile-pointer test all derive from it.
#ifndef SUPERVISOR_MEDIATOR_SYSCALL_TABLE_H_
#define SUPERVISOR_MEDIATOR_SYSCALL_TABLE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "policy/mediated_call.h"
#include "supervisor/mediator/reply.h"
#include "supervisor/mediator/syscall_request.h"

namespace sessionctl {

class CallContext;

enum class ArgRole : uint8_t {
  kNone,
  kDirFd,         // the base of the next path
  kPath,          // a path; NULL is EFAULT
  kOptionalPath,  // a path; NULL means the descriptor before it
  kFd,
  kOpenFlags,
  kOpenHow,  // struct open_how in memory, its size in the next register
  kMode,
  kDev,
  kAtFlags,  // the constant: those that the call knows; others are EINVAL
  kRenameFlags,
  kTarget,  // the text of a new symbolic link
  kUid,
  kGid,
  kTimespecs,  // struct timespec[2] or NULL
  kTimevals,   // struct timeval[2] or NULL
  kUtimbuf,    // struct utimbuf or NULL
  kLength,
  kXattrName,
  kXattrValue,  // the value, its size in the next register
  kXattrFlags,
  kXattrArgs,    // struct xattr_args in memory, its size in the next register
  kFileAttr,     // struct file_attr in memory, its size in the next register
  kMask,         // what is asked for: statx, access, inotify
  kResult,       // where the answer is written
  kResultRoom,   // the same, its size in the next register
  kXattrRoom,    // struct xattr_args that says where a value is written, its size in the next
                 // register
  kMemoryFlags,  // of memfd_create
  kMemoryName,
  // Of a call about another task, which the broker makes again with the same registers:
  kWhich,      // what the next one is an id of
  kTask,       // a process or thread id
  kIn,         // a pointer to what the kernel reads; the constant: its size
  kCpuMask,    // the same, its size in the register before
  kSchedAttr,  // struct sched_attr, which begins with its size
  kOut,        // a pointer to what the kernel writes; the constant: its size
  // Of a call on a socket:
  kSocketAddress,  // struct sockaddr in memory, its length in the next register
  kAddressOut,     // where one is told, and where its length is, in the next register
  kBacklog,
  kSendFlags,
  kBuffer,    // what is sent, its size in the next register
  kMessage,   // struct msghdr in memory
  kMessages,  // struct mmsghdr[] in memory, their number in the next register
};

// The arguments stand in the order in which the kernel looks at them, so that of several bad ones
// the same is complained of. One argument: a role, and the register it is in or (reg < 0) the
// constant that this spelling implies.
struct ArgSpec {
  ArgRole role = ArgRole::kNone;
  int reg = -1;
  uint64_t constant = 0;
};

using SyscallHandler = Reply (*)(CallContext& context, const SyscallRequest& request);

// From `when` on as in MediatedCall.
struct SyscallRow {
  int nr;
  const char* name;
  std::array<ArgSpec, 6> args;
  SyscallHandler handler;
  MediatedCall::When when = MediatedCall::When::kAlways;
  std::vector<std::vector<FilterCondition>> native = {};
  const char* use = "";
  MediatedCall::Under under = MediatedCall::Under::kEveryPolicy;
};

const std::vector<SyscallRow>& SyscallTable();

// The row of a number, or nullptr.
const SyscallRow* FindSyscallRow(int nr);

// The table's rows as the policy compiler takes them.
std::vector<MediatedCall> MediatedCalls();

// "dirfd 0, path 1, open flags 2, mode 3": for the generated documentation.
std::string DescribeArguments(const SyscallRow& row);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_SYSCALL_TABLE_H_
