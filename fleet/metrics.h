// What /v1/metrics tells, in the text format of Prometheus. This pair is the only user of
// prometheus-cpp. On the io_context's thread.
#ifndef FLEET_METRICS_H_
#define FLEET_METRICS_H_

#include <memory>
#include <string>

#include "fleet/supervisor.h"

namespace sessionctl {

class Metrics {
 public:
  Metrics();
  ~Metrics();

  void CountEvent(const FleetEvent& event);
  void CountAnswer(int status);
  void ObserveStart(double seconds, bool started);
  // The text, with gauges of the sessions that there are now.
  std::string Text(Supervisor& supervisor, size_t connections);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sessionctl

#endif  // FLEET_METRICS_H_
