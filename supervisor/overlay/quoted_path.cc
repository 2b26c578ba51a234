#include "supervisor/overlay/quoted_path.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace sessionctl {
namespace {

char ShortEscape(unsigned char byte) {
  switch (byte) {
    case '\a': return 'a';
    case '\b': return 'b';
    case '\t': return 't';
    case '\n': return 'n';
    case '\v': return 'v';
    case '\f': return 'f';
    case '\r': return 'r';
    case '"': return '"';
    case '\\': return '\\';
    default: return 0;
  }
}

// How many bytes the character has that begins with `byte`; 0: none begins so.
size_t CharacterLength(unsigned char byte) {
  if (byte < 0x80) return 1;
  if (byte >= 0xc2 && byte < 0xe0) return 2;
  if (byte >= 0xe0 && byte < 0xf0) return 3;
  if (byte >= 0xf0 && byte < 0xf5) return 4;
  return 0;
}

}  // namespace

std::string QuotedPath(std::string_view path) {
  std::string quoted;
  bool needed = false;
  for (const char each : path) {
    const auto byte = static_cast<unsigned char>(each);
    if (const char escape = ShortEscape(byte); escape != 0) {
      quoted += {'\\', escape};
    } else if (byte < 0x20 || byte >= 0x7f) {
      char text[8];
      snprintf(text, sizeof(text), "\\%03o", byte);
      quoted += text;
    } else {
      quoted += each;
      continue;
    }
    needed = true;
  }
  return needed ? "\"" + quoted + "\"" : quoted;
}

bool IsUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = CharacterLength(static_cast<unsigned char>(text[at]));
    if (length == 0 || at + length > text.size()) return false;
    uint32_t point =
        static_cast<unsigned char>(text[at]) & (length == 1 ? 0x7f : 0xff >> (length + 1));
    for (size_t next = at + 1; next < at + length; ++next) {
      const auto byte = static_cast<unsigned char>(text[next]);
      if ((byte & 0xc0) != 0x80) return false;
      point = point << 6 | (byte & 0x3f);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (overlong || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    at += length;
  }
  return true;
}

}  // namespace sessionctl
