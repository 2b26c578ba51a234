#include "fleet/supervisor.h"

#include <sys/resource.h>

#include <algorithm>
#include <thread>
#include <tuple>
#include <utility>

#include "fleet/admission.h"
#include "fleet/supervisor_state.h"

namespace sessionctl {
namespace {

// The descriptors that sessions get; our own limit goes up, a pidfd a session.
rlimit RaiseDescriptors() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
  return limit;
}

SupervisorOptions WithDefaults(SupervisorOptions options) {
  if (options.max_starts <= 0) {
    options.max_starts = std::max(4, 2 * static_cast<int>(std::thread::hardware_concurrency()));
  }
  return options;
}

}  // namespace

bool Matches(const Selector& selector, const KnownSession& session) {
  for (const auto& [key, value] : selector.labels) {
    const auto it = session.record.labels.find(key);
    if (it == session.record.labels.end() || (!value.empty() && it->second != value)) return false;
  }
  if (selector.deployment && *selector.deployment != session.record.place.deployment) return false;
  return selector.states.empty() || std::find(selector.states.begin(), selector.states.end(),
                                              session.record.state) != selector.states.end();
}

Supervisor::State::State(boost::asio::io_context& io_context, const SessionStore& session_store,
                         SupervisorOptions supervisor_options)
    : io(io_context),
      store(session_store),
      options(WithDefaults(supervisor_options)),
      events(io_context),
      store_events(io_context) {}

KnownSession Supervisor::State::View(const SessionEntry& entry) const {
  return {.record = entry.record,
          .alive = entry.alive,
          .stopping = entry.alive && entry.stopping != nullptr,
          .unreadable = entry.unreadable};
}

SessionEntry* Supervisor::State::FindEntry(const std::string& id) {
  const auto it = sessions.find(id);
  return it == sessions.end() ? nullptr : &it->second;
}

void Supervisor::State::Publish(const std::string& type, const SessionEntry& entry,
                                const std::string& message) {
  events.Publish({.type = type,
                  .session = entry.record.id,
                  .name = entry.record.name,
                  .labels = entry.record.labels,
                  .place = entry.record.place,
                  .exit = entry.record.exit,
                  .message = message});
}

Supervisor::Supervisor(boost::asio::io_context& io, const SessionStore& store,
                       SupervisorOptions options)
    : state_(std::make_shared<State>(io, store, options)) {
  State& state = *state_;
  state.zygote = std::make_unique<Zygote>(
      io, RaiseDescriptors(), state.options.zygote_patience,
      [weak = state_->weak_from_this()](const auto& type, const auto& text) {
        const auto self = weak.lock();
        if (self == nullptr) return;
        self->events.Publish({.type = type, .message = text});
        self->Post([self] { self->Pump(); });
      });
}

Supervisor::~Supervisor() = default;

int Supervisor::Adopt() { return state_->Adopt(); }

absl::Status Supervisor::Admit(int count) {
  return DecideAdmission(LookAtMachine(), {.max_sessions = state_->options.max_sessions},
                         alive() - starting(), starting(), count);
}

std::string Supervisor::Spawn(SpawnSpec spec, Spawned done) {
  return state_->Enqueue(std::move(spec), std::move(done));
}

absl::StatusOr<KnownSession> Supervisor::Find(const std::string& id) {
  SessionEntry* entry = state_->FindEntry(id);
  if (entry == nullptr) entry = state_->Load(id);
  if (entry == nullptr) return absl::NotFoundError("no session " + id);
  if (entry->alive && !entry->starting) state_->ReadRecord(*entry);
  return state_->View(*entry);
}

absl::StatusOr<std::string> Supervisor::Resolve(const std::string& reference) {
  if (state_->FindEntry(reference) != nullptr) return reference;
  std::vector<std::string> named;
  std::vector<std::string> beginning;
  for (const auto& [id, entry] : state_->sessions) {
    if (!reference.empty() && entry.record.name == reference) named.push_back(id);
    if (!reference.empty() && id.compare(0, reference.size(), reference) == 0) {
      beginning.push_back(id);
    }
  }
  // One that lives, rather than those of the same name that were before it.
  const auto lives = [this](const std::string& id) { return state_->FindEntry(id)->alive; };
  if (std::count_if(named.begin(), named.end(), lives) == 1) {
    return *std::find_if(named.begin(), named.end(), lives);
  }
  const std::vector<std::string>& found = named.empty() ? beginning : named;
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    // One that was published a moment ago.
    if (IsSessionId(reference) && state_->Load(reference) != nullptr) return reference;
    return absl::NotFoundError("no session \"" + reference + "\"");
  }
  std::string message =
      "\"" + reference + "\" means " + std::to_string(found.size()) + " sessions:";
  for (size_t i = 0; i < std::min<size_t>(found.size(), 10); ++i) message += " " + found[i];
  if (found.size() > 10) message += " …";
  return absl::InvalidArgumentError(message);
}

std::vector<KnownSession> Supervisor::List(const Selector& selector) {
  std::vector<KnownSession> views;
  for (auto& [id, entry] : state_->sessions) {
    // Copying ten thousand records to choose one of them takes its time.
    if (selector.deployment && *selector.deployment != entry.record.place.deployment) continue;
    // One that was adopted while it started: nobody reports to us.
    if (entry.alive && !entry.starting && entry.record.state == SessionState::kStarting) {
      state_->ReadRecord(entry);
    }
    KnownSession view = state_->View(entry);
    if (Matches(selector, view)) views.push_back(std::move(view));
  }
  std::sort(views.begin(), views.end(), [](const KnownSession& a, const KnownSession& b) {
    return std::tie(a.record.created, a.record.id) < std::tie(b.record.created, b.record.id);
  });
  return views;
}

void Supervisor::Stop(const std::string& id, std::optional<std::chrono::milliseconds> timeout,
                      Finished done, const std::string& reason) {
  state_->Stop(id, timeout, std::move(done), reason);
}

absl::Status Supervisor::Kill(const std::string& id, int signal) {
  return state_->Kill(id, signal);
}

absl::Status Supervisor::Remove(const std::string& id) { return state_->Remove(id); }

std::vector<std::string> Supervisor::Prune(const Selector& selector) {
  std::vector<std::string> removed;
  for (const KnownSession& view : List(selector)) {
    if (view.alive || !view.unreadable.empty() || !view.record.ended_already()) continue;
    if (Remove(view.record.id).ok()) removed.push_back(view.record.id);
  }
  state_->store.RemoveAbandonedStarts();
  return removed;
}

Supervisor::WatchId Supervisor::Await(const std::string& id, Ended ended) {
  const WatchId watch = state_->next_watch++;
  SessionEntry* entry = state_->FindEntry(id);
  if (entry != nullptr && entry->alive) {
    entry->waiting[watch] = std::move(ended);
    return watch;
  }
  absl::StatusOr<KnownSession> view = absl::NotFoundError("no session " + id);
  if (entry != nullptr) view = state_->View(*entry);
  state_->Post([ended = std::move(ended), view = std::move(view)] { ended(view); });
  return watch;
}

void Supervisor::CancelAwait(WatchId watch) {
  for (auto& [id, entry] : state_->sessions) entry.waiting.erase(watch);
}

Supervisor::WatchId Supervisor::Watch(Watcher watcher) {
  return state_->events.Watch(std::move(watcher));
}
void Supervisor::Unwatch(WatchId watch) { state_->events.Unwatch(watch); }
std::vector<FleetEvent> Supervisor::Events() const { return state_->events.Latest(); }
void Supervisor::Publish(FleetEvent event) { state_->events.Publish(std::move(event)); }

int Supervisor::alive() const {
  return static_cast<int>(std::count_if(state_->sessions.begin(), state_->sessions.end(),
                                        [](const auto& each) { return each.second.alive; }));
}
int Supervisor::starting() const { return state_->Starting(); }

void Supervisor::ReadStoreAnew() { state_->ReadStoreAnew(); }
pid_t Supervisor::zygote_pid() const { return state_->zygote->pid(); }
const SessionStore& Supervisor::store() const { return state_->store; }
boost::asio::io_context& Supervisor::io() { return state_->io; }

}  // namespace sessionctl
