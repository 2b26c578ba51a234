// What the subcommands on spawned sessions share.
#ifndef CLI_STORE_ACCESS_H_
#define CLI_STORE_ACCESS_H_

#include <functional>
#include <string>
#include <vector>

#include "supervisor/session_store.h"

namespace sessionctl {

// Opens the user's store and calls `action`; 125 with a message when it cannot be opened.
int WithStore(const std::function<int(const SessionStore&)>& action);

// The same for sessions by id, name or beginning of an id: all are resolved before anything is
// done. 1 with a message when one means no session, or several.
int WithSessions(
    const std::vector<std::string>& references,
    const std::function<int(const SessionStore&, const std::vector<std::string>& ids)>& action);

}  // namespace sessionctl

#endif  // CLI_STORE_ACCESS_H_
