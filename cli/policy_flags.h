// The flags that make up a policy, shared by `run`, `spawn` and `policy explain`, and how they
// become one SessionPolicy: profiles, then the policy file, then the flags; lists grow, denies
// never shrink.
#ifndef CLI_POLICY_FLAGS_H_
#define CLI_POLICY_FLAGS_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "policy/policy.h"
#include "policy/policy_keys.h"

namespace sessionctl {

struct PolicyFlags {
  std::vector<std::string> mounts, read_only_paths, executable_paths, writable_paths;
  std::vector<std::string> deny_globs, read_only_globs, hide_globs;
  std::vector<std::string> devices, environment, profiles;
  std::vector<std::string> allow_groups, deny_groups, capabilities;
  std::vector<std::string> destinations, listen_addresses, unix_sockets;
  std::vector<int> keep_fds;
  std::string policy_file, scope, working_directory, audit, user, view, tmp, ipc, network;
  bool best_effort = false, reserve = false;
  bool dns = false;
  bool unix_datagrams = false;
  std::optional<int> min_landlock_abi;
  std::vector<std::pair<std::string, KeyValue>> limits;  // keys of [limits]
};

// Declares the flags on `app`; `flags` must outlive it.
void AddPolicyFlags(CLI::App& app, PolicyFlags& flags);

// The part of AddPolicyFlags and of BuildPolicy that is [limits] (limit_flags.cc).
void AddLimitFlags(CLI::App& app, PolicyFlags& flags);
void ApplyLimitFlags(const PolicyFlags& flags, SessionPolicy& policy);

// "SRC[:DST][:MODE]", DST absolute, MODE words separated by commas: rw, ro, exec, noexec, create.
// Errors: kInvalidArgument.
absl::StatusOr<Mount> ParseMountFlag(const std::string& text);

// Errors: kInvalidArgument, kNotFound: a bad policy file, an unknown profile, a missing path.
absl::StatusOr<SessionPolicy> BuildPolicy(const PolicyFlags& flags);

}  // namespace sessionctl

#endif  // CLI_POLICY_FLAGS_H_
