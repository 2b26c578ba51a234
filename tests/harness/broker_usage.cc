#include "tests/harness/broker_usage.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>

namespace harness {
namespace {

std::string Proc(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

int CountEntries(const std::string& directory) {
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  return static_cast<int>(std::distance(entries, std::filesystem::directory_iterator()));
}

// The number behind `name` in a text of "Name:   number kB" lines.
long Field(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name);
  return at == std::string::npos ? 0 : std::stol(text.substr(at + 1 + name.size()));
}

std::string ReadAll(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const BrokerUsage& usage) {
  return out << usage.descriptors << " descriptors, " << usage.threads << " threads, "
             << usage.memory_kb << " KiB";
}

pid_t BrokerOf(pid_t command) {
  const pid_t parent = static_cast<pid_t>(Field(ReadAll(Proc(command, "status")), "PPid:"));
  return ReadAll(Proc(parent, "comm")) == "session-broker\n" ? parent : -1;
}

pid_t HostNumberOf(pid_t number, pid_t started) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto pid = static_cast<pid_t>(atoi(entry.path().filename().c_str()));
    if (pid <= 0) continue;
    const std::string status = ReadAll(Proc(pid, "status"));
    // The outermost namespace's number first, the process's own last (proc_pid_status(5)).
    const size_t at = status.find("\nNSpid:");
    if (at == std::string::npos) continue;
    const std::string line = status.substr(at + 1, status.find('\n', at + 1) - at - 1);
    if (atoi(line.substr(line.rfind('\t') + 1).c_str()) != number) continue;
    pid_t above = pid;
    while (above > 1 && above != started) {
      above = static_cast<pid_t>(Field(ReadAll(Proc(above, "status")), "PPid:"));
    }
    if (above == started) return pid;
  }
  return 0;
}

BrokerUsage UsageNow(pid_t broker) {
  const std::string memory = ReadAll(Proc(broker, "smaps_rollup"));
  return {.descriptors = CountEntries(Proc(broker, "fd")),
          .threads = CountEntries(Proc(broker, "task")),
          .memory_kb = Field(memory, "Private_Dirty:") + Field(memory, "Private_Clean:")};
}

BrokerUsage UsageAtRest(pid_t broker) {
  BrokerUsage last = UsageNow(broker);
  for (int i = 0; i < 60; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    const BrokerUsage now = UsageNow(broker);
    const bool same = now.descriptors == last.descriptors && now.threads == last.threads;
    last = now;
    if (same) break;
  }
  return last;
}

}  // namespace harness
