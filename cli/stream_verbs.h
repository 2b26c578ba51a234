// What `attach` and `exec` share: a stream to a session's monitor, and what its end means.
#ifndef CLI_STREAM_VERBS_H_
#define CLI_STREAM_VERBS_H_

#include <string>

#include "cli/stream_client.h"
#include "supervisor/session_control.h"
#include "supervisor/session_store.h"

namespace sessionctl {

// Makes a stream, hands its other end to the session's monitor with the request, and stands between
// it and our standard streams until it ends. Returns the exit code: the program's; 0 after the
// detach keys; 125 when the monitor refuses or goes away, 1 when the session has ended.
int RunStreamVerb(const SessionDirectory& session, const ControlRequest& request,
                  const StreamOptions& options);

}  // namespace sessionctl

#endif  // CLI_STREAM_VERBS_H_
