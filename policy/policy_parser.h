// Reads a policy file (TOML; toml_reader.h says who uses toml++) into plain values.
#ifndef POLICY_POLICY_PARSER_H_
#define POLICY_POLICY_PARSER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/deployment.h"
#include "policy/policy.h"

namespace sessionctl {

// Parses `text`. `extends` is resolved: built-in profile names, or files relative to `source`'s
// directory (a cycle or more than 16 levels is an error). Lists grow, denies never shrink, scalars
// of the extending file win. All errors are kInvalidArgument or kNotFound and say
// "FILE:LINE:COLUMN: KEY: what is wrong". [deployment] and [[session]] are read, checked and left
// out.
absl::StatusOr<SessionPolicy> ParsePolicy(const std::string& text, const std::string& source);
// The same with [deployment] and [[session]]; of a file that has neither, the name is "".
absl::StatusOr<Deployment> ParseDeployment(const std::string& text, const std::string& source);

// Reads the file (at most 1 MiB, regular) and parses it.
absl::StatusOr<SessionPolicy> LoadPolicyFile(const std::string& path);
absl::StatusOr<Deployment> LoadDeploymentFile(const std::string& path);

// A built-in profile by name. Errors: kNotFound naming the ones there are.
absl::StatusOr<SessionPolicy> LoadProfile(const std::string& name);
std::vector<std::string> ProfileNames();

// `base` extended by `top`, by the rules above. Plain values do not say what was written, so here a
// scalar of `top` that has its default value leaves the base's.
SessionPolicy MergePolicies(const SessionPolicy& base, const SessionPolicy& top);

// `policy` written out as TOML that ParsePolicy reads back to the same values ("resolved policy"),
// except for `extends`, which has been resolved, and for each mount's alias and location. Bytes
// that are not UTF-8, which TOML cannot say, become U+FFFD.
std::string PolicyToToml(const SessionPolicy& policy);

// The JSON Schema (draft 2020-12) of the policy file.
std::string PolicyJsonSchema();

}  // namespace sessionctl

#endif  // POLICY_POLICY_PARSER_H_
