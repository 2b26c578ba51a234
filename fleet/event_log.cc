#include "fleet/event_log.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace sessionctl {

void EventLog::Publish(FleetEvent event) {
  event.sequence = ++sequence_;
  event.time = CurrentTimestamp();
  events_.push_back(event);
  if (events_.size() > kEventsKept) events_.pop_front();
  if (watchers_.empty()) return;
  boost::asio::post(io_, [this, event = std::move(event)] { Tell(event); });
}

void EventLog::Tell(const FleetEvent& event) {
  std::vector<Supervisor::WatchId> ids;
  ids.reserve(watchers_.size());
  for (const auto& [id, watcher] : watchers_) ids.push_back(id);
  for (const Supervisor::WatchId id : ids) {
    const auto it = watchers_.find(id);
    if (it == watchers_.end()) continue;
    const Supervisor::Watcher watcher = it->second;  // it may go while it runs
    watcher(event);
  }
}

Supervisor::WatchId EventLog::Watch(Supervisor::Watcher watcher) {
  watchers_[next_watch_] = std::move(watcher);
  return next_watch_++;
}

}  // namespace sessionctl
