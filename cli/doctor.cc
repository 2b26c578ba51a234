// `sessionctl doctor`: what this kernel can do for sessions, and whether one can start.
#include <fcntl.h>
#include <sys/utsname.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "nlohmann/json.hpp"
#include "policy/policy_compiler.h"
#include "policy/policy_parser.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/kernel_features.h"
#include "supervisor/foreground_session.h"
#include "supervisor/mediator/syscall_table.h"
#include "supervisor/session_monitor.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

// Starts /bin/true under the default profile: nothing is as true as a session that ran. Empty when
// it did.
std::string TrySession(const KernelFeatures& features) {
  absl::StatusOr<SessionPolicy> profile = LoadProfile("default");
  if (!profile.ok()) return std::string(profile.status().message());
  absl::StatusOr<CompiledPolicy> policy = CompilePolicy(
      *profile, {.session = "doctor", .user = CurrentUserName()}, features, MediatedCalls());
  if (!policy.ok()) return std::string(policy.status().message());
  SysResult<OwnedFd> null = OpenAt(AT_FDCWD, "/dev/null", O_RDWR);
  if (!null.ok()) return "/dev/null cannot be opened";
  BrokerOptions options;
  options.session_id = "doctor";
  options.policy = &*policy;
  options.argv = {"true"};
  options.environment = ResolveEnvironment(*policy, CallerEnvironment(), "doctor");
  options.stdin_fd = options.stdout_fd = options.stderr_fd = null->get();
  const ForegroundOutcome outcome = RunForeground(options, [](pid_t) {});
  if (!outcome.error.empty()) return outcome.error;
  return outcome.exit_code == 0 ? ""
                                : "a trial session ended with " + std::to_string(outcome.exit_code);
}

std::string KernelRelease() {
  utsname name = {};
  return uname(&name) == 0 ? name.release : "unknown";
}

void PrintFeature(const FeatureReport& feature) {
  const char* state = feature.present ? "ok      " : feature.required ? "MISSING " : "absent  ";
  std::cout << "  " << state << feature.name;
  if (!feature.detail.empty()) std::cout << " (" << feature.detail << ")";
  std::cout << "\n            without it: " << feature.lost << "\n";
  if (!feature.present) std::cout << "            how to get it: " << feature.remedy << "\n";
}

void PrintText(const std::vector<FeatureReport>& features, const std::string& error) {
  std::cout << "Linux " << KernelRelease() << "\n";
  for (const FeatureReport& feature : features) PrintFeature(feature);
  if (error.empty()) {
    std::cout << "A trial session ran: sessions can start here.\n";
  } else {
    std::cout << "Sessions cannot start here: " << error << "\n";
  }
}

void PrintJson(const std::vector<FeatureReport>& features, const std::string& error) {
  ordered_json list = ordered_json::array();
  for (const FeatureReport& feature : features) {
    list.push_back({{"name", feature.name},
                    {"present", feature.present},
                    {"required", feature.required},
                    {"detail", feature.detail},
                    {"lost", feature.lost},
                    {"remedy", feature.remedy}});
  }
  ordered_json report;
  report["kernel"] = KernelRelease();
  report["features"] = list;
  report["session"]["can_start"] = error.empty();
  report["session"]["error"] = error.empty() ? ordered_json(nullptr) : ordered_json(error);
  std::cout << report.dump(2, ' ', false, ordered_json::error_handler_t::replace) << "\n";
}

int Doctor(bool as_json) {
  KernelFeatures features = ProbeKernelFeatures();
  features.user_namespaces = ProbeUserNamespaces();
  const std::string error = TrySession(features);
  const std::vector<FeatureReport> reports = DescribeKernelFeatures(features);
  if (as_json) {
    PrintJson(reports, error);
  } else {
    PrintText(reports, error);
  }
  std::cout.flush();
  return error.empty() ? 0 : kExitOwnFailure;
}

}  // namespace

Command AddDoctorCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "doctor", "Say what this kernel offers, what is lost without it, and how to get it");
  app->footer("Exit code: 0 when a session can start here (one is tried), 125 when not.\n");
  const auto as_json = std::make_shared<bool>(false);
  app->add_flag("--json", *as_json, "As JSON");
  return {app, [as_json] { return Doctor(*as_json); }};
}

}  // namespace sessionctl
