// Starts, signals, stops, awaits and removes the spawned sessions of one store. There is no daemon:
// every function works on what the store and the kernel say, so any process of the same user may
// call them at any time.
#ifndef SUPERVISOR_SESSION_MANAGER_H_
#define SUPERVISOR_SESSION_MANAGER_H_

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/policy.h"
#include "sandbox/kernel_features.h"
#include "supervisor/session_store.h"
#include "supervisor/stream_frames.h"

namespace sessionctl {

struct SpawnRequest {
  SessionPolicy policy;
  KernelFeatures features;
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "K=V", the caller's; the policy decides what passes
  std::string name;                      // with a count above one: NAME-1, NAME-2, …
  int count = 1;
  std::optional<TerminalSize> terminal;  // each gets a terminal of its own
  bool stdin_open = false;               // else standard input is /dev/null
};

struct SpawnOutcome {
  std::string id;
  int exit_code = 0;    // 0: the command runs; else 125, 126 or 127
  std::string message;  // why not
};

// Does this policy differ from session to session?
bool NamesSession(const SessionPolicy& policy);

// Forks one monitor a session and returns when every one of them has started or failed. The policy
// is compiled once, unless it names {session}. The caller must be single-threaded. Errors: what
// CompilePolicy answers, kInternal (fork), in which case nothing was started or the sessions
// already started are in the store.
absl::StatusOr<std::vector<SpawnOutcome>> SpawnSessions(const SessionStore& store,
                                                        const SpawnRequest& request);

// Sends a signal to the session's command. Errors: kNotFound, kFailedPrecondition (it does not
// run).
absl::Status SignalSession(const SessionStore& store, const std::string& id, int signal);

// SIGTERM (and SIGCONT) to the commands of all these sessions; what still lives after `timeout` is
// ended by its monitor, the whole tree at once, and then by killing the monitor, which nothing
// survives. One answer an id, in order; a session that has ended already is fine. Errors:
// kNotFound, kDeadlineExceeded.
std::vector<absl::Status> StopSessions(const SessionStore& store,
                                       const std::vector<std::string>& ids,
                                       std::chrono::milliseconds timeout);

// Blocks until the session has ended. Errors: kNotFound, kCancelled (a signal handler ran).
absl::StatusOr<SessionRecord> AwaitSession(const SessionStore& store, const std::string& id);

// Removes the directories of all ended sessions; returns their ids.
std::vector<std::string> PruneSessions(const SessionStore& store);

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_MANAGER_H_
