// The supervisor's knowledge of the sessions that there are: adoption, the end of monitors, changes
// in the store.
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <set>
#include <utility>

#include "fleet/lock_owner.h"
#include "fleet/supervisor_state.h"
#include "supervisor/process_identity.h"

namespace sessionctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLockSoon(20);    // a broker keeps the lock a moment longer than its monitor
constexpr milliseconds kLockLater(500);  // nobody who can be seen holds it

std::string UnreadableText(const absl::StatusOr<SessionRecord>& record, const std::string& id) {
  if (!record.ok()) return std::string(record.status().message());
  return "the record is that of session " + record->id + ", not of " + id;
}

}  // namespace

int Supervisor::State::Adopt() {
  WatchStore();
  store.RemoveAbandonedStarts();
  int living = 0;
  for (const std::string& id : store.Ids()) {
    SessionEntry* entry = Load(id);
    if (entry == nullptr || !entry->alive) continue;
    ++living;
    Publish("session.adopted", *entry);
  }
  return living;
}

void Supervisor::State::WatchStore() {
  const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  IoError error;
  if (fd < 0) return events.Publish({.type = "store.unwatched", .message = "inotify: no instance"});
  store_events.assign(fd, error);
  const std::string path = "/proc/self/fd/" + std::to_string(store.fd());
  inotify_add_watch(fd, path.c_str(),
                    IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR);
  ReadStoreEvents();
}

void Supervisor::State::ReadStoreEvents() {
  store_events.async_wait(Descriptor::wait_read, [weak = weak_from_this()](const IoError& error) {
    const auto self = weak.lock();
    if (self == nullptr || error) return;
    alignas(inotify_event) std::array<char, 16384> buffer;
    const ssize_t size = read(self->store_events.native_handle(), buffer.data(), buffer.size());
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      memcpy(&event, buffer.data() + at, sizeof(event));
      const std::string name = event.len > 0 ? buffer.data() + at + sizeof(event) : "";
      at += static_cast<ssize_t>(sizeof(event) + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) self->Rescan();
      if (!IsSessionId(name)) continue;
      if ((event.mask & (IN_MOVED_TO | IN_CREATE)) != 0 && self->flying.count(name) == 0 &&
          self->FindEntry(name) == nullptr) {
        SessionEntry* entry = self->Load(name);
        if (entry != nullptr && entry->alive) self->Publish("session.adopted", *entry);
      }
      if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0) self->HandleRemoved(name);
    }
    self->ReadStoreEvents();
  });
}

// The zygote holds the directory that is no more, too.
void Supervisor::State::ReadStoreAnew() {
  IoError ignored;
  store_events.close(ignored);
  WatchStore();
  Rescan();
  if (zygote->pid() > 0) kill(zygote->pid(), SIGKILL);
}

// Events were lost: what the store says now.
void Supervisor::State::Rescan() {
  const std::vector<std::string> ids = store.Ids();
  const std::set<std::string> there(ids.begin(), ids.end());
  for (const std::string& id : ids) {
    if (FindEntry(id) == nullptr) Load(id);
  }
  std::vector<std::string> gone;
  for (const auto& [id, entry] : sessions) {
    if (there.count(id) == 0) gone.push_back(id);
  }
  for (const std::string& id : gone) HandleRemoved(id);
}

SessionEntry* Supervisor::State::Load(const std::string& id) {
  if (!store.Find(id).ok()) return nullptr;
  SessionEntry& entry = sessions[id];
  entry.record.id = id;
  ReadRecord(entry);
  if (entry.alive && !entry.starting) WatchMonitor(entry);
  if (entry.alive && entry.stopping == nullptr) ResumeStop(id);
  return &entry;
}

// The lock is looked at first: what is read after it was found free is final.
void Supervisor::State::ReadRecord(SessionEntry& entry) {
  const std::string id = entry.record.id;
  absl::StatusOr<SessionDirectory> directory = store.Find(id);
  if (!directory.ok()) return;  // somebody has removed it: what we knew stands
  const bool locked = directory->IsLocked();
  absl::StatusOr<SessionRecord> record = directory->CurrentRecord();
  if (!entry.starting) entry.alive = locked || entry.monitor != nullptr;
  if (record.ok() && record->id == id) {
    entry.unreadable.clear();
    entry.record = *std::move(record);
    return;
  }
  const bool was_readable = entry.unreadable.empty();
  entry.unreadable = UnreadableText(record, id);
  if (was_readable) {
    Publish("record.unreadable", entry,
            entry.unreadable + (entry.alive ? "; the session lives" : ""));
  }
}

void Supervisor::State::WatchMonitor(SessionEntry& entry) {
  const std::string id = entry.record.id;
  absl::StatusOr<OwnedFd> pidfd = PinProcess(entry.record.monitor);
  if (!pidfd.ok()) {
    absl::StatusOr<SessionDirectory> directory = store.Find(id);
    if (!directory.ok()) return Recheck(id);
    absl::StatusOr<LockOwner> owner = FindLockOwner(directory->fd(), kSessionLockFile);
    if (!owner.ok()) return RecheckSoon(id, kLockLater);
    pidfd = std::move(owner->pidfd);
  }
  IoError error;
  auto monitor = std::make_unique<Descriptor>(io);
  monitor->assign(pidfd->get(), error);
  if (error) return RecheckSoon(id, kLockLater);
  pidfd->Release();
  entry.monitor = std::move(monitor);
  entry.monitor->async_wait(Descriptor::wait_read,
                            [weak = weak_from_this(), id](const IoError& failed) {
                              const auto self = weak.lock();
                              if (self == nullptr || failed) return;
                              if (SessionEntry* ended = self->FindEntry(id)) ended->monitor.reset();
                              self->Recheck(id);
                            });
}

void Supervisor::State::RecheckSoon(const std::string& id, milliseconds after) {
  SessionEntry* entry = FindEntry(id);
  if (entry == nullptr) return;
  entry->recheck = std::make_unique<boost::asio::steady_timer>(io, after);
  entry->recheck->async_wait([weak = weak_from_this(), id](const IoError& error) {
    const auto self = weak.lock();
    if (self != nullptr && !error) self->Recheck(id);
  });
}

// The monitor has gone, as far as we can see: does the store say so too?
void Supervisor::State::Recheck(const std::string& id) {
  SessionEntry* entry = FindEntry(id);
  if (entry == nullptr || !entry->alive || entry->starting || entry->monitor != nullptr) return;
  entry->alive = false;
  ReadRecord(*entry);
  if (entry->alive) {
    if (PinProcess(entry->record.monitor).ok()) return WatchMonitor(*entry);
    return RecheckSoon(id, entry->unreadable.empty() ? kLockSoon : kLockLater);
  }
  HandleEnd(*entry);
}

void Supervisor::State::HandleEnd(SessionEntry& entry) {
  const std::string id = entry.record.id;
  if (entry.unreadable.empty() && !entry.record.ended_already()) {
    entry.record.state = SessionState::kLost;
    entry.record.exit = SessionExit{.reason = "its directory was removed while it ran"};
    entry.record.ended = CurrentTimestamp();
  }
  entry.alive = false;
  entry.monitor.reset();
  entry.recheck.reset();
  FinishStop(entry, absl::OkStatus());
  const KnownSession view = View(entry);
  for (auto& [watch, ended] : std::exchange(entry.waiting, {})) {
    Post([ended = std::move(ended), view] { ended(view); });
  }
  Publish("session.ended", entry);
}

// Its directory has gone from the store. A session that lives is kept until it ends.
void Supervisor::State::HandleRemoved(const std::string& id) {
  SessionEntry* entry = FindEntry(id);
  if (entry == nullptr || entry->alive || store.Find(id).ok()) return;
  Publish("session.removed", *entry);
  sessions.erase(id);
}

}  // namespace sessionctl
