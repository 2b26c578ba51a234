// How the deployment manager learns that sessions are ready: it looks, a few times a second, on the
// pool, whose directories may be slow.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "fleet/deployment_state.h"
#include "fleet/ready_probe.h"
#include "policy/deployment_policy.h"

namespace sessionctl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Milliseconds kProbePause(50);

struct Probed {
  ReadyProbe probe;
  SessionRecord record;
};

// Of one deployment: what runs and is not ready as far as is known.
void AppendUnready(Supervisor& supervisor, const DeploymentEntry& entry,
                   std::vector<Probed>& unready) {
  if (!entry.places.has_value()) return;
  for (const PlaceStatus& place : *entry.places) {
    if (place.state != PlaceState::kStarting) continue;
    const Deployment& deployment = entry.stored.wanted.deployment;
    const DeploymentSession* session = FindSession(deployment, place.place.first);
    absl::StatusOr<KnownSession> known = supervisor.Find(place.id);
    if (session == nullptr || !known.ok() || known->record.started.empty()) continue;
    unready.push_back(
        {ProbeOf(deployment, *session, known->record.place, place.id), std::move(known->record)});
  }
}

}  // namespace

void DeploymentManager::State::ProbeSoon(Milliseconds after) {
  if (probing) return;
  probing = true;
  probe_timer.expires_after(after);
  probe_timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self != nullptr && !error) self->Probe();
  });
}

void DeploymentManager::State::Probe() {
  std::vector<Probed> unready;
  for (const auto& [name, entry] : entries) AppendUnready(supervisor, *entry, unready);
  if (unready.empty() || draining) {
    probing = false;
    return;
  }
  boost::asio::post(pool, [weak = weak_from_this(), &io = io, &store = supervisor.store(),
                           unready = std::move(unready)] {
    const SteadyTime begun = Clock::now();
    std::vector<std::string> ready;
    for (const Probed& each : unready) {
      absl::StatusOr<SessionDirectory> directory = store.Find(each.record.id);
      if (directory.ok() && IsReady(each.probe, each.record, *directory)) {
        ready.push_back(each.record.id);
      }
    }
    const auto cost = std::chrono::duration_cast<Milliseconds>(Clock::now() - begun);
    boost::asio::post(io, [weak, ready = std::move(ready), cost] {
      if (const auto self = weak.lock()) self->HandleReady(ready, cost);
    });
  });
}

void DeploymentManager::State::HandleReady(const std::vector<std::string>& ids, Milliseconds cost) {
  probing = false;
  for (const std::string& id : ids) {
    memory.NoteReady(id);
    absl::StatusOr<KnownSession> session = supervisor.Find(id);
    if (!session.ok()) continue;
    supervisor.Publish({.type = "session.ready",  // has its deployment looked at
                        .session = id,
                        .name = session->record.name,
                        .labels = session->record.labels,
                        .place = session->record.place});
  }
  ProbeSoon(std::max(kProbePause, 4 * cost));
}

}  // namespace sessionctl
