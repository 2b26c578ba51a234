#include "supervisor/requested_end.h"

#include <algorithm>

#include "nlohmann/json.hpp"
#include "sandbox/safe_file.h"

namespace sessionctl {
namespace {
constexpr size_t kMaxFile = 4096;
constexpr size_t kMaxReason = 64;
}  // namespace

SysStatus WriteRequestedEnd(int directory, const RequestedEnd& end) {
  const nlohmann::ordered_json json = {{"reason", end.reason}, {"timeout_ms", end.timeout}};
  return WriteFileAtomically(directory, kSessionEndingFile, json.dump() + "\n", 0600,
                             Durability::kFast);
}

std::optional<RequestedEnd> ReadRequestedEnd(int directory) {
  const SysResult<std::string> text = ReadFileBeneath(directory, kSessionEndingFile, kMaxFile);
  if (!text.ok()) return std::nullopt;
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto reason = json.find("reason");
  const auto timeout = json.find("timeout_ms");
  if (reason == json.end() || !reason->is_string()) return std::nullopt;
  if (timeout == json.end() || !timeout->is_number_integer()) return std::nullopt;
  return RequestedEnd{.reason = reason->get<std::string>().substr(0, kMaxReason),
                      .timeout = std::max<int64_t>(timeout->get<int64_t>(), 0)};
}

}  // namespace sessionctl
