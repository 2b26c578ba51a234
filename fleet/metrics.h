// What /v1/metrics tells, in the text format of Prometheus
// (prometheus.io/docs/instrumenting/exposition_formats). On the io_context's thread.
#ifndef FLEET_METRICS_H_
#define FLEET_METRICS_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "fleet/supervisor.h"

namespace sessionctl {

class Metrics {
 public:
  void CountEvent(const FleetEvent& event);
  void CountAnswer(int status);
  void ObserveStart(double seconds, bool started);
  // The text, with gauges of the sessions that there are now.
  std::string Text(Supervisor& supervisor, size_t connections);

 private:
  static constexpr std::array<const char*, 12> kBounds = {
      "0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "30"};
  struct Histogram {
    std::array<uint64_t, kBounds.size()> buckets = {};  // of what was not above the bound
    uint64_t count = 0;
    double sum = 0;
  };

  void AppendStarts(std::string* text) const;

  std::map<std::string, uint64_t> events_;   // by type
  std::map<std::string, uint64_t> answers_;  // by status
  std::map<std::string, Histogram> starts_;  // by result
};

}  // namespace sessionctl

#endif  // FLEET_METRICS_H_
