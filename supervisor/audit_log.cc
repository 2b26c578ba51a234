#include "supervisor/audit_log.h"

#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

// RFC 3339 in UTC with microseconds.
std::string Now() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts;
  gmtime_r(&now.tv_sec, &parts);
  char text[40];
  size_t size = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(text + size, sizeof(text) - size, ".%06ldZ", now.tv_nsec / 1000);
  return text;
}

}  // namespace

bool AuditLog::Wants(const AuditEvent& event) const {
  switch (level_) {
    case AuditLevel::kOff: return false;
    case AuditLevel::kDenials: return !event.denied_by.empty();
    case AuditLevel::kChanges:
      return !event.denied_by.empty() || (event.changes && event.error == 0);
    case AuditLevel::kAll: return true;
  }
  return false;
}

void AuditLog::Record(const AuditEvent& event) {
  if (!Wants(event)) return;
  nlohmann::ordered_json line;
  line["time"] = Now();
  line["session"] = session_;
  line["tid"] = event.tid;
  line["call"] = event.syscall;
  if (!event.path.empty()) line["path"] = event.path;
  if (!event.other_path.empty()) line["other_path"] = event.other_path;
  const char* name = event.error == 0 ? "ok" : strerrorname_np(event.error);
  line["result"] = name != nullptr ? name : std::to_string(event.error);
  if (!event.denied_by.empty()) line["denied_by"] = event.denied_by;
  Write(line);
}

void AuditLog::Record(const MountOrder& order) const {
  if (level_ == AuditLevel::kOff) return;
  nlohmann::ordered_json line;
  line["time"] = Now();
  line["session"] = session_;
  line["order"] = order.adds ? "mount add" : "mount rm";
  line["path"] = order.guest;
  if (!order.host.empty()) line["host"] = order.host;
  if (!order.mode.empty()) line["mode"] = order.mode;
  line["result"] = order.refused.empty() ? "ok" : "refused";
  if (!order.refused.empty()) line["denied_by"] = order.refused;
  Write(line);
}

void AuditLog::Write(const nlohmann::ordered_json& line) const {
  // A path is bytes: what is no UTF-8 is shown by U+FFFD.
  const std::string text =
      line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  (void)WriteAll(fd_, text.data(), text.size()).ok();  // a full disk must not stop the session
}

}  // namespace sessionctl
