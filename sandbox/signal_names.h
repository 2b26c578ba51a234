// Signals by name. Pure functions; any thread.
#ifndef SANDBOX_SIGNAL_NAMES_H_
#define SANDBOX_SIGNAL_NAMES_H_

#include <string>

namespace sessionctl {

// "TERM", "SIGTERM", "term" or "15"; 0 for anything else.
int SignalNumber(const std::string& text);

// "TERM"; the number where it has no name.
std::string SignalName(int signal);

}  // namespace sessionctl

#endif  // SANDBOX_SIGNAL_NAMES_H_
