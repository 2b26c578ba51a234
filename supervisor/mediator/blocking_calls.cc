#include "supervisor/mediator/blocking_calls.h"

#include <algorithm>
#include <chrono>
#include <csignal>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "sandbox/base/thread.h"
#include "sandbox/credentials.h"

namespace sessionctl {
namespace {

// How long a signal may wait before a blocked call notices it.
constexpr absl::Duration kLookEvery = absl::Milliseconds(10);
// With many waits, looking may take a tenth of a processor and no more.
constexpr int kRestPerLook = 9;
// Most calls that may sleep do not: the watcher stays for the next one this long (a second).
constexpr int kIdleLooks = 100;
// Interrupts a blocked call; no SA_RESTART, and nothing to do in the handler.
constexpr int kWakeSignal = SIGUSR2;

}  // namespace

BlockingCalls::BlockingCalls(const Notifier& notifier, int limit)
    : notifier_(notifier), limit_(limit) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(kWakeSignal, &action, nullptr);
}

bool BlockingCalls::Enter(Entry* entry) {
  MutexLock lock(&mutex_);
  if (entries_.size() >= limit_) return false;
  if (!watching_) {
    OwnCapabilities own(OwnCapabilities::Ids::kOwn);  // not the caller's: it watches for all
    if (!StartDetachedThread(&BlockingCalls::WatcherMain, this)) return false;
    watching_ = true;
  }
  entries_.insert(entry);
  return true;
}

BlockingCalls::Verdict BlockingCalls::Leave(Entry* entry, bool interrupted) {
  MutexLock lock(&mutex_);
  if (!interrupted || entry->verdict != Verdict::kWait) entries_.erase(entry);
  return entry->verdict;
}

void* BlockingCalls::WatcherMain(void* self) {
  static_cast<BlockingCalls*>(self)->Watch();
  return nullptr;
}

// A caller sleeps interruptibly ("S") until the kernel turns to it: with a signal that it does not
// block, whether to the thread or to its process, or with a stop of the process that another thread
// has begun. Then WAIT_KILLABLE_RECV has it sleep on in state "D", with TIF_SIGPENDING set: this
// says exactly what the sets of pending signals do not, which of several threads the kernel chose.
BlockingCalls::Verdict BlockingCalls::Look(const Entry& entry) const {
  SysResult<RemoteTask::Status> status = entry.task->ReadStatus();
  if (!notifier_.StillWaiting(entry.id)) return Verdict::kGone;
  return status.ok() && status->state == 'D' ? Verdict::kSignalled : Verdict::kWait;
}

void BlockingCalls::Watch() {
  int idle_looks = 0;
  for (;;) {
    const auto started = std::chrono::steady_clock::now();
    {
      MutexLock lock(&mutex_);
      idle_looks = entries_.empty() ? idle_looks + 1 : 0;
      if (idle_looks > kIdleLooks) {
        watching_ = false;  // the next call that may sleep starts another watcher
        return;
      }
      for (Entry* entry : entries_) {
        if (entry->verdict == Verdict::kWait) entry->verdict = Look(*entry);
        // Again and again: a signal that arrives before the worker sleeps in its call is lost.
        if (entry->verdict != Verdict::kWait) pthread_kill(entry->worker, kWakeSignal);
      }
    }
    absl::SleepFor(std::max(
        kLookEvery, kRestPerLook * absl::FromChrono(std::chrono::steady_clock::now() - started)));
  }
}

}  // namespace sessionctl
