// libFuzzer entry: any bytes are a policy or an error, and a policy survives being written and read
// again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "policy/policy_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  // Files of this machine are none of the fuzzer's business.
  if (text.find("extends") != std::string::npos) return 0;
  const absl::StatusOr<sessionctl::SessionPolicy> policy =
      sessionctl::ParsePolicy(text, "fuzz.toml");
  if (!policy.ok()) return 0;
  const std::string written = sessionctl::PolicyToToml(*policy);
  const absl::StatusOr<sessionctl::SessionPolicy> again =
      sessionctl::ParsePolicy(written, "again.toml");
  if (!again.ok() || sessionctl::PolicyToToml(*again) != written) abort();
  return 0;
}
