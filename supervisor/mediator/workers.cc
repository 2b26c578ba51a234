#include "supervisor/mediator/workers.h"

#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <utility>

#include "absl/time/time.h"
#include "sandbox/base/raw_log.h"
#include "sandbox/base/thread.h"

namespace sessionctl {
namespace {

// So many looks without a call, and nobody looks any more until there is one.
constexpr int kQuietLooks = 10;
// A receiver that finds more than this many others free leaves.
constexpr int kMostFree = 2;
// Two receive for so many calls at least; if fewer than a sixteenth came together, one is enough.
constexpr uint64_t kTrial = 4096;
// A worker that sees this many others asleep ends.
constexpr int kSleepers = 3;

timespec FromNow(std::chrono::nanoseconds time) {
  return absl::ToTimespec(
      absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch() + time));
}

}  // namespace

Workers::Workers(Notifier& notifier, std::function<void(const Notification&)> serve)
    : notifier_(notifier), serve_(std::move(serve)) {
  sem_init(&calls_, 0, 0);
  sem_init(&woken_, 0, 0);
}

bool Workers::Start(std::chrono::nanoseconds look_every) {
  look_every_ = look_every;
  watched_ = true;
  return StartOne();
}

void* Workers::Main(void* self) {
  static_cast<Workers*>(self)->Work();
  return nullptr;
}

bool Workers::StartOne() {
  ++workers_;
  const bool started = StartDetachedThread(&Workers::Main, this);
  if (!started) --workers_;
  return started;
}

// A new worker watches first, and so does one that was woken.
void Workers::Work() {
  if (unshare(CLONE_FS) != 0) {
    RawLog("broker: a worker without its own umask cannot serve: unshare(CLONE_FS)", errno);
    _exit(125);
  }
  do {
    Watch();
  } while (ReceiveAll() && Rest());
  --workers_;
}

void Workers::Watch() {
  uint64_t seen = std::numeric_limits<uint64_t>::max();
  int quiet_looks = 0;
  while (receivers_ > 0) {
    const bool waiting = notifier_.HasCall();
    const uint64_t received = received_;
    const bool stuck = received == seen;  // since the last look
    if (waiting && (stuck || serving_ >= receivers_)) break;
    const bool quiet = stuck && !waiting && returned_ == received;
    quiet_looks = quiet ? quiet_looks + 1 : 0;
    seen = received;
    if (quiet_looks < kQuietLooks) {
      const timespec next_look = FromNow(look_every_);
      sem_clockwait(&calls_, CLOCK_MONOTONIC, &next_look);
      continue;
    }
    dormant_ = true;
    // Who receives a call counts it first and looks afterwards: one of us sees the other.
    if (received_ != seen && dormant_.exchange(false)) continue;
    while (sem_wait(&calls_) != 0) {  // EINTR
    }
    quiet_looks = 0;
  }
  received_before_ = received_.load();
  together_before_ = together_.load();
  ++receivers_;
  watched_ = false;
}

void Workers::BeWatched() {
  if (dormant_) {
    if (dormant_.exchange(false)) sem_post(&calls_);
    return;
  }
  if (watched_ || watched_.exchange(true)) return;
  if (WakeOne() || (workers_ < kMost && StartOne())) return;
  watched_ = false;
}

bool Workers::ReceiveAll() {
  do {
    SysResult<Notification> call = notifier_.Receive();
    if (!call.ok()) {
      const bool goes_on = call.error() == ENOENT && !notifier_.HasEnded();  // trap 5
      if (goes_on || call.error() == EINTR) continue;
      --receivers_;
      return false;  // sleepers sleep until the process ends
    }
    ++received_;
    if (serving_++ > 0) ++together_;
    BeWatched();
    serve_(*call);
    ++returned_;
  } while (!IsSpare());
  return true;
}

bool Workers::IsSpare() {
  int receivers = receivers_;
  if (receivers <= 1) return false;
  bool spare = receivers - serving_ > kMostFree;
  const uint64_t received = received_;
  if (!spare && received - received_before_ >= kTrial) {
    const uint64_t together = together_;
    spare = (together - together_before_) * 16 < received - received_before_;
    received_before_ = received;
    together_before_ = together;
  }
  if (!spare) return false;
  // In one step: whoever receives meanwhile counts on those that are left.
  while (receivers > 1) {
    if (receivers_.compare_exchange_weak(receivers, receivers - 1)) return true;
  }
  return false;
}

bool Workers::Rest() {
  if (!watched_.exchange(true)) return true;
  int sleepers = sleepers_;
  do {
    if (sleepers >= kSleepers) return false;
  } while (!sleepers_.compare_exchange_weak(sleepers, sleepers + 1));
  while (sem_wait(&woken_) != 0) {  // EINTR
  }
  return true;
}

bool Workers::WakeOne() {
  int sleepers = sleepers_;
  while (sleepers > 0) {
    if (sleepers_.compare_exchange_weak(sleepers, sleepers - 1)) {
      sem_post(&woken_);
      return true;
    }
  }
  return false;
}

}  // namespace sessionctl
