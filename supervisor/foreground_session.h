// A session in the foreground: the calling process is its broker's parent, and stands for the
// command towards whoever started it. Standard streams pass straight through; the command stays in
// our process group, so the terminal reaches it without us. What reaches only us is passed on:
//   signals   forwarded to the command, except those the terminal has already sent to the whole
//   group stops     when the command is stopped we stop too, and SIGCONT continues both
#ifndef SUPERVISOR_FOREGROUND_SESSION_H_
#define SUPERVISOR_FOREGROUND_SESSION_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "supervisor/broker.h"

namespace sessionctl {

struct ForegroundOutcome {
  int exit_code = 125;  // as a shell counts: the command's, 128 + signal, 124 a time limit, 125 our
                        // failure, 126, 127
  int signal = 0;       // the signal that ended the command
  bool started = false;
  SessionEnd ended = SessionEnd::kNone;  // the limit that ended it
  std::string error;                     // why exit_code is ours and not the command's; else ""
  uint64_t mediated_calls = 0;
  uint64_t denials = 0;
};

// Runs the session to its end. `on_started` is called once, with the command's process id. The
// caller must be single-threaded. Leaves the signals it handles blocked: the caller is expected to
// exit.
ForegroundOutcome RunForeground(const BrokerOptions& options,
                                const std::function<void(pid_t)>& on_started);

}  // namespace sessionctl

#endif  // SUPERVISOR_FOREGROUND_SESSION_H_
