// memfd_create. No exec grant covers memory, and Landlock does not look at it (trap 44): the broker
// makes it without the execute bit, sealed so. Nothing else of it differs from the caller's own.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/handlers.h"

namespace sessionctl {
namespace {

SysResult<OwnedFd> Create(const char* name, unsigned flags) {
  const long fd = syscall(SYS_memfd_create, name, flags);
  if (fd < 0) return LastErrno();
  return OwnedFd(static_cast<int>(fd));
}

// The kernel's own verdict on the flags: it looks at them before the name, and NULL is EFAULT.
int FlagsError(unsigned flags) {
  const int error = Create(nullptr, flags).error();
  return error == EFAULT ? 0 : error;
}

// MFD_NOEXEC_SEAL lets seals be added, which the caller may not have asked for.
SysResult<OwnedFd> CreateSealed(const SyscallRequest& request) {
  const unsigned flags = request.memory_flags | MFD_CLOEXEC;
  SysResult<OwnedFd> memory = Create(request.memory_name.c_str(), flags | kMfdNoexecSeal);
  if (!memory.ok() || (flags & MFD_ALLOW_SEALING) != 0) return memory;
  if (fcntl(memory->get(), F_ADD_SEALS, F_SEAL_SEAL) != 0) return LastErrno();
  return memory;
}

}  // namespace

Reply HandleMemfdCreate(CallContext& context, const SyscallRequest& request) {
  if (const int error = FlagsError(request.memory_flags); error != 0) return Reply::Error(error);
  if ((request.memory_flags & kMfdExec) != 0) {
    return Reply::Error(context.NoteRefusal(EACCES, "memory may not be executed (memfd_exec)"));
  }
  if (request.memory_name_error != 0) return Reply::Error(request.memory_name_error);
  SysResult<OwnedFd> memory = CreateSealed(request);
  // A kernel before 6.3, which only best_effort lets get here, and which the record names.
  if (memory.error() == EINVAL && context.session().policy().policy.kernel.best_effort) {
    memory = Create(request.memory_name.c_str(), request.memory_flags | MFD_CLOEXEC);
  }
  if (!memory.ok()) return Reply::Error(memory.error());
  return Reply::Descriptor(std::move(*memory), (request.memory_flags & MFD_CLOEXEC) != 0);
}

}  // namespace sessionctl
