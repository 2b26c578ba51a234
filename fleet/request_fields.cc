#include "fleet/request_fields.h"

#include "absl/strings/numbers.h"
#include "nlohmann/json.hpp"

namespace sessionctl {

using nlohmann::ordered_json;

const ordered_json* BodyFields::Any(const char* name) {
  known_.insert(name);
  const auto it = object_.find(name);
  return it == object_.end() ? nullptr : &*it;
}

void BodyFields::Refuse(const std::string& field, const std::string& message) {
  if (!wrong_.has_value()) wrong_ = FieldError{field, message};
}

bool BodyFields::Flag(const char* name, bool otherwise) {
  const ordered_json* value = Any(name);
  if (value == nullptr) return otherwise;
  if (value->is_boolean()) return value->get<bool>();
  Refuse(name, "true or false is needed");
  return otherwise;
}

std::optional<int64_t> BodyFields::Integer(const char* name, int64_t least, int64_t most) {
  const ordered_json* value = Any(name);
  if (value == nullptr) return std::nullopt;
  // What does not fit into an int64_t is an unsigned number here.
  const bool small = value->is_number_integer() &&
                     (!value->is_number_unsigned() || value->get<uint64_t>() <= INT64_MAX);
  if (small && value->get<int64_t>() >= least && value->get<int64_t>() <= most) {
    return value->get<int64_t>();
  }
  Refuse(name, "a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
                   " is needed");
  return std::nullopt;
}

std::optional<std::string> BodyFields::Text(const char* name, size_t longest) {
  const ordered_json* value = Any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    Refuse(name, "a string is needed");
  } else if (value->get_ref<const std::string&>().size() > longest) {
    Refuse(name, "longer than " + std::to_string(longest) + " bytes");
  } else if (value->get_ref<const std::string&>().find('\0') != std::string::npos) {
    Refuse(name, "holds a NUL byte");
  } else {
    return value->get<std::string>();
  }
  return std::nullopt;
}

std::optional<FieldError> BodyFields::Wrong() const {
  if (wrong_.has_value()) return wrong_;
  for (const auto& [name, value] : object_.items()) {
    if (known_.count(name) == 0) return FieldError{name, "unknown member"};
  }
  return std::nullopt;
}

bool QueryFields::Flag(const char* name) {
  const auto it = query_.find(name);
  if (it == query_.end() || it->second == "0" || it->second == "false") return false;
  if (it->second == "1" || it->second == "true") return true;
  if (!wrong_.has_value()) wrong_ = FieldError{name, "true or false is needed"};
  return false;
}

std::optional<uint64_t> QueryFields::Number(const char* name, uint64_t most) {
  const auto it = query_.find(name);
  if (it == query_.end()) return std::nullopt;
  uint64_t number = 0;
  const bool digits = it->second.find_first_not_of("0123456789") == std::string::npos;
  if (digits && absl::SimpleAtoi(it->second, &number) && number <= most) return number;
  if (!wrong_.has_value()) {
    wrong_ = FieldError{name, "a whole number from 0 to " + std::to_string(most) + " is needed"};
  }
  return std::nullopt;
}

}  // namespace sessionctl
