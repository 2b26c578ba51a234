#include "supervisor/counters_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <new>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/safe_file.h"

namespace sessionctl {

SysResult<CallCounters*> MapCounters(int directory) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  SysResult<OwnedFd> file = OpenAt(directory, kSessionCountersFile, kFlags, 0600);
  if (!file.ok()) return Errno(file.error());
  // A hole would be filled by the first count: on a full disk that is SIGBUS.
  if (const int error = posix_fallocate(file->get(), 0, sizeof(CallCounters)); error != 0) {
    return Errno(error);
  }
  void* memory =
      mmap(nullptr, sizeof(CallCounters), PROT_READ | PROT_WRITE, MAP_SHARED, file->get(), 0);
  if (memory == MAP_FAILED) return Errno(errno);
  return new (memory) CallCounters();
}

void KeepFromSession(CallCounters* counters) {
  madvise(counters, sizeof(*counters), MADV_DONTFORK);
}

std::optional<CountedCalls> ReadCounters(int directory) {
  const SysResult<OwnedFd> file = OpenFileBeneath(directory, kSessionCountersFile);
  std::array<uint64_t, 2> counts = {};
  if (!file.ok() || pread(file->get(), counts.data(), sizeof(counts), 0) != sizeof(counts)) {
    return std::nullopt;
  }
  return CountedCalls{.calls = counts[0], .denials = counts[1]};
}

}  // namespace sessionctl
