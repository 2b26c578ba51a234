// The latest events, and who wants to hear the next ones. On the io_context's thread.
#ifndef FLEET_EVENT_LOG_H_
#define FLEET_EVENT_LOG_H_

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "fleet/supervisor.h"

namespace sessionctl {

inline constexpr size_t kEventsKept = 1000;

class EventLog {
 public:
  explicit EventLog(boost::asio::io_context& io) : io_(io) {}
  // Numbers, stamps and keeps it, and tells every watcher, by post: a watcher may do anything.
  void Publish(FleetEvent event);
  Supervisor::WatchId Watch(Supervisor::Watcher watcher);
  void Unwatch(Supervisor::WatchId id) { watchers_.erase(id); }
  std::vector<FleetEvent> Latest() const { return {events_.begin(), events_.end()}; }

 private:
  void Tell(const FleetEvent& event);

  boost::asio::io_context& io_;
  uint64_t sequence_ = 0;
  Supervisor::WatchId next_watch_ = 1;
  std::deque<FleetEvent> events_;
  std::map<Supervisor::WatchId, Supervisor::Watcher> watchers_;
};

}  // namespace sessionctl

#endif  // FLEET_EVENT_LOG_H_
