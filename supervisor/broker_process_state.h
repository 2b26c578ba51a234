// The broker's own process as its parts share it (broker_process.cc prepares, serves and ends;
// broker_start.cc starts the command); of no concern to others.
#ifndef SUPERVISOR_BROKER_PROCESS_STATE_H_
#define SUPERVISOR_BROKER_PROCESS_STATE_H_

#include <linux/filter.h>
#include <signal.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "policy/policy_compiler.h"
#include "sandbox/base/own_memory.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/cgroup.h"
#include "sandbox/filter_cache.h"
#include "sandbox/landlock.h"
#include "sandbox/launch.h"
#include "supervisor/audit_log.h"
#include "supervisor/broker.h"
#include "supervisor/broker_process.h"
#include "supervisor/mediator/mediator.h"
#include "supervisor/mediator/session_view.h"
#include "supervisor/session_limits.h"
#include "supervisor/session_namespaces.h"

namespace sessionctl {

// Everything from the fork on. Never returns to the caller's code.
class BrokerProcess {
 public:
  BrokerProcess(const BrokerOptions& options, BrokerInheritance inherited)
      : options_(options),
        policy_(std::move(inherited.policy)),
        cgroup_(inherited.cgroup),
        events_(std::move(inherited.events)),
        parent_(inherited.parent),
        mask_(inherited.mask),
        hears_parent_(policy_.policy.filesystem.reserve) {}

  [[noreturn]] void Run() {
    BlockSignals();
    if (absl::Status fenced = Prepare(); !fenced.ok()) FailStart(kOwnFailure, fenced.ToString());
    StartSession();
    for (;;) Serve();
  }

 private:
  // broker_process.cc
  void BlockSignals();
  void DieWithParent() const;
  void CloseInherited() const;
  absl::Status Prepare();
  absl::Status CompileFilters();
  SessionEnd LookAtMounts() const;
  absl::Status AssumeIdentity();
  absl::Status EnterNamespaces();
  absl::Status EnterDomain();
  // broker_start.cc
  void StartSession();
  void ForkCommand(LaunchPlan& plan);
  SysResult<pid_t> Fork(LaunchPlan& plan) const;
  SysResult<OwnedFd> BorrowListener(int channel) const;
  void TakeListener(int channel);
  void AwaitExec(int status, int channel);
  void MeetInit(int channel);
  std::string ExecFailure(const LaunchFailure& failure, int* exit_code) const;

  // broker_process.cc again
  // broker_mounts.cc
  void HearParent();
  absl::Status ChangeMounts(const BrokerRequest& request, OwnedFd root);

  void Serve();
  void ServeSignals();
  void ReapChildren();
  [[noreturn]] void EndSession(int wait_status);
  void RemoveForParent() const;
  [[noreturn]] void FailStart(int exit_code, const std::string& message);
  BrokerEvent MakeEvent(BrokerEvent::Kind kind) const;
  void Send(const BrokerEvent& event) const;

  const BrokerOptions& options_;
  CompiledPolicy policy_;              // from EnterNamespaces on as it reads inside
  const SessionCgroup* const cgroup_;  // null: none
  OwnedFd events_;
  const pid_t parent_;
  const sigset_t mask_;  // what the command starts with
  OwnedFd signals_;
  OwnedFd null_;
  OwnedFd terminals_;  // the host's /dev/pts, where the parent makes terminals for the session
  bool hears_parent_;  // of mounts that come, under filesystem.reserve, as long as it lives
  SessionNamespaces namespaces_;
  OwnMemory memory_;
  std::unique_ptr<SessionView> view_;
  std::unique_ptr<LandlockRuleset> session_ruleset_;
  FilterCache own_filters_;  // where nobody has compiled before
  const std::vector<sock_filter>* filter_ = nullptr;
  const std::vector<sock_filter>* own_filter_ = nullptr;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<Mediator> mediator_;
  std::unique_ptr<SessionLimits> limits_;
  int stdout_fd_ = -1;  // the session's
  int stderr_fd_ = -1;
  pid_t command_ = -1;
  pid_t init_ = -1;  // the session's; -1: none, or none any more
};

}  // namespace sessionctl

#endif  // SUPERVISOR_BROKER_PROCESS_STATE_H_
