// Where the texts of policies come from: files and the built-in profiles. Any thread.
#ifndef POLICY_POLICY_SOURCE_H_
#define POLICY_POLICY_SOURCE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace sessionctl {

inline constexpr size_t kMaxPolicyBytes = 1 << 20;

// A policy's text and what to call it in messages.
struct NamedText {
  std::string text;
  std::string source;
};

// The content of a regular file of at most kMaxPolicyBytes. Errors: kNotFound, kInvalidArgument.
absl::StatusOr<std::string> ReadPolicyFile(const std::string& path);

// A built-in profile. Errors: kNotFound naming the ones there are.
absl::StatusOr<NamedText> FindProfile(const std::string& name);

// What `name` means in the `extends` of `source`.
absl::StatusOr<NamedText> FindExtended(const std::string& name, const std::string& source);

}  // namespace sessionctl

#endif  // POLICY_POLICY_SOURCE_H_
