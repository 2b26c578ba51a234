#include "supervisor/mediator/handlers/open_flags.h"

namespace sessionctl {
namespace {

constexpr uint64_t kKernelLargefile = 0100000;  // O_LARGEFILE, which 64-bit libc defines as 0
constexpr uint64_t kModeBits = 07777;
// What open(2) knows; other bits are ignored there, and EINVAL in openat2.
constexpr uint64_t kOpenFlags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND |
                                O_NONBLOCK | O_SYNC | O_ASYNC | O_DIRECT | kKernelLargefile |
                                O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH |
                                kTmpfileBit;
constexpr uint64_t kPathFlags = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;

// Of what Sanitize() leaves of open(2)'s flags, the kernel refuses these alone in some company
// (build_open_flags, fs/open.c).
bool MayBeInvalid(const SyscallRequest& request, const OpenHow& how) {
  constexpr uint64_t kCreatedDirectory = O_CREAT | O_DIRECTORY;
  return request.is_openat2 || (how.flags & kTmpfileBit) != 0 ||
         (how.flags & kCreatedDirectory) == kCreatedDirectory;
}

}  // namespace

OpenHow Sanitize(const SyscallRequest& request) {
  OpenHow how = request.how;
  if (request.is_openat2) return how;
  how.flags &= kOpenFlags;
  if ((how.flags & O_PATH) != 0) how.flags &= kPathFlags;
  how.flags |= (how.flags & O_PATH) != 0 ? 0 : kKernelLargefile;
  bool creates = (how.flags & (O_CREAT | kTmpfileBit)) != 0;
  how.mode = creates ? how.mode & kModeBits : 0;
  return how;
}

// It looks at flags, mode and resolve before the (empty) path.
int FlagsError(const SyscallRequest& request, const OpenHow& how) {
  if (!MayBeInvalid(request, how)) return 0;
  SysResult<OwnedFd> probe = OpenAt2(-1, "", how);
  return probe.error() == ENOENT ? 0 : probe.error();
}

}  // namespace sessionctl
