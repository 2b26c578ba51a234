// Somebody has asked a session to end. That stands in the session's directory before anybody is
// signalled: the monitor reads there why its session ended, and a supervisor that was killed
// meanwhile leaves it to the next one to go on.
#ifndef SUPERVISOR_REQUESTED_END_H_
#define SUPERVISOR_REQUESTED_END_H_

#include <cstdint>
#include <optional>
#include <string>

#include "sandbox/base/sys_result.h"

namespace sessionctl {

inline constexpr char kSessionEndingFile[] = "ending";

struct RequestedEnd {
  std::string reason;   // SessionExit::reason: "stopped", "start_timeout"
  int64_t timeout = 0;  // milliseconds, then the whole tree is killed
};

// Errors: those of writing (a full disk): then the end only loses its reason.
SysStatus WriteRequestedEnd(int directory, const RequestedEnd& end);
// nullopt: nobody has asked, or nobody knows what.
std::optional<RequestedEnd> ReadRequestedEnd(int directory);

}  // namespace sessionctl

#endif  // SUPERVISOR_REQUESTED_END_H_
