// The session's audit: one JSON object a line, one write(2) a line, to a descriptor opened with
// O_APPEND before the broker was fenced in. The session cannot reach it. Format: docs/audit.md. Any
// thread.
#ifndef SUPERVISOR_AUDIT_LOG_H_
#define SUPERVISOR_AUDIT_LOG_H_

#include <string>

#include "policy/policy.h"
#include "supervisor/mediator/audit_event.h"

namespace sessionctl {

class AuditLog : public AuditSink {
 public:
  // `fd` is borrowed and must outlive this.
  AuditLog(int fd, AuditLevel level, std::string session)
      : fd_(fd), level_(level), session_(std::move(session)) {}

  void Record(const AuditEvent& event) override;

 private:
  bool Wants(const AuditEvent& event) const;

  const int fd_;
  const AuditLevel level_;
  const std::string session_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_AUDIT_LOG_H_
