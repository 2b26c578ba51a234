// What the subcommands share that ask the supervisor.
#ifndef CLI_SUPERVISOR_ACCESS_H_
#define CLI_SUPERVISOR_ACCESS_H_

#include <functional>
#include <string>
#include <vector>

#include "fleet/control_client.h"

namespace sessionctl {

// Opens the user's state directory and calls `action`; 125 with a message when it cannot be opened.
int WithClient(const std::function<int(const ControlClient&)>& action);

// "/v1/sessions/ID" or "/v1/sessions/ID/VERB".
std::string SessionTarget(const std::string& reference, const std::string& verb = "");

// Asks; says on standard error what went wrong: 125 when the supervisor could not be asked, 1 when
// it refused. 0: `body` (may be null) is the answer's.
int Ask(const ControlClient& client, const std::string& method, const std::string& target,
        const std::string& request, std::string* body);
// The same for a request that may be made twice: again when the supervisor dies over it, and with
// the next one.
int AskUntilAnswered(const ControlClient& client, const std::string& method,
                     const std::string& target, const std::string& request, std::string* body);
int FailReply(const ClientReply& reply);

// An answer of the supervisor's, which is JSON, on one line of standard output.
void PrintJsonLine(const std::string& body);

// "label=K%3DV&label=…", with `prefix` in front when there are any.
std::string LabelQuery(const std::vector<std::string>& labels, const std::string& prefix);

}  // namespace sessionctl

#endif  // CLI_SUPERVISOR_ACCESS_H_
