// getdents, getdents64, where a mount hides names: carried out on the caller's own open directory,
// and told without those names.
//
// The directory's position is that of the caller's open file. It stands behind the last entry that
// was told, so telldir(3) and seekdir(3) mean what they always do.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <string>
#include <string_view>

#include "supervisor/mediator/directory_entries.h"
#include "supervisor/mediator/handlers/handlers.h"

namespace sessionctl {
namespace {

// Of one call; more room is not used, as getdents(2) allows. At least room for the longest name, so
// that a hidden one that would not fit into the caller's buffer is never the kernel's EINVAL.
constexpr size_t kMostBytes = size_t{64} << 10;
constexpr size_t kLeastBytes = 4096;

// Two threads that read one directory through one open file take turns, as in the kernel.
std::mutex& TurnOf(const struct stat& directory) {
  static std::array<std::mutex, 16> turns;
  return turns[directory.st_ino % turns.size()];
}

// Where a directory stands: what its names are matched with.
class Place {
 public:
  static SysResult<Place> Of(const CallContext& context, const PinnedObject& directory) {
    Place place;
    if (directory.mount == nullptr || !directory.mount->hides()) return place;
    SysResult<std::string> path =
        context.resolver().PathForRules(directory.fd.get(), directory.mount);
    if (!path.ok()) return Errno(path.error());
    place.hide_ = &directory.mount->rules->hide;
    place.prefix_ = path->empty() ? "" : *path + "/";
    return place;
  }

  bool Hides(std::string_view name) const {
    return hide_ != nullptr && hide_->Match(prefix_ + std::string(name)) != nullptr;
  }

 private:
  const GlobSet* hide_ = nullptr;
  std::string prefix_;
};

Reply List(CallContext& context, const SyscallRequest& request, EntryFormat format) {
  SysResult<PinnedObject> directory = context.resolver().Descriptor(request.fd);
  if (!directory.ok()) return Reply::Error(directory.error());
  if (!S_ISDIR(directory->info.st_mode)) return Reply::Error(ENOTDIR);
  SysResult<Place> place = Place::Of(context, *directory);
  if (!place.ok()) return Reply::Error(place.error());
  const auto is_hidden = [&](std::string_view name) { return place->Hides(name); };
  const auto room = static_cast<size_t>(std::max(static_cast<int>(request.data_size), 0));
  std::string raw(std::clamp(room, kLeastBytes, kMostBytes), '\0');
  const int fd = directory->fd.get();
  const std::lock_guard<std::mutex> turn(TurnOf(directory->info));
  for (;;) {
    const off_t before = lseek(fd, 0, SEEK_CUR);
    const long size = syscall(SYS_getdents64, fd, raw.data(), raw.size());
    if (size <= 0) return size == 0 ? Reply::Value(0) : Reply::Error(errno);
    const VisibleEntries visible =
        SelectEntries({raw.data(), static_cast<size_t>(size)}, room, format, is_hidden);
    if (!context.StillWaiting()) {
      lseek(fd, before, SEEK_SET);
      return Reply::CallerGone();
    }
    if (!visible.all) lseek(fd, visible.looked_at > 0 ? visible.position : before, SEEK_SET);
    if (visible.bytes.empty() && visible.all) continue;  // nothing but hidden names: go on
    if (visible.bytes.empty()) return Reply::Error(EINVAL);
    const SysStatus told = context.task().WriteMemory(request.data_address, visible.bytes.data(),
                                                      visible.bytes.size());
    if (told.ok()) return Reply::Value(static_cast<int64_t>(visible.bytes.size()));
    lseek(fd, before, SEEK_SET);
    return Reply::Error(told.error());
  }
}

}  // namespace

Reply HandleGetdents64(CallContext& context, const SyscallRequest& request) {
  return List(context, request, EntryFormat::kGetdents64);
}

Reply HandleGetdents(CallContext& context, const SyscallRequest& request) {
  return List(context, request, EntryFormat::kGetdents);
}

}  // namespace sessionctl
