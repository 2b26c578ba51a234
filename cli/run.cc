// `sessionctl run`: a session in the foreground.
#include <fcntl.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "cli/command.h"
#include "cli/policy_flags.h"
#include "cli/program.h"
#include "nlohmann/json.hpp"
#include "policy/policy_compiler.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/kernel_features.h"
#include "supervisor/foreground_record.h"
#include "supervisor/foreground_session.h"
#include "supervisor/mediator/syscall_table.h"
#include "supervisor/session_monitor.h"
#include "supervisor/session_overlays.h"
#include "supervisor/session_store.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

constexpr char kRunDescription[] = "Run a program as a session, in the foreground";
constexpr char kRunFooter[] =
    "Synopsis: sessionctl run [OPTIONS] [--] CMD [ARGS...]\n"
    "Options end at the first word that is not one; CMD and ARGS are passed word for word.\n\n"
    "Exit code: the command's own; 128+N when signal N ended it; 124 at a limit of time; 125 when\n"
    "sessionctl failed; 126 when CMD cannot be executed; 127 when it is not found; 2 for a usage "
    "error.\n\n"
    "Examples:\n"
    "  sessionctl run --mount . -- make -j2\n"
    "  sessionctl run --mount /srv/data:ro --rw /tmp/out --deny '**/.env' python3 job.py\n"
    "  sessionctl run --policy job.toml --audit changes --audit-file audit.jsonl -- ./job\n";

struct RunFlags {
  PolicyFlags policy;
  ProgramWords program;
  std::string command, name, audit_file;
  int status_fd = -1;
};

// Tells, as JSON lines, what an exit code alone leaves in doubt.
class StatusWriter {
 public:
  explicit StatusWriter(int fd) : fd_(fd) {}

  void Write(const ordered_json& event) const {
    if (fd_ < 0) return;
    const std::string line =
        event.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
    if (!WriteAll(fd_, line.data(), line.size()).ok()) return;  // nobody listens any more
  }

 private:
  int fd_;
};

ordered_json DescribeEnd(const ForegroundOutcome& outcome) {
  if (!outcome.started) {
    return {{"event", "failed"}, {"exit_code", outcome.exit_code}, {"message", outcome.error}};
  }
  ordered_json event = {{"event", "exited"}, {"exit_code", outcome.exit_code}};
  event["signal"] = outcome.signal != 0 ? ordered_json(outcome.signal) : ordered_json(nullptr);
  const char* how = outcome.signal != 0 ? "signal" : "exited";
  if (outcome.ended != SessionEnd::kNone) how = SessionEndName(outcome.ended);
  event["reason"] = outcome.error.empty() ? how : outcome.error;
  event["mediated_calls"] = outcome.mediated_calls;
  event["denials"] = outcome.denials;
  return event;
}

std::string DescribeLimit(const CompiledPolicy& policy, const std::string& name) {
  std::string text = "the session was ended at its limit: " + name;
  for (const PlannedLimit& limit : policy.limits.limits) {
    if (limit.name == name) text += " " + limit.text;
  }
  return text;
}

absl::StatusOr<OwnedFd> OpenAuditFile(const std::string& path) {
  if (path.empty()) return OwnedFd();
  SysResult<OwnedFd> fd =
      OpenAt(AT_FDCWD, path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY, 0600);
  if (!fd.ok()) return absl::ErrnoToStatus(fd.error(), "--audit-file " + path);
  return std::move(*fd);
}

absl::Status KeepFromSession(int status_fd) {
  if (status_fd >= 0 && fcntl(status_fd, F_SETFD, FD_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "--status-fd " + std::to_string(status_fd));
  }
  return absl::OkStatus();
}

absl::StatusOr<CompiledPolicy> Compile(const RunFlags& flags, const std::string& id) {
  absl::StatusOr<SessionPolicy> policy = BuildPolicy(flags.policy);
  if (!policy.ok()) return policy.status();
  return CompilePolicy(*policy, SessionVariables(id), ProbeKernelFeatures(), MediatedCalls());
}

// Null where the session leaves nothing behind.
absl::StatusOr<std::unique_ptr<ForegroundRecord>> Record(const RunFlags& flags,
                                                         const CompiledPolicy& policy,
                                                         const std::string& id) {
  if (!HasOverlays(policy)) return nullptr;
  // Standard error is the command's as well: only a person is told.
  if (isatty(STDERR_FILENO) != 0) Warn("the overlay's changes are kept as session " + id);
  return ForegroundRecord::Begin(policy, id, flags.name,
                                 ProgramArguments(flags.command, flags.program));
}

int RunSession(const RunFlags& flags, const StatusWriter& status, const CompiledPolicy& policy,
               const std::string& id, int audit_fd, ForegroundRecord* record) {
  BrokerOptions options;
  options.session_id = flags.name.empty() ? id : flags.name;
  options.policy = &policy;
  options.argv = ProgramArguments(flags.command, flags.program);
  options.environment = ResolveEnvironment(policy, CallerEnvironment(), options.session_id);
  options.audit_fd = audit_fd;
  options.foreground = true;
  if (record != nullptr) options.session_directory = record->directory();
  const ForegroundOutcome outcome = RunForeground(options, [&](pid_t pid) {
    if (record != nullptr) record->Started(pid);
    ordered_json event = {{"event", "started"}, {"pid", pid}};
    if (record != nullptr) event["session"] = id;
    if (!policy.warnings.empty()) event["warnings"] = policy.warnings;
    status.Write(event);
  });
  if (record != nullptr) {
    for (const std::string& failure : record->End(outcome)) Warn(failure);
  }
  status.Write(DescribeEnd(outcome));
  if (outcome.ended != SessionEnd::kNone) {
    return Fail(outcome.exit_code, DescribeLimit(policy, SessionEndName(outcome.ended)));
  }
  return outcome.error.empty() ? outcome.exit_code : Fail(outcome.exit_code, outcome.error);
}

int Run(const RunFlags& flags) {
  if (ProgramArguments(flags.command, flags.program).empty()) {
    return Fail(kExitUsage, "run: no command given\nTry 'sessionctl run --help'.");
  }
  if (absl::Status kept = KeepFromSession(flags.status_fd); !kept.ok()) {
    return Fail(kExitOwnFailure, kept);
  }
  const StatusWriter status(flags.status_fd);
  const auto fail = [&status](const absl::Status& error) {
    ForegroundOutcome outcome;
    outcome.error = std::string(error.message());
    status.Write(DescribeEnd(outcome));
    return Fail(kExitOwnFailure, error);
  };
  const std::string id = NewSessionId();
  absl::StatusOr<CompiledPolicy> policy = Compile(flags, id);
  if (!policy.ok()) return fail(policy.status());
  WarnOfMissingWalls(policy->missing_walls);
  // Standard error is the command's as well: only a person is told.
  if (isatty(STDERR_FILENO) != 0) {
    for (const std::string& warning : policy->warnings) Warn(warning);
  }
  absl::StatusOr<OwnedFd> audit = OpenAuditFile(flags.audit_file);
  if (!audit.ok()) return fail(audit.status());
  absl::StatusOr<std::unique_ptr<ForegroundRecord>> record = Record(flags, *policy, id);
  if (!record.ok()) return fail(record.status());
  return RunSession(flags, status, *policy, id, audit->get(), record->get());
}

}  // namespace

Command AddRunCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("run", kRunDescription)->footer(kRunFooter);
  const auto flags = std::make_shared<RunFlags>();
  AddPolicyFlags(*app, flags->policy);
  app->add_option("--cmd", flags->command, "The command; then all further words are its arguments")
      ->type_name("CMD");
  app->add_option("--name", flags->name, "The session's name in the audit")->type_name("NAME");
  app->add_option("--audit-file", flags->audit_file, "Append audit events (JSON lines) to FILE")
      ->type_name("FILE");
  app->add_option("--status-fd", flags->status_fd,
                  "Write JSON lines of start and end to descriptor N")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  return {app, [flags] { return Run(*flags); }, &flags->program};
}

}  // namespace sessionctl
