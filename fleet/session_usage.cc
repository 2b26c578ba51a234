#include "fleet/session_usage.h"

#include <fcntl.h>

#include <utility>

#include "sandbox/base/syscalls.h"
#include "sandbox/process_tree.h"
#include "supervisor/counters_file.h"

namespace sessionctl {
namespace {

void AddProcesses(int proc, LiveUsage& usage) {
  const pid_t broker = usage.session.record.broker.pid;
  if (broker <= 0) return;
  // What a broker has reaped is counted with it.
  if (const SysResult<ProcessUsage> own = UsageOf(proc, broker); own.ok()) {
    usage.cpu_microseconds += own->cpu_microseconds;
  }
  for (const pid_t pid : ProcessesBelow(proc, broker)) {
    const SysResult<ProcessUsage> process = UsageOf(proc, pid);
    if (!process.ok()) continue;
    usage.cpu_microseconds += process->cpu_microseconds;
    usage.memory += process->memory;
    ++usage.processes;
  }
}

}  // namespace

std::vector<LiveUsage> LookAtUsage(const SessionStore& store, std::vector<KnownSession> sessions) {
  std::vector<LiveUsage> result;
  result.reserve(sessions.size());
  const SysResult<OwnedFd> proc = OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (KnownSession& session : sessions) {
    LiveUsage usage = {.session = std::move(session)};
    if (proc.ok()) AddProcesses(proc->get(), usage);
    absl::StatusOr<SessionDirectory> directory = store.Find(usage.session.record.id);
    if (directory.ok()) {
      if (const auto counted = ReadCounters(directory->fd()); counted.has_value()) {
        usage.mediated_calls = counted->calls;
        usage.denials = counted->denials;
      }
    }
    result.push_back(std::move(usage));
  }
  return result;
}

}  // namespace sessionctl
