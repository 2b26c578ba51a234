#include "fleet/metrics.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace sessionctl {
namespace {

constexpr std::array<SessionState, 5> kStates = {SessionState::kStarting, SessionState::kRunning,
                                                 SessionState::kExited, SessionState::kFailed,
                                                 SessionState::kLost};

void AppendHead(const char* name, const char* type, const char* help, std::string* text) {
  absl::StrAppend(text, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
}

// The values of one metric; nothing where there are none. Values of labels are words of our own:
// nothing in them has to be escaped.
void AppendFamily(const char* name, const char* type, const char* help, const char* label,
                  const std::map<std::string, uint64_t>& values, std::string* text) {
  if (values.empty()) return;
  AppendHead(name, type, help, text);
  for (const auto& [of, value] : values) {
    absl::StrAppend(text, name, "{", label, "=\"", of, "\"} ", value, "\n");
  }
}

void AppendGauge(const char* name, const char* help, uint64_t value, std::string* text) {
  AppendHead(name, "gauge", help, text);
  absl::StrAppend(text, name, " ", value, "\n");
}

}  // namespace

void Metrics::CountEvent(const FleetEvent& event) { ++events_[event.type]; }

void Metrics::CountAnswer(int status) { ++answers_[std::to_string(status)]; }

void Metrics::ObserveStart(double seconds, bool started) {
  Histogram& histogram = starts_[started ? "started" : "failed"];
  for (size_t i = 0; i < kBounds.size(); ++i) {
    histogram.buckets[i] += seconds <= strtod(kBounds[i], nullptr) ? 1 : 0;
  }
  ++histogram.count;
  histogram.sum += seconds;
}

void Metrics::AppendStarts(std::string* text) const {
  constexpr char kName[] = "sessionctl_start_seconds";
  if (starts_.empty()) return;
  AppendHead(kName, "histogram", "From the request to the execution of the command", text);
  for (const auto& [result, histogram] : starts_) {
    const std::string label = absl::StrCat("{result=\"", result, "\"");
    absl::StrAppend(text, kName, "_count", label, "} ", histogram.count, "\n");
    absl::StrAppend(text, kName, "_sum", label, "} ", histogram.sum, "\n");
    for (size_t i = 0; i < kBounds.size(); ++i) {
      absl::StrAppend(text, kName, "_bucket", label, ",le=\"", kBounds[i], "\"} ",
                      histogram.buckets[i], "\n");
    }
    absl::StrAppend(text, kName, "_bucket", label, ",le=\"+Inf\"} ", histogram.count, "\n");
  }
}

std::string Metrics::Text(Supervisor& supervisor, size_t connections) {
  std::map<std::string, uint64_t> sessions;
  for (const SessionState state : kStates) sessions[SessionStateName(state)] = 0;
  for (const KnownSession& view : supervisor.List()) {
    ++sessions[SessionStateName(view.record.state)];
  }
  std::string text;
  AppendFamily("sessionctl_sessions", "gauge", "Sessions by state", "state", sessions, &text);
  AppendGauge("sessionctl_starts_waiting", "Starts that wait or are in flight",
              static_cast<uint64_t>(supervisor.starting()), &text);
  AppendGauge("sessionctl_connections", "Open connections of clients", connections, &text);
  AppendFamily("sessionctl_events_total", "counter", "Events by type", "type", events_, &text);
  AppendFamily("sessionctl_http_answers_total", "counter", "Answers by status", "status", answers_,
               &text);
  AppendStarts(&text);
  return text;
}

}  // namespace sessionctl
