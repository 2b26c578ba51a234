#include "tests/differential/settings_watch.h"

#include <chrono>
#include <fstream>
#include <utility>

namespace differential {
namespace {

// Whoever changes a setting runs a program under it, which takes longer.
constexpr std::chrono::milliseconds kInterval(10);

}  // namespace

SettingsWatch::SettingsWatch() : thread_([this] { Watch(); }) {}

SettingsWatch::~SettingsWatch() {
  over_ = true;
  thread_.join();
}

std::string SettingsWatch::Read() {
  std::string settings;
  for (const char* name : {"hardlinks", "symlinks", "regular", "fifos"}) {
    std::ifstream file(std::string("/proc/sys/fs/protected_") + name);
    std::string value;
    std::getline(file, value);
    settings += value + " ";
  }
  return settings;
}

void SettingsWatch::Watch() {
  std::string seen = Read();
  while (!over_) {
    std::this_thread::sleep_for(kInterval);
    std::string now = Read();
    if (now == seen) continue;
    seen = std::move(now);
    ++changes_;
  }
}

}  // namespace differential
