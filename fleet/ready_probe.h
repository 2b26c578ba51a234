// Is a session ready? Looks at what the session may have planted, so it follows nothing and
// believes nothing but "there" or "not there". May block as the session's directories do: not for
// the supervisor's own thread. Reads a bounded part of a log.
#ifndef FLEET_READY_PROBE_H_
#define FLEET_READY_PROBE_H_

#include "policy/deployment.h"
#include "supervisor/session_record.h"
#include "supervisor/session_store.h"

namespace sessionctl {

inline constexpr char kSessionReadyFile[] = "ready";  // in a session's directory: it became ready

// Does `probe`, whose variables have been expanded, say that the session is ready? An empty probe
// does. A file is looked for beneath the session's mount, without following links; a line of output
// in what the log still has.
bool IsReady(const ReadyProbe& probe, const SessionRecord& record,
             const SessionDirectory& directory);

// Whether it was found ready before, by this supervisor or an earlier one; and remembers that.
bool WasReady(const SessionDirectory& directory);
void RememberReady(const SessionDirectory& directory);

}  // namespace sessionctl

#endif  // FLEET_READY_PROBE_H_
