#include "policy/toml_text.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace sessionctl {
namespace {

// The length of the UTF-8 sequence at `text[i]` as TOML takes it (no surrogates, no overlong
// forms), 0 if there is none.
size_t Utf8Length(const std::string& text, size_t i) {
  const auto byte = [&text](size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  const auto continues = [&](size_t at) { return (byte(at) & 0xc0) == 0x80; };
  const unsigned first = byte(i);
  const unsigned second = byte(i + 1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(i + 1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && second < 0xa0;
    const bool surrogate = first == 0xed && second > 0x9f;
    return !overlong && !surrogate && continues(i + 1) && continues(i + 2) ? 3 : 0;
  }
  if (first < 0xf0 || first > 0xf4) return 0;
  const bool out_of_range = (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return !out_of_range && continues(i + 1) && continues(i + 2) && continues(i + 3) ? 4 : 0;
}

std::string TomlString(const std::string& text) {
  std::string result = "\"";
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text, i);
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      result += "\\uFFFD";
    } else if (byte == '"' || byte == '\\') {
      result.append("\\").append(1, text[i]);
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&result, "\\u%04X", byte);
    } else {
      result.append(text, i, length);
    }
    i += length == 0 ? 1 : length;
  }
  return result + "\"";
}

struct TomlValue {
  std::string operator()(const std::string& value) const { return TomlString(value); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return absl::StrCat(value); }
  std::string operator()(double value) const { return absl::StrFormat("%.15g", value); }
  std::string operator()(const std::vector<std::string>& values) const {
    if (values.size() < 2) {
      return values.empty() ? "[]" : absl::StrCat("[", TomlString(values.front()), "]");
    }
    std::string text = "[\n";
    for (const std::string& value : values) absl::StrAppend(&text, "  ", TomlString(value), ",\n");
    return text + "]";
  }
  std::string operator()(const std::vector<int64_t>& values) const {
    return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
  }
  std::string operator()(const StringMap& values) const {
    std::vector<std::string> entries;
    for (const auto& [name, value] : values) {
      entries.push_back(absl::StrCat(TomlString(name), " = ", TomlString(value)));
    }
    return absl::StrCat("{ ", absl::StrJoin(entries, ", "), " }");
  }
};

}  // namespace

std::string TomlText(const KeyValue& value) { return std::visit(TomlValue(), value); }

}  // namespace sessionctl
