#include "fleet/deployment_sessions.h"

#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "fleet/ready_probe.h"
#include "policy/deployment_policy.h"
#include "policy/policy_parser.h"
#include "sandbox/signal_names.h"
#include "supervisor/session_monitor.h"

namespace sessionctl {
namespace {

// nullopt: no timestamp of CurrentTimestamp's.
std::optional<int64_t> MillisecondsOf(const std::string& timestamp) {
  tm parts = {};
  const char* rest = strptime(timestamp.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return std::nullopt;
  int64_t fraction = 0;
  if (*rest == '.' && sscanf(rest, ".%3ld", &fraction) != 1) return std::nullopt;
  return int64_t{timegm(&parts)} * 1000 + fraction;
}

Milliseconds TimeSince(SteadyTime then) {
  return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - then);
}

}  // namespace

SpawnSpec MakeSpec(const StoredDeployment& stored, const SessionPlace& place) {
  const Deployment& deployment = stored.wanted.deployment;
  const DeploymentSession& session = *FindSession(deployment, place.session);
  SpawnSpec spec;
  spec.policy = PolicyToToml(PolicyOf(deployment, session, place.replica));
  spec.command = session.command;
  spec.environment = stored.environment;
  spec.name = absl::StrCat(place.deployment, ".", place.session, ".", place.replica);
  spec.labels = LabelsOf(deployment, session);
  spec.place = place;
  spec.stop = {.signal = SignalNumber(session.stop_signal), .timeout = session.stop_timeout};
  spec.stdin_open = session.stdin_open;
  return spec;
}

ReadyProbe ProbeOf(const Deployment& deployment, const DeploymentSession& session,
                   const SessionPlace& place, const std::string& id) {
  ReadyProbe probe = session.ready;
  probe.file = ExpandReplica(std::move(probe.file), deployment, place.replica);
  absl::StrReplaceAll({{"{session}", id}, {"{user}", CurrentUserName()}}, &probe.file);
  return probe;
}

Milliseconds WallTimeBetween(const std::string& from, const std::string& to) {
  const std::optional<int64_t> begin = MillisecondsOf(from);
  const std::optional<int64_t> end = MillisecondsOf(to);
  return Milliseconds(begin && end && *end > *begin ? *end - *begin : 0);
}

void SessionMemory::NoteReady(const std::string& id) {
  seen_[id].ready = true;
  absl::StatusOr<SessionDirectory> directory = store_.Find(id);
  if (directory.ok()) RememberReady(*directory);
}

bool SessionMemory::IsKnownReady(const std::string& id, Seen& seen) {
  if (!seen.ready.has_value()) {
    absl::StatusOr<SessionDirectory> directory = store_.Find(id);
    if (!directory.ok()) return false;  // being started
    seen.ready = WasReady(*directory);
  }
  return *seen.ready;
}

Milliseconds SessionMemory::AgeOf(const KnownSession& session, Seen& seen) {
  const SessionRecord& record = session.record;
  if (session.alive) {
    return seen.started ? TimeSince(*seen.started)
                        : WallTimeBetween(record.started, CurrentTimestamp());
  }
  // Nobody was there to write when it ended: about now.
  if (!seen.ended && record.ended.empty()) seen.ended = Clock::now();
  return seen.ended ? TimeSince(*seen.ended) : WallTimeBetween(record.ended, CurrentTimestamp());
}

PlacedSession SessionMemory::Place(const KnownSession& session, bool probed) {
  const SessionRecord& record = session.record;
  Seen& seen = seen_[record.id];
  PlacedSession placed = {.id = record.id,
                          .place = record.place,
                          .created = record.created,
                          .alive = session.alive,
                          .stopping = session.stopping,
                          .exit = record.exit};
  placed.ready = probed ? IsKnownReady(record.id, seen) : !record.started.empty();
  placed.age = AgeOf(session, seen);
  if (session.alive) return placed;
  placed.run = seen.started && seen.ended
                   ? std::chrono::duration_cast<Milliseconds>(*seen.ended - *seen.started)
                   : WallTimeBetween(record.started, record.ended);
  return placed;
}

}  // namespace sessionctl
