// The broker: one process a session. Start() forks it; it enters its own (outer) Landlock domain,
// starts the session's command in the inner one, answers its notifications and, when the command
// ends, ends every process that is left of the session. It dies with its parent and the session
// dies with it.
#ifndef SUPERVISOR_BROKER_H_
#define SUPERVISOR_BROKER_H_

#include <sys/types.h>

#include <climits>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/policy_compiler.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/cgroup.h"
#include "sandbox/filter_cache.h"
#include "supervisor/limit_watcher.h"
#include "supervisor/mediator/call_counters.h"
#include "supervisor/shared_memory.h"

namespace sessionctl {

// Exit codes of a session that did not start (docs/cli.md): by our own failure, or the command's.
inline constexpr int kOwnFailure = 125;
inline constexpr int kNotExecutable = 126;
inline constexpr int kNotFound = 127;

struct BrokerOptions {
  std::string session_id;
  const CompiledPolicy* policy = nullptr;  // must outlive Start() only
  std::vector<std::string> argv;           // argv[0] is looked up in the session's PATH
  std::vector<std::string> environment;    // "K=V", as ResolveEnvironment made it
  int stdin_fd = 0;
  int stdout_fd = 1;
  int stderr_fd = 2;
  int audit_fd = -1;  // O_APPEND file or pipe for audit events as JSON lines; -1: none
  // The session's directory in the store, where overlays keep their changes; -1: there is none.
  int session_directory = -1;
  bool foreground =
      false;  // `run`: the command stays in the caller's process group and terminal session
  // Standard input is a terminal that was made for the session: it becomes the command's
  // controlling terminal. `terminal_path` is its name.
  bool terminal = false;
  std::string terminal_path;
  // Numbers of terminals that the parent makes for the session (mediator/terminals.h); -1: none.
  int terminals_fd = -1;
  // The session gets an init, which hears requests from there (session_init.h); -1: none.
  int init_channel = -1;
  // Programs that are compiled already; null: none. The broker has them from before its fork.
  FilterCache* filters = nullptr;
  // Where mediated calls are counted, shared with the parent; null: in the broker alone.
  CallCounters* counters = nullptr;
};

// One message from the broker to its parent. Fixed size: it crosses a SOCK_SEQPACKET.
struct BrokerEvent {
  enum class Kind : uint32_t {
    kStarted,      // the command was executed; pid is set
    kStartFailed,  // exit_code (125, 126 or 127) and message are set; nothing ran
    kStopped,      // the command was stopped by wait_status's signal (job control)
    kContinued,
    kExited,  // wait_status of the command; the whole tree is gone; counters are set
    // The broker's own filter stopped refused_call and ended it; the session falls to the parent.
    kRefusedCall,
    kView,           // under filesystem.reserve, with the view's mount namespace as descriptor
    kMountsChanged,  // answers the BrokerRequest of that number; exit_code is 0 or an errno: EBUSY
                     // says that a call in a mount which is to go does not end
  };
  Kind kind;
  pid_t pid;
  int wait_status;
  int exit_code;
  int refused_call;
  uint32_t request;
  uint64_t mediated_calls;
  uint64_t denials;
  // Of kExited: what all processes of the session have used together. Microseconds, bytes.
  int64_t cpu_user;
  int64_t cpu_system;
  int64_t peak_memory;
  SessionEnd ended;   // of kExited: the limit that ended the session, kNone when it ended by itself
  char message[768];  // NUL-terminated
};

// One message from its parent to the broker of a session whose policy reserves room for mounts,
// with the mount's root as descriptor. One that adds comes when the mount is there, one that
// removes before it is taken off.
struct BrokerRequest {
  enum class Kind : uint32_t { kAddMount, kRemoveMount };
  Kind kind;
  uint32_t number;          // for the answer
  bool read_only;           // kAddMount
  char guest[PATH_MAX];     // NUL-terminated, like the next
  char deny[2 * PATH_MAX];  // a glob; "": none
};

class Broker {
 public:
  // Forks the broker. The caller must be single-threaded; it becomes a child subreaper, so that a
  // session whose broker is killed falls to the caller, who must then call KillDescendants().
  // Errors are set-up errors that show before the fork; later ones arrive as kStartFailed.
  static absl::StatusOr<Broker> Start(const BrokerOptions& options);

  pid_t pid() const { return pid_; }
  // Readable when an event waits; end of file when the broker has gone.
  int events_fd() const { return events_.get(); }
  // Ends everything that is left of the session after the broker was killed.
  void KillSession();
  // The next event; nullopt at end of file. Blocks; EAGAIN never. What it says is the broker's
  // word: a broker that was taken over says what it likes. The message has no control characters.
  SysResult<std::optional<BrokerEvent>> ReadEvent();
  // The mount namespace of a session that may get mounts, from before its command was started; -1:
  // there is none.
  int view() const { return view_.get(); }
  // Does not wait. Errors: EAGAIN (the broker does not hear), EPIPE.
  SysStatus Request(const BrokerRequest& request, int root);

 private:
  absl::Status MakeCgroup(const BrokerOptions& options);

  pid_t pid_ = -1;
  OwnedFd events_;
  OwnedFd view_;
  bool heard_start_ = false;
  std::optional<SessionCgroup> cgroup_;
  std::optional<SharedMemory> shared_memory_;  // goes with this object, after the session
};

// The parent of `pid` as /proc tells it, 0 when there is no such process. Whoever keeps or signals
// a process that a broker named asks whether it is that broker's child.
pid_t ParentOf(pid_t pid);

// "broker lost: …": why a broker that sent kRefusedCall is gone.
std::string RefusedCallText(const BrokerEvent& event);

// Ends every descendant of the calling process, which must be a child subreaper: stops them all
// first so that none can fork away, kills them, reaps them. Returns how many it killed. For the
// parent of a broker that was killed, and for the broker itself at the end of its session.
int KillDescendants();

// The environment of a session: `policy.environment` applied to `caller` (usually environ). Sets
// PATH, HOME, TMPDIR, LANG when the policy leaves them open. {session} in a value that the policy
// sets is `session`; every other brace stays.
std::vector<std::string> ResolveEnvironment(const CompiledPolicy& policy,
                                            const std::vector<std::string>& caller,
                                            const std::string& session);

// Where the command may be: itself when it has a slash, else along the session's own PATH.
std::vector<std::string> ProgramPaths(const std::string& command,
                                      const std::vector<std::string>& environment);

}  // namespace sessionctl

#endif  // SUPERVISOR_BROKER_H_
