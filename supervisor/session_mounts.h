// Mounts that a session gets, and loses, while it runs: the monitor's side. A process that is
// forked for it resolves and checks the host's path and mounts it in the session's view
// (sandbox/view_mount.h); then the broker learns of it, and only then it is granted. What goes,
// goes the other way round. The monitor waits for neither: both have a deadline.
#ifndef SUPERVISOR_SESSION_MOUNTS_H_
#define SUPERVISOR_SESSION_MOUNTS_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "policy/policy_compiler.h"
#include "sandbox/base/owned_fd.h"
#include "supervisor/audit_log.h"
#include "supervisor/broker.h"
#include "supervisor/kept_record.h"
#include "supervisor/poll_loop.h"
#include "supervisor/session_control.h"

namespace sessionctl {

class SessionMounts {
 public:
  using Clock = std::chrono::steady_clock;

  // All must outlive this. `policy`: as compiled, with the host's paths.
  SessionMounts(PolicyVariables variables, const CompiledPolicy* policy, Broker* broker,
                KeptRecord* record, const AuditLog* audit)
      : variables_(std::move(variables)),
        policy_(policy),
        broker_(broker),
        record_(record),
        audit_(audit) {}
  SessionMounts(const SessionMounts&) = delete;
  SessionMounts& operator=(const SessionMounts&) = delete;

  // Answers `client`, a connection to the control socket, when it is done; one after the other.
  void Take(const ControlRequest& request, OwnedFd client);

  // For the next turn of the monitor's loop; `Timeout` in milliseconds, -1: none.
  void Watch(PollLoop* loop);
  int Timeout() const;
  // An event of kind kMountsChanged. One that nobody waits for means nothing.
  void HearBroker(const BrokerEvent& event);

  // The session is over: who waits is told.
  void End();

 private:
  struct Given {
    Mount mount;
    OwnedFd root;  // holds it
  };
  struct Asked {
    ControlRequest request;
    OwnedFd client;
  };
  // What is waited for.
  enum class Step { kNothing, kHelperMounts, kBrokerLearns, kBrokerForgets, kHelperUnmounts };

  void Begin();
  void BeginAdding(const ControlRequest& request);
  void BeginRemoving(const std::string& guest);
  // What is done in the helper, on its end of a socket.
  using Work = std::function<void(int socket)>;
  void StartHelper(Step step, const Work& work);
  void HearHelper();
  void EndHelper();
  void TellBroker(Step step, BrokerRequest::Kind kind);
  void StartUnmounting();
  void Continue(const absl::Status& done);
  void Finish(const absl::Status& status);
  void Record();
  void Audit(const absl::Status& status) const;
  std::vector<Mount> Mounts() const;

  const PolicyVariables variables_;
  const CompiledPolicy* const policy_;
  Broker* const broker_;
  KeptRecord* const record_;
  const AuditLog* const audit_;
  std::vector<Given> given_;
  std::deque<Asked> asked_;  // the first is being done, unless the step is kNothing
  Step step_ = Step::kNothing;
  Given current_;
  absl::Status failure_;  // why what was mounted is taken off again
  pid_t helper_ = -1;
  OwnedFd helpers_socket_;
  uint32_t last_request_ = 0;
  Clock::time_point deadline_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_MOUNTS_H_
