#include "supervisor/mediator/directory_entries.h"

#include <cstring>

namespace sessionctl {
namespace {

// struct linux_dirent64 (getdents(2)): inode, offset, length of the entry, type, name.
constexpr size_t kOffsetAt = 8;
constexpr size_t kLengthAt = 16;
constexpr size_t kTypeAt = 18;
constexpr size_t kNameAt = 19;

// The older format has the name where the type is, and the type in the entry's last byte. Both come
// to the same length.
std::string InOlderFormat(std::string_view entry, std::string_view name) {
  std::string older(entry.size(), '\0');
  memcpy(older.data(), entry.data(), kTypeAt);
  memcpy(older.data() + kTypeAt, name.data(), name.size());
  older.back() = entry[kTypeAt];
  return older;
}

}  // namespace

VisibleEntries SelectEntries(std::string_view entries, size_t room, EntryFormat format,
                             const std::function<bool(std::string_view)>& is_hidden) {
  VisibleEntries visible;
  while (entries.size() > kNameAt) {
    uint16_t length = 0;
    memcpy(&length, entries.data() + kLengthAt, sizeof(length));
    if (length <= kNameAt || length > entries.size()) break;
    const std::string_view entry = entries.substr(0, length);
    const std::string_view padded = entry.substr(kNameAt);
    const std::string_view name = padded.substr(0, padded.find('\0'));
    const bool dots = name == "." || name == "..";
    if (dots || !is_hidden(name)) {
      visible.all = visible.bytes.size() + length <= room;
      if (!visible.all) break;
      visible.bytes +=
          format == EntryFormat::kGetdents ? InOlderFormat(entry, name) : std::string(entry);
    }
    memcpy(&visible.position, entry.data() + kOffsetAt, sizeof(visible.position));
    ++visible.looked_at;
    entries.remove_prefix(length);
  }
  return visible;
}

}  // namespace sessionctl
