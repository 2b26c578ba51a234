// The threads that receive a session's calls and serve them.
//
// A call wakes everybody who waits in Notifier::Receive() (kernel/seccomp.c, recv_wait_event: no
// exclusive waiters), and all but one for nothing, so one worker receives and serves in turn.
// Another one watches it: while calls come it looks every few milliseconds whether one is waiting
// that nobody takes, because all that receive are busy (several threads of the session call at
// once) or hang (trap 15). Then it receives, too, and a new one watches. Whoever has nothing to do
// any more leaves again. Nobody looks while no call comes.
//
// Each worker has its own CLONE_FS, hence its own umask.
#ifndef SUPERVISOR_MEDIATOR_WORKERS_H_
#define SUPERVISOR_MEDIATOR_WORKERS_H_

#include <semaphore.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

#include "sandbox/notifier.h"

namespace sessionctl {

class Workers {
 public:
  static constexpr int kMost = 512;

  // `serve` answers a call, on any worker; just before it sends the answer it calls Answering().
  // Both must outlive this, and this must outlive its threads: it lives as long as the process.
  Workers(Notifier& notifier, std::function<void(const Notification&)> serve);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Starts the first worker. False when no thread can be made. While calls come, the one who
  // watches looks after each `look_every`; a call that nobody takes waits for two looks at most.
  bool Start(std::chrono::nanoseconds look_every = std::chrono::milliseconds(10));

  // From here on the caller may call again, before this worker is there to receive it.
  void Answering() { --serving_; }

 private:
  static void* Main(void* self);
  bool StartOne();
  void Work();
  // Until a receiver is missing; then the worker counts as one.
  void Watch();
  // Sees to it that somebody watches while a call is served. If nobody can, a call that hangs
  // holds up the next ones until a later call finds a thread.
  void BeWatched();
  // Until the worker is spare: true; false when the session has ended.
  bool ReceiveAll();
  // Then the worker counts as a receiver no more.
  bool IsSpare();
  // Until the worker has to watch. False: enough others sleep already.
  bool Rest();
  bool WakeOne();

  Notifier& notifier_;
  const std::function<void(const Notification&)> serve_;
  std::chrono::nanoseconds look_every_ = {};
  std::atomic<int> workers_ = 0;
  std::atomic<int> receivers_ = 0;      // in Receive(), or serving what they received there
  std::atomic<int> serving_ = 0;        // of them, those that have not answered yet
  std::atomic<uint64_t> received_ = 0;  // calls
  std::atomic<uint64_t> returned_ = 0;  // of them, those whose worker is done with them
  std::atomic<uint64_t> together_ = 0;  // received while another one was being served
  // What these two were when it was last looked at whether two receivers are too many.
  std::atomic<uint64_t> received_before_ = 0;
  std::atomic<uint64_t> together_before_ = 0;
  std::atomic<bool> watched_ = false;  // somebody watches, or is on the way there
  std::atomic<bool> dormant_ = false;  // who watches waits for `calls_`
  std::atomic<int> sleepers_ = 0;      // that nobody has woken yet
  sem_t calls_;
  sem_t woken_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_WORKERS_H_
