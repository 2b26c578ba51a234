// The pseudo-terminals that are the session's. Everybody's lie side by side in /dev/pts, those of
// the user's other shells too, under numbers that are used again; so no grant could tell them
// apart. The broker remembers the other end of each one it opens /dev/ptmx for, and of those that
// its parent made for the session, pinned, and opens only those. Any thread.
#ifndef SUPERVISOR_MEDIATOR_TERMINALS_H_
#define SUPERVISOR_MEDIATOR_TERMINALS_H_

#include <sys/stat.h>

#include <list>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "sandbox/base/mutex.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

class Terminals {
 public:
  Terminals() = default;
  Terminals(const Terminals&) = delete;
  Terminals& operator=(const Terminals&) = delete;

  // Is it /dev/ptmx, by what it is?
  static bool IsMultiplexer(const struct stat& info);
  // Is it the other end of a pseudo-terminal, by what it is?
  static bool IsTerminal(const struct stat& info);

  // After an open of the multiplexer: `master` is a new pseudo-terminal of the session's. On
  // failure its other end will not be opened.
  void Remember(int master);

  // Those that the broker's parent makes: their numbers come over this pipe (non-blocking), four
  // bytes each, before anybody in the session can have one as its terminal. Their other ends lie in
  // `directory`, the host's /dev/pts, or with this bit where /dev/pts is the session's own, there.
  // Before the first call.
  static constexpr uint32_t kInOwnDevpts = 1U << 31;
  void HearOf(OwnedFd numbers, OwnedFd directory) {
    numbers_ = std::move(numbers);
    directory_ = std::move(directory);
  }

  // The other end, O_PATH, of the session's own live terminal with this device number, in that
  // devpts (st_dev; several of them number their terminals alike), or in any. ENOENT: it has none
  // such. What is pinned stays that very terminal, whoever gets the number next: once it is gone,
  // opening it answers EIO.
  SysResult<OwnedFd> Find(dev_t device, std::optional<dev_t> devpts);

 private:
  struct Terminal {
    dev_t device;
    dev_t devpts;
    OwnedFd other_end;  // O_PATH: does not keep the terminal alive
  };

  void Pin(int directory, unsigned number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PinOwn(unsigned number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HearNew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetDead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  OwnedFd numbers_;
  OwnedFd directory_;
  Mutex mutex_;
  std::list<Terminal> terminals_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_TERMINALS_H_
