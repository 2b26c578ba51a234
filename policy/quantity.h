// Amounts as people write them: sizes ("512M") and durations ("10s"). Pure functions; any thread.
#ifndef POLICY_QUANTITY_H_
#define POLICY_QUANTITY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace sessionctl {

// Bytes: a whole number, with K, M, G or T behind it for powers of 1024. Errors: kInvalidArgument,
// in words that follow the text in a message.
absl::StatusOr<int64_t> ParseSize(const std::string& text);
// The shortest text that ParseSize reads back.
std::string FormatSize(int64_t bytes);

// Milliseconds: a whole number with ms, s, m, h or d behind it. Errors: as above.
absl::StatusOr<int64_t> ParseDuration(const std::string& text);
std::string FormatDuration(int64_t milliseconds);

}  // namespace sessionctl

#endif  // POLICY_QUANTITY_H_
