#include "supervisor/broker_fence.h"

#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/base/thread.h"
#include "sandbox/seccomp_filter.h"
#include "sandbox/walls.h"
#include "supervisor/broker.h"

namespace sessionctl {
namespace {

constexpr rlim_t kMebibyte = rlim_t{1} << 20;
// Private writable memory: the stacks of all workers (128 MiB), what 512 calls hold at once (at
// most half a mebibyte of a datagram each), what malloc keeps for 512 threads, and room.
constexpr rlim_t kMemory = 512 * kMebibyte;
constexpr int kArenas = 4;
// A call holds one descriptor for each component of a path that has to be walked.
constexpr rlim_t kDescriptors = 65536;
constexpr rlim_t kMainStack = 8 * kMebibyte;

// The first thread has libc install handlers of its own. One that does nothing, so that this is
// done before the filter, which allows it no more.
SysStatus SettleThreads() {
  const auto nothing = [](void*) -> void* { return nullptr; };
  return RunOnThread(nothing, nullptr) ? SysStatus(Done{}) : Errno(EAGAIN);
}

// Where the handler tells of a refused call.
int refusal_channel = -1;

// Async-signal-safe. SIGSYS cannot be blocked or ignored away: the kernel then ends the process
// itself.
void TellAndExit(int, siginfo_t* info, void*) {
  BrokerEvent event = {};
  event.kind = BrokerEvent::Kind::kRefusedCall;
  event.refused_call = info->si_syscall;
  // A parent that has gone needs no telling.
  if (send(refusal_channel, &event, sizeof(event), MSG_NOSIGNAL) < 0) _exit(kOwnFailure);
  _exit(kOwnFailure);
}

SysStatus Bound(__rlimit_resource resource, rlim_t value) {
  rlimit limit;
  if (getrlimit(resource, &limit) != 0) return LastErrno();
  limit.rlim_max = std::min(limit.rlim_max, value);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(resource, &limit) != 0) return LastErrno();
  return Done{};
}

SysStatus BoundResources() {
  const struct {
    __rlimit_resource resource;
    rlim_t value;
  } bounds[] = {{RLIMIT_DATA, kMemory},
                {RLIMIT_NOFILE, kDescriptors},
                {RLIMIT_STACK, kMainStack},
                {RLIMIT_CORE, 0}};
  for (const auto& [resource, value] : bounds) {
    if (SysStatus bound = Bound(resource, value); !bound.ok()) return bound;
  }
  mallopt(M_ARENA_MAX, kArenas);
  return Done{};
}

SysStatus CatchRefusedCalls(int events) {
  refusal_channel = events;
  struct sigaction action = {};
  action.sa_sigaction = TellAndExit;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGSYS, &action, nullptr) != 0) return LastErrno();
  return Done{};
}

}  // namespace

SysStatus EnterBrokerFence(const std::vector<sock_filter>& filter, int events) {
  if (!kWalls.broker_fence) return Done{};
  if (SysStatus bound = BoundResources(); !bound.ok()) return bound;
  // Nobody of the same user reads its memory or takes its descriptors. Its own /proc stays open to
  // itself (same_thread_group, kernel/ptrace.c).
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return LastErrno();
  if (SysStatus settled = SettleThreads(); !settled.ok()) return settled;
  if (SysStatus caught = CatchRefusedCalls(events); !caught.ok()) return caught;
  return InstallFilter(filter);
}

}  // namespace sessionctl
