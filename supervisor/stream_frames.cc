#include "supervisor/stream_frames.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

using nlohmann::json;

constexpr uint8_t kLastType = static_cast<uint8_t>(FrameType::kError);
// What was taken is given back once it is this much.
constexpr size_t kCompactAt = 16384;

uint8_t Byte(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

template <typename T>
json NullableJson(const std::optional<T>& value) {
  return value.has_value() ? json(*value) : json(nullptr);
}

std::optional<int> IntMember(const json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_number_integer()) return std::nullopt;
  return it->get<int>();
}

}  // namespace

std::string EncodeFrame(FrameType type, std::string_view payload) {
  payload = payload.substr(0, kMaxFramePayload);
  const auto size = static_cast<uint32_t>(payload.size());
  std::string frame;
  frame.reserve(kFrameHeaderSize + payload.size());
  frame.push_back(static_cast<char>(type));
  frame.append(3, '\0');
  for (const int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(size >> shift));
  frame.append(payload);
  return frame;
}

absl::StatusOr<std::optional<Frame>> FrameReader::Next() {
  const std::string_view bytes = std::string_view(buffer_).substr(taken_);
  if (bytes.size() < kFrameHeaderSize) return std::nullopt;
  if (Byte(bytes, 0) > kLastType || Byte(bytes, 1) != 0 || Byte(bytes, 2) != 0 ||
      Byte(bytes, 3) != 0) {
    return absl::InvalidArgumentError("this is no frame");
  }
  size_t size = 0;
  for (size_t i = 4; i < kFrameHeaderSize; ++i) size = size << 8 | Byte(bytes, i);
  if (size > kMaxFramePayload) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame of ", size, " bytes; the most is ", kMaxFramePayload));
  }
  if (bytes.size() < kFrameHeaderSize + size) return std::nullopt;
  Frame frame = {.type = static_cast<FrameType>(Byte(bytes, 0)),
                 .payload = std::string(bytes.substr(kFrameHeaderSize, size))};
  taken_ += kFrameHeaderSize + size;
  if (taken_ == buffer_.size()) {
    std::string().swap(buffer_);
    taken_ = 0;
  } else if (taken_ >= kCompactAt) {
    buffer_.erase(0, std::exchange(taken_, 0));
  }
  return frame;
}

std::string EncodeTerminalSize(TerminalSize size) {
  std::string payload;
  for (const uint16_t value : {size.rows, size.columns}) {
    payload.push_back(static_cast<char>(value >> 8));
    payload.push_back(static_cast<char>(value));
  }
  return payload;
}

std::optional<TerminalSize> DecodeTerminalSize(std::string_view payload) {
  if (payload.size() != 4) return std::nullopt;
  return TerminalSize{.rows = static_cast<uint16_t>(Byte(payload, 0) << 8 | Byte(payload, 1)),
                      .columns = static_cast<uint16_t>(Byte(payload, 2) << 8 | Byte(payload, 3))};
}

std::string EncodeStreamExit(const StreamExit& exit) {
  const json value = {{"code", NullableJson(exit.code)},
                      {"signal", NullableJson(exit.signal)},
                      {"reason", exit.reason}};
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<StreamExit> DecodeStreamExit(const std::string& payload) {
  const json value = json::parse(payload, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded() || !value.is_object()) {
    return absl::InvalidArgumentError("the last frame is no JSON object");
  }
  const auto reason = value.find("reason");
  return StreamExit{.code = IntMember(value, "code"),
                    .signal = IntMember(value, "signal"),
                    .reason = reason != value.end() && reason->is_string()
                                  ? reason->get<std::string>()
                                  : std::string()};
}

}  // namespace sessionctl
