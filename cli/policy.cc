// `sessionctl policy check|explain|schema`.
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/deployment_access.h"
#include "cli/policy_flags.h"
#include "policy/deployment_policy.h"
#include "policy/policy_compiler.h"
#include "policy/policy_parser.h"
#include "sandbox/kernel_features.h"
#include "supervisor/mediator/syscall_table.h"
#include "supervisor/session_monitor.h"

namespace sessionctl {
namespace {

constexpr char kPlaceholderSession[] = "000000000000";

absl::StatusOr<CompiledPolicy> Compile(const SessionPolicy& policy) {
  return CompilePolicy(policy, SessionVariables(kPlaceholderSession), ProbeKernelFeatures(),
                       MediatedCalls());
}

std::string Expand(std::string text, const std::string& variable, const std::string& value) {
  for (size_t at; (at = text.find(variable)) != std::string::npos;) {
    text.replace(at, variable.size(), value);
  }
  return text;
}

std::string ExpandedHost(const Mount& mount) {
  return Expand(Expand(mount.host, "{session}", kPlaceholderSession), "{user}", CurrentUserName());
}

// Would starting a session make this mount's directory?
bool IsToBeMade(const Mount& mount) {
  struct stat st;
  return mount.create && lstat(ExpandedHost(mount).c_str(), &st) != 0;
}

// One policy: the file's own, or that of one [[session]], whose name stands before the message.
absl::Status CheckPolicy(SessionPolicy policy, const std::string& session) {
  // Look only: what a start would make is left out.
  std::erase_if(policy.mounts, [](const Mount& mount) { return IsToBeMade(mount); });
  const absl::Status compiled = Compile(policy).status();
  if (compiled.ok()) return compiled;
  const std::string prefix = session.empty() ? "" : "session \"" + session + "\": ";
  return absl::Status(compiled.code(), prefix + std::string(compiled.message()));
}

std::vector<absl::Status> CheckAll(const Deployment& file) {
  if (file.name.empty()) return {CheckPolicy(file.policy, "")};
  std::vector<absl::Status> checked;
  for (const DeploymentSession& session : file.sessions) {
    checked.push_back(CheckPolicy(PolicyOf(file, session, 1), session.name));
  }
  return checked;
}

// A policy is bad wherever it is; that a directory or a wall is missing is a matter of this
// machine.
int Check(const std::string& path) {
  absl::StatusOr<Deployment> file = LoadWithDefault(path);
  if (!file.ok()) return Fail(kExitNotFound, file.status());
  for (const absl::Status& checked : CheckAll(*file)) {
    if (absl::IsInvalidArgument(checked)) return Fail(kExitNotFound, checked);
    if (checked.ok()) continue;
    Fail(0,
         "warning: sound, but a session would not start here: " + std::string(checked.message()));
  }
  std::cout << path << ": ok\n";
  return 0;
}

// The directories that compiling `policy` makes: explaining must leave none behind.
std::vector<std::string> MissingDirectories(const SessionPolicy& policy) {
  std::vector<std::string> missing;
  for (const Mount& mount : policy.mounts) {
    if (IsToBeMade(mount)) missing.push_back(ExpandedHost(mount));
  }
  return missing;
}

// The policy that `flags` and, of a deployment, its [[session]] `session` come to.
absl::StatusOr<SessionPolicy> PolicyToExplain(const PolicyFlags& flags,
                                              const std::string& session) {
  absl::StatusOr<SessionPolicy> policy = BuildPolicy(flags);
  if (!policy.ok() || session.empty()) return policy;
  absl::StatusOr<Deployment> file = LoadDeploymentFile(flags.policy_file);
  if (!file.ok()) return file.status();
  file->policy = *std::move(policy);
  for (const DeploymentSession& each : file->sessions) {
    if (each.name == session) return PolicyOf(*file, each, 1);
  }
  return absl::NotFoundError(flags.policy_file + ": no [[session]] \"" + session + "\"");
}

int Explain(const std::string& file, PolicyFlags flags, const std::string& session) {
  if (!file.empty() && !flags.policy_file.empty()) {
    return Fail(kExitUsage, "policy explain: FILE and --policy are the same; give one");
  }
  if (!file.empty()) flags.policy_file = file;
  if (!session.empty() && flags.policy_file.empty()) {
    return Fail(kExitUsage, "policy explain: --session needs a FILE");
  }
  absl::StatusOr<SessionPolicy> policy = PolicyToExplain(flags, session);
  if (!policy.ok()) return Fail(kExitNotFound, policy.status());
  const std::vector<std::string> missing = MissingDirectories(*policy);
  absl::StatusOr<CompiledPolicy> compiled = Compile(*policy);
  for (const std::string& directory : missing) rmdir(directory.c_str());
  if (!compiled.ok()) return Fail(kExitNotFound, compiled.status());
  std::cout << ExplainPolicy(*compiled, MediatedCalls());
  return 0;
}

Command AddCheck(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("check", "Check a policy file");
  app->footer("Exit code: 0 for a sound policy, 1 for a bad one, 2 for a usage error.\n");
  const auto file = std::make_shared<std::string>();
  app->add_option("FILE", *file, "The policy file (TOML)")->required();
  return {app, [file] { return Check(*file); }};
}

Command AddExplain(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand(
      "explain", "Print what a policy comes to: grants, mediated calls, both domains, the filter");
  app->footer(
      "Takes the policy flags of `run`, so any command line can be explained.\n\n"
      "Examples:\n"
      "  sessionctl policy explain job.toml\n"
      "  sessionctl policy explain --profile python --mount /tmp/shared\n");
  const auto file = std::make_shared<std::string>();
  const auto flags = std::make_shared<PolicyFlags>();
  app->add_option("FILE", *file, "The policy file (TOML)");
  AddPolicyFlags(*app, *flags);
  const auto session = std::make_shared<std::string>();
  app->add_option("--session", *session, "Of a deployment: the policy of this [[session]]")
      ->type_name("NAME");
  return {app, [file, flags, session] { return Explain(*file, *flags, *session); }};
}

Command AddSchema(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("schema", "Print the JSON Schema of the policy file");
  return {app, [] {
            std::cout << PolicyJsonSchema();
            return 0;
          }};
}

}  // namespace

std::vector<Command> AddPolicyCommands(CLI::App& root) {
  CLI::App* parent = root.add_subcommand("policy", "Check and explain policies");
  parent->require_subcommand(1);
  return {AddCheck(*parent), AddExplain(*parent), AddSchema(*parent)};
}

}  // namespace sessionctl
