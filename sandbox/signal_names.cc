#include "sandbox/signal_names.h"

#include <signal.h>
#include <string.h>

#include <cctype>

namespace sessionctl {

int SignalNumber(const std::string& text) {
  std::string name = text;
  for (char& c : name) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
  if (name.compare(0, 3, "SIG") == 0) name.erase(0, 3);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    const char* abbreviation = sigabbrev_np(signal);
    if (text == std::to_string(signal)) return signal;
    if (abbreviation != nullptr && name == abbreviation) return signal;
  }
  return 0;
}

std::string SignalName(int signal) {
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? name : std::to_string(signal);
}

}  // namespace sessionctl
