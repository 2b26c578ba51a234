// What the parts of the supervisor share (supervisor.cc, session_watch.cc, spawn_queue.cc,
// session_stop.cc); of no concern to others.
#ifndef FLEET_SUPERVISOR_STATE_H_
#define FLEET_SUPERVISOR_STATE_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fleet/event_log.h"
#include "fleet/supervisor.h"
#include "fleet/zygote.h"

namespace sessionctl {

using IoError = boost::system::error_code;
using Descriptor = boost::asio::posix::stream_descriptor;

// How far the end of a session has come that somebody asked for.
struct Stopping {
  explicit Stopping(boost::asio::io_context& io) : timer(io) {}
  enum class Stage { kAsked, kMonitorAsked, kMonitorKilled };
  Stage stage = Stage::kAsked;
  boost::asio::steady_timer timer;
  std::string reason;
  std::vector<Supervisor::Finished> done;
};

struct SessionEntry {
  SessionRecord record;
  bool alive = false;     // its monitor lives, or it is being started
  bool starting = false;  // no report yet
  std::string unreadable;
  std::unique_ptr<Descriptor> monitor;  // pidfd
  std::unique_ptr<boost::asio::steady_timer> recheck;
  std::map<Supervisor::WatchId, Supervisor::Ended> waiting;
  std::shared_ptr<Stopping> stopping;
};

struct QueuedSpawn {
  std::string id;
  SpawnSpec spec;
  Supervisor::Spawned done;
  int tries = 0;
};

// One start that the zygote was asked for.
struct FlyingSpawn {
  QueuedSpawn spawn;
  std::unique_ptr<Descriptor> report;
  int generation = 0;  // of the zygote
};

struct Supervisor::State : std::enable_shared_from_this<Supervisor::State> {
  State(boost::asio::io_context& io_context, const SessionStore& session_store,
        SupervisorOptions supervisor_options);

  // supervisor.cc
  KnownSession View(const SessionEntry& entry) const;
  void Publish(const std::string& type, const SessionEntry& entry, const std::string& message = "");
  SessionEntry* FindEntry(const std::string& id);
  void Post(std::function<void()> work) { boost::asio::post(io, std::move(work)); }

  // session_watch.cc: what the store and the kernel say.
  int Adopt();
  void WatchStore();
  void ReadStoreEvents();
  void Rescan();
  void ReadStoreAnew();
  SessionEntry* Load(const std::string& id);  // null: not in the store
  void ReadRecord(SessionEntry& entry);
  void WatchMonitor(SessionEntry& entry);
  void RecheckSoon(const std::string& id, std::chrono::milliseconds after);
  void Recheck(const std::string& id);
  void HandleEnd(SessionEntry& entry);
  void HandleRemoved(const std::string& id);

  // spawn_queue.cc
  std::string Enqueue(SpawnSpec spec, Spawned done);
  void Pump();
  void Launch(QueuedSpawn spawn);
  void AwaitReport(const std::string& id);
  void HandleReport(const std::string& id);
  void HandleNoReport(FlyingSpawn flying);
  // In a moment once more, unless the zygote is still the `not_from`th: then it has failed, and
  // `otherwise` says why.
  void LaunchSoon(QueuedSpawn spawn, int not_from, const std::string& otherwise);
  void FinishSpawn(const QueuedSpawn& spawn, int exit_code, const std::string& message,
                   bool place_taken = false);
  int Starting() const { return static_cast<int>(queue.size() + flying.size()); }
  bool CancelQueued(const std::string& id);

  // session_stop.cc
  void Stop(const std::string& id, std::optional<std::chrono::milliseconds> timeout, Finished done,
            const std::string& reason);
  void ResumeStop(const std::string& id);
  void WriteEnding(const SessionEntry& entry);
  void BeginStop(SessionEntry& entry);
  void ArmStop(SessionEntry& entry, std::chrono::milliseconds after);
  void HandleStopTimeout(const std::string& id);
  bool IsCommitting(const SessionEntry& entry) const;
  void FinishStop(SessionEntry& entry, const absl::Status& status);
  absl::Status Kill(const std::string& id, int signal);
  absl::Status Remove(const std::string& id);
  absl::StatusOr<SpawnSpec> StoredSpec(const std::string& id) const;

  boost::asio::io_context& io;
  const SessionStore& store;
  const SupervisorOptions options;
  EventLog events;
  std::map<std::string, SessionEntry> sessions;
  std::deque<QueuedSpawn> queue;
  std::map<std::string, FlyingSpawn> flying;
  std::unique_ptr<Zygote> zygote;
  Descriptor store_events;  // inotify
  WatchId next_watch = 1;
};

}  // namespace sessionctl

#endif  // FLEET_SUPERVISOR_STATE_H_
