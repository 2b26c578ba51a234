// The three functions of <systemd/sd-daemon.h> that this room uses, found in libsystemd when they
// are first needed: where systemd has started us. Nobody else loads that library and the four that
// it brings along, which was a quarter of the time that every `sessionctl` took to be loaded.
// Without systemd's variables each answers what the library would (sd_notify(3), sd_listen_fds(3),
// sd_watchdog_enabled(3)): 0.
#include <dlfcn.h>
#include <systemd/sd-daemon.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include "spdlog/spdlog.h"

namespace {

// nullptr: the library is not there, which is said.
void* Find(const char* name) {
  static void* const library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
  void* const function = library != nullptr ? dlsym(library, name) : nullptr;
  if (function == nullptr) spdlog::error("systemd cannot be told anything: {}", dlerror());
  return function;
}

// Calls `name` where systemd has set `variable`.
template <typename Function, typename... Arguments>
int CallIfSet(const char* variable, const char* name, Arguments... arguments) {
  if (getenv(variable) == nullptr) return 0;
  auto* const function = reinterpret_cast<Function*>(Find(name));
  return function != nullptr ? function(arguments...) : -ENOENT;
}

}  // namespace

extern "C" {

int sd_notify(int unset_environment, const char* state) {
  return CallIfSet<decltype(sd_notify)>("NOTIFY_SOCKET", "sd_notify", unset_environment, state);
}

int sd_listen_fds(int unset_environment) {
  return CallIfSet<decltype(sd_listen_fds)>("LISTEN_PID", "sd_listen_fds", unset_environment);
}

int sd_watchdog_enabled(int unset_environment, uint64_t* microseconds) {
  return CallIfSet<decltype(sd_watchdog_enabled)>("WATCHDOG_USEC", "sd_watchdog_enabled",
                                                  unset_environment, microseconds);
}

}  // extern "C"
