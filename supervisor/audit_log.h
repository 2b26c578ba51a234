// The session's audit: one JSON object a line, one write(2) a line, to a descriptor opened with
// O_APPEND before the broker was fenced in. The session cannot reach it. The broker writes what it
// decided, its monitor what was done from outside. Format: docs/audit.md. Any thread.
#ifndef SUPERVISOR_AUDIT_LOG_H_
#define SUPERVISOR_AUDIT_LOG_H_

#include <string>

#include "nlohmann/json_fwd.hpp"
#include "policy/policy.h"
#include "supervisor/mediator/audit_event.h"

namespace sessionctl {

// A mount that was to be given to the running session, or taken off it.
struct MountOrder {
  bool adds = true;
  std::string guest;
  std::string host;
  std::string mode;
  std::string refused;  // why nothing came of it; "": it was done
};

class AuditLog : public AuditSink {
 public:
  // `fd` is borrowed and must outlive this.
  AuditLog(int fd, AuditLevel level, std::string session)
      : fd_(fd), level_(level), session_(std::move(session)) {}

  void Record(const AuditEvent& event) override;
  // At every level but off.
  void Record(const MountOrder& order) const;

 private:
  bool Wants(const AuditEvent& event) const;
  void Write(const nlohmann::ordered_json& line) const;

  const int fd_;
  const AuditLevel level_;
  const std::string session_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_AUDIT_LOG_H_
