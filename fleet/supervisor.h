// The supervisor: every spawned session of one user, seen from one process. It starts sessions
// (through the zygote, at a bounded rate), knows which live (by their monitors' pidfds), signals,
// stops, restarts and removes them, and tells what happens. It owns nothing of a session's life: a
// monitor needs no supervisor, and a new supervisor finds everything in the store (Adopt).
//
// All of it runs on the one thread of its io_context. Callbacks are called from there, never from
// within the call that takes them.
#ifndef FLEET_SUPERVISOR_H_
#define FLEET_SUPERVISOR_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supervisor/session_monitor.h"
#include "supervisor/session_record.h"
#include "supervisor/session_store.h"

namespace boost::asio {
class io_context;
}

namespace sessionctl {

// One session to start.
struct SpawnSpec {
  std::string policy;  // TOML, as PolicyToToml writes it
  std::vector<std::string> command;
  std::vector<std::string> environment;  // "K=V", the caller's; the policy decides what passes
  std::string name;
  std::map<std::string, std::string> labels;
  SessionPlace place;
  StopRule stop;
  std::optional<TerminalSize> terminal;
  bool stdin_open = false;
  LogRule log;
  mode_t umask = 022;
};

struct SpawnResult {
  std::string id;
  std::string name;
  int exit_code = 0;         // 0: the command runs; else 125, 126 or 127
  std::string message;       // why not
  bool place_taken = false;  // a session lives in spec.place already; nothing was started
  bool stopped = false;      // somebody stopped it before it was started
};

// A session as the supervisor knows it.
struct KnownSession {
  SessionRecord record;    // of an unreadable one only `id`
  bool alive = false;      // its monitor lives
  bool stopping = false;   // it was asked to end, and has not yet
  std::string unreadable;  // why its record cannot be read; "": it can
};

// Which sessions are meant; what is empty matches all.
struct Selector {
  std::map<std::string, std::string> labels;  // all of them, exactly; "" as value: any
  std::optional<std::string> deployment;
  std::vector<SessionState> states;
};
bool Matches(const Selector& selector, const KnownSession& session);

struct FleetEvent {
  uint64_t sequence = 0;
  std::string time;  // RFC 3339
  // session.starting, session.started, session.failed, session.ended, session.adopted,
  // session.removed, zygote.started, zygote.lost …; deployments add their own.
  std::string type;
  std::string session;  // id, "" for what is about no session
  std::string name;
  std::map<std::string, std::string> labels;
  SessionPlace place;
  std::optional<SessionExit> exit;  // of session.ended and session.failed
  std::string message;
};

struct SupervisorOptions {
  int max_sessions = 10'000;  // alive or being started
  int max_starts = 0;         // at once; 0: by the number of processors
  std::chrono::milliseconds zygote_patience{30'000};
};

class Supervisor {
 public:
  using Spawned = std::function<void(const SpawnResult&)>;
  using Finished = std::function<void(const absl::Status&)>;
  using Ended = std::function<void(const absl::StatusOr<KnownSession>&)>;
  using Watcher = std::function<void(const FleetEvent&)>;
  using WatchId = uint64_t;

  // `store` must outlive the supervisor.
  Supervisor(boost::asio::io_context& io, const SessionStore& store, SupervisorOptions options);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Takes over every session of the store; to be called once, first. Returns how many live.
  int Adopt();

  // May `count` more sessions be started now? kResourceExhausted says which resource is short.
  absl::Status Admit(int count);

  // Queues one start and returns the session's id. Whoever starts several asks Admit first.
  // `done` comes exactly once, when the command runs or the start has failed.
  std::string Spawn(SpawnSpec spec, Spawned done);

  // By id. Errors: kNotFound.
  absl::StatusOr<KnownSession> Find(const std::string& id);
  // An id, else a name, else the beginning of an id. Errors: kNotFound, kInvalidArgument (several).
  absl::StatusOr<std::string> Resolve(const std::string& reference);
  // Oldest first.
  std::vector<KnownSession> List(const Selector& selector = {});

  // The stop signal (and SIGCONT) to the command; after `timeout` the whole tree is killed.
  // nullopt: as the session's own StopRule says. `done` comes when it has ended; `reason` is then
  // its exit's, unless a limit ended it first. A supervisor that is killed meanwhile leaves the
  // stop to the next one. Errors: kNotFound, kDeadlineExceeded. An ended session is fine.
  void Stop(const std::string& id, std::optional<std::chrono::milliseconds> timeout, Finished done,
            const std::string& reason = "stopped");
  // A signal to the command. Errors: kNotFound, kFailedPrecondition (it does not run).
  absl::Status Kill(const std::string& id, int signal);
  // Stops it, then starts one like it under a new id. Errors as Stop; kFailedPrecondition: nobody
  // knows any more how it was started.
  void Restart(const std::string& id, std::optional<std::chrono::milliseconds> timeout,
               std::function<void(const absl::StatusOr<SpawnResult>&)> done);
  // Forgets an ended session and removes its directory. Errors: kNotFound, kFailedPrecondition.
  absl::Status Remove(const std::string& id);
  // All ended sessions that match, unreadable ones left out; returns their ids.
  std::vector<std::string> Prune(const Selector& selector = {});

  // Calls `ended` when the session has ended (or at once, by post). The id is for CancelAwait: when
  // whoever waited has gone.
  WatchId Await(const std::string& id, Ended ended);
  void CancelAwait(WatchId watch);

  // Every event from now on.
  WatchId Watch(Watcher watcher);
  void Unwatch(WatchId watch);
  // The latest events, oldest first, at most 1,000.
  std::vector<FleetEvent> Events() const;
  // Numbers and stamps an event and tells it to all; for deployments too.
  void Publish(FleetEvent event);

  // Alive, being started or queued.
  int alive() const;
  int starting() const;  // queued and in flight

  // To be called when the store holds another directory (SessionStore::Reopen). Sessions that live
  // are kept until they end.
  void ReadStoreAnew();
  pid_t zygote_pid() const;  // -1: none

  const SessionStore& store() const;
  boost::asio::io_context& io();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sessionctl

#endif  // FLEET_SUPERVISOR_H_
