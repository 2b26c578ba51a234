// What getdents64(2) gave, without the hidden names, in the caller's format. A pure function of
// bytes; any thread.
#ifndef SUPERVISOR_MEDIATOR_DIRECTORY_ENTRIES_H_
#define SUPERVISOR_MEDIATOR_DIRECTORY_ENTRIES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sessionctl {

enum class EntryFormat { kGetdents64, kGetdents };

struct VisibleEntries {
  std::string bytes;  // as the caller gets them
  // Of the entries that were looked at, hidden ones included, the last one's d_off: where the
  // directory goes on. Valid when `looked_at` > 0.
  int64_t position = 0;
  size_t looked_at = 0;
  bool all = true;  // false: the next entry found no room
};

// `entries` is what the kernel wrote (struct linux_dirent64, whole). At most `room` bytes come of
// it. "." and ".." are never asked about.
VisibleEntries SelectEntries(std::string_view entries, size_t room, EntryFormat format,
                             const std::function<bool(std::string_view)>& is_hidden);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_DIRECTORY_ENTRIES_H_
