// `sessionctl policy check|explain|schema`.
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/policy_flags.h"
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

// A policy is bad wherever it is; that a directory or a wall is missing is a matter of this
// machine.
int Check(const std::string& path) {
  absl::StatusOr<SessionPolicy> policy = LoadPolicyFile(path);
  if (!policy.ok()) return Fail(kExitNotFound, policy.status());
  // Look only: what a start would make is left out.
  std::erase_if(policy->mounts, [](const Mount& mount) { return IsToBeMade(mount); });
  const absl::Status compiled = Compile(*policy).status();
  if (absl::IsInvalidArgument(compiled)) return Fail(kExitNotFound, compiled);
  if (!compiled.ok()) {
    Fail(0,
         "warning: sound, but a session would not start here: " + std::string(compiled.message()));
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

int Explain(const std::string& file, PolicyFlags flags) {
  if (!file.empty() && !flags.policy_file.empty()) {
    return Fail(kExitUsage, "policy explain: FILE and --policy are the same; give one");
  }
  if (!file.empty()) flags.policy_file = file;
  absl::StatusOr<SessionPolicy> policy = BuildPolicy(flags);
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
  return {app, [file, flags] { return Explain(*file, *flags); }};
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
