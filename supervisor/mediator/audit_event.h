// What the mediator reports of each call, and to whom. The sink is called from every worker thread.
#ifndef SUPERVISOR_MEDIATOR_AUDIT_EVENT_H_
#define SUPERVISOR_MEDIATOR_AUDIT_EVENT_H_

#include <sys/types.h>

#include <string>

namespace sessionctl {

struct AuditEvent {
  const char* syscall;
  pid_t tid;
  std::string path;        // as the caller wrote it, copied once
  std::string other_path;  // of rename, link, symlink
  std::string denied_by;   // the rule that refused it; empty when none did
  int error;               // the errno answered, 0 for success
  bool changes;            // the call creates, changes or removes something
};

class AuditSink {
 public:
  virtual ~AuditSink() = default;
  virtual void Record(const AuditEvent& event) = 0;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_AUDIT_EVENT_H_
