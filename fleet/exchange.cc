#include "fleet/exchange.h"

#include <cctype>
#include <cstdlib>

namespace sessionctl {

std::string PercentDecode(const std::string& text, bool query) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() &&
        isxdigit(static_cast<unsigned char>(text[i + 1])) &&
        isxdigit(static_cast<unsigned char>(text[i + 2]))) {
      result += static_cast<char>(strtol(text.substr(i + 1, 2).c_str(), nullptr, 16));
      i += 2;
    } else {
      result += query && text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::string PercentEncode(const std::string& text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~') {
      result += c;
    } else {
      result += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return result;
}

void ParseTarget(const std::string& target, HttpRequest& request) {
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark == std::string::npos) return;
  const std::string query = target.substr(mark + 1);
  for (size_t begin = 0; begin <= query.size();) {
    size_t end = query.find('&', begin);
    if (end == std::string::npos) end = query.size();
    const std::string pair = query.substr(begin, end - begin);
    const size_t equals = pair.find('=');
    std::string key = PercentDecode(pair.substr(0, equals), true);
    std::string value =
        equals == std::string::npos ? "" : PercentDecode(pair.substr(equals + 1), true);
    begin = end + 1;
    if (key.empty()) continue;
    // Of a key that comes several times all values count: labels.
    std::string& place = request.query[key];
    place = place.empty() ? std::move(value) : place + "," + value;
  }
}

}  // namespace sessionctl
