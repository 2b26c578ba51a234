// What `attach` and `exec` share: the upgraded stream, and the exit code that it ends with.
#ifndef CLI_STREAM_VERBS_H_
#define CLI_STREAM_VERBS_H_

#include <string>

#include "cli/stream_client.h"

namespace sessionctl {

// Asks for the stream and copies until its end. The exit code of what ran; 1 when there is no such
// session; 125 when the stream was lost.
int RunStreamVerb(const std::string& target, const std::string& request,
                  const StreamOptions& options);

}  // namespace sessionctl

#endif  // CLI_STREAM_VERBS_H_
