// The log of the supervisor and of the system-wide front: standard error, a line an event. For
// journald each line begins with its priority (sd-daemon(3)), and has no time of its own.
#ifndef FLEET_SERVE_LOG_H_
#define FLEET_SERVE_LOG_H_

#include <string>

#include "fleet/supervisor.h"

namespace sessionctl {

// To be called once, before the first line.
void SetUpServeLog(const std::string& name);

// "session.ended 45fd2bc89416 "demo": signal 15 (stopped)". What clients and sessions have chosen
// cannot begin a line of its own or reach a terminal.
std::string EventLine(const FleetEvent& event);

}  // namespace sessionctl

#endif  // FLEET_SERVE_LOG_H_
