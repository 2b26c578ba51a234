// The monitor: the process behind one spawned session. It is the broker's parent, holds the
// session's lock for as long as it lives, writes what happens into state.json, and ends whatever is
// left of the session when its broker is lost. SIGTERM asks it to end the session now; other
// signals that end a process by default are taken and ignored, without SIG_IGN, which the command
// would inherit.
#ifndef SUPERVISOR_SESSION_MONITOR_H_
#define SUPERVISOR_SESSION_MONITOR_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policy/policy_compiler.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/filter_cache.h"
#include "sandbox/kernel_features.h"
#include "supervisor/session_log.h"
#include "supervisor/session_store.h"
#include "supervisor/stream_frames.h"

namespace sessionctl {

struct MonitorOptions {
  std::string id;
  std::string name;
  std::vector<std::string> argv;
  std::vector<std::string> environment;      // the caller's
  const SessionPolicy* policy = nullptr;     // compiled here when `compiled` is null
  const CompiledPolicy* compiled = nullptr;  // shared by all sessions of one spawn
  const KernelFeatures* features = nullptr;
  FilterCache* filters = nullptr;  // programs that are compiled already; null: none
  std::map<std::string, std::string> labels;
  SessionPlace place;
  StopRule stop;
  std::optional<TerminalSize> terminal;  // the command gets a terminal of its own, of this size
  bool stdin_open = false;               // standard input is a pipe that attached clients feed
  LogRule log;
  std::string spec;             // kept as spawn.json; "": none
  std::vector<int> keep_open;   // descriptors that stay open as long as the monitor lives
  std::optional<mode_t> umask;  // nullopt: that of whoever forks the monitor
};

// What the monitor tells whoever spawned it, once, by one write(2) to the report pipe.
struct MonitorReport {
  int exit_code;      // 0: the command runs; else 125, 126, 127
  char message[768];  // NUL-terminated
};

// The calling process, freshly forked and single-threaded, becomes the monitor: leaves the terminal
// session, closes every descriptor but those it needs, starts the session, and exits when it has
// ended.
[[noreturn]] void RunMonitor(const SessionStore& store, const MonitorOptions& options,
                             OwnedFd report);

// The name that {user} expands to.
std::string CurrentUserName();

// What a session's policy is compiled with: its id, the user, and the state directory that is kept
// from it.
PolicyVariables SessionVariables(const std::string& id);

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_MONITOR_H_
