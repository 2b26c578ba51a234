#include "fleet/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>

namespace sessionctl {
namespace {

constexpr std::array<SessionState, 5> kStates = {SessionState::kStarting, SessionState::kRunning,
                                                 SessionState::kExited, SessionState::kFailed,
                                                 SessionState::kLost};

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Gauge>& sessions = prometheus::BuildGauge()
                                                        .Name("sessionctl_sessions")
                                                        .Help("Sessions by state")
                                                        .Register(registry);
  prometheus::Family<prometheus::Gauge>& queued = prometheus::BuildGauge()
                                                      .Name("sessionctl_starts_waiting")
                                                      .Help("Starts that wait or are in flight")
                                                      .Register(registry);
  prometheus::Family<prometheus::Gauge>& connections = prometheus::BuildGauge()
                                                           .Name("sessionctl_connections")
                                                           .Help("Open connections of clients")
                                                           .Register(registry);
  prometheus::Family<prometheus::Counter>& events = prometheus::BuildCounter()
                                                        .Name("sessionctl_events_total")
                                                        .Help("Events by type")
                                                        .Register(registry);
  prometheus::Family<prometheus::Counter>& answers = prometheus::BuildCounter()
                                                         .Name("sessionctl_http_answers_total")
                                                         .Help("Answers by status")
                                                         .Register(registry);
  prometheus::Family<prometheus::Histogram>& starts =
      prometheus::BuildHistogram()
          .Name("sessionctl_start_seconds")
          .Help("From the request to the execution of the command")
          .Register(registry);
  const prometheus::Histogram::BucketBoundaries bounds = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2,
                                                          0.5,   1,    2,    5,    10,  30};
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::CountEvent(const FleetEvent& event) {
  state_->events.Add({{"type", event.type}}).Increment();
}

void Metrics::CountAnswer(int status) {
  state_->answers.Add({{"status", std::to_string(status)}}).Increment();
}

void Metrics::ObserveStart(double seconds, bool started) {
  state_->starts.Add({{"result", started ? "started" : "failed"}}, state_->bounds).Observe(seconds);
}

std::string Metrics::Text(Supervisor& supervisor, size_t connections) {
  std::array<int, kStates.size()> counts = {};
  for (const KnownSession& view : supervisor.List()) {
    for (size_t i = 0; i < kStates.size(); ++i) counts[i] += view.record.state == kStates[i];
  }
  for (size_t i = 0; i < kStates.size(); ++i) {
    state_->sessions.Add({{"state", SessionStateName(kStates[i])}}).Set(counts[i]);
  }
  state_->queued.Add({}).Set(supervisor.starting());
  state_->connections.Add({}).Set(static_cast<double>(connections));
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace sessionctl
