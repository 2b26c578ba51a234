#include "supervisor/mediator/blocking_open.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iterator>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/thread.h"
#include "sandbox/credentials.h"

namespace sessionctl {
namespace {

// How long a signal may wait before a blocked open notices it.
constexpr absl::Duration kLookEvery = absl::Milliseconds(10);
// With many waits, looking may take a tenth of a processor and no more.
constexpr int kRestPerLook = 9;
// Interrupts a blocked open; no SA_RESTART, and nothing to do in the handler.
constexpr int kWakeSignal = SIGUSR2;

}  // namespace

BlockingOpens::BlockingOpens(const Notifier& notifier, int limit)
    : notifier_(notifier), limit_(limit) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(kWakeSignal, &action, nullptr);
}

SysResult<OwnedFd> BlockingOpens::Open(const RemoteTask& task, uint64_t id, const char* path,
                                       int flags) {
  std::list<Entry>::iterator entry;
  {
    MutexLock lock(&mutex_);
    if (entries_.size() >= static_cast<size_t>(limit_)) return Errno(EAGAIN);
    entries_.push_back(Entry{pthread_self(), &task, id, Verdict::kWait});
    entry = std::prev(entries_.end());
    if (!watching_) {
      OwnCapabilities own(OwnCapabilities::Ids::kOwn);  // not the caller's: it watches for all
      if (!StartDetachedThread(&BlockingOpens::WatcherMain, this)) {
        entries_.erase(entry);
        return Errno(EAGAIN);
      }
      watching_ = true;
    }
  }
  for (;;) {
    SysResult<OwnedFd> opened = OpenAt(AT_FDCWD, path, flags);
    MutexLock lock(&mutex_);
    Verdict verdict = entry->verdict;
    if (!opened.ok() && opened.error() == EINTR && verdict == Verdict::kWait) continue;
    entries_.erase(entry);
    if (!opened.ok() && opened.error() == EINTR) {
      return Errno(verdict == Verdict::kGone ? ESRCH : kErestartsys);
    }
    return opened;
  }
}

void* BlockingOpens::WatcherMain(void* self) {
  static_cast<BlockingOpens*>(self)->Watch();
  return nullptr;
}

// A caller sleeps interruptibly ("S") until the kernel turns to it: with a signal that it does not
// block, whether to the thread or to its process, or with a stop of the process that another thread
// has begun. Then WAIT_KILLABLE_RECV has it sleep on in state "D", with TIF_SIGPENDING set: this
// says exactly what the sets of pending signals do not, which of several threads the kernel chose.
BlockingOpens::Verdict BlockingOpens::Look(const Entry& entry) const {
  SysResult<RemoteTask::Status> status = entry.task->ReadStatus();
  if (!notifier_.StillWaiting(entry.id)) return Verdict::kGone;
  return status.ok() && status->state == 'D' ? Verdict::kSignalled : Verdict::kWait;
}

void BlockingOpens::Watch() {
  for (;;) {
    const auto started = std::chrono::steady_clock::now();
    {
      MutexLock lock(&mutex_);
      if (entries_.empty()) {
        watching_ = false;  // the next blocked open starts another watcher
        return;
      }
      for (Entry& entry : entries_) {
        if (entry.verdict == Verdict::kWait) entry.verdict = Look(entry);
        // Again and again: a signal that arrives before the worker sleeps in open is lost.
        if (entry.verdict != Verdict::kWait) pthread_kill(entry.worker, kWakeSignal);
      }
    }
    absl::SleepFor(std::max(
        kLookEvery, kRestPerLook * absl::FromChrono(std::chrono::steady_clock::now() - started)));
  }
}

}  // namespace sessionctl
