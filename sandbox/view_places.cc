#include "sandbox/view_places.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

bool LiesIn(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace

SysStatus ViewPlaces::Begin(int root) {
  root_ = root;
  return AddOwn(root);
}

SysStatus ViewPlaces::AddOwn(int mount) {
  SysResult<struct stat> info = Fstat(mount);
  if (!info.ok()) return Errno(info.error());
  own_file_systems_.push_back(info->st_dev);
  return Done{};
}

bool ViewPlaces::IsOurs(int directory) const {
  SysResult<struct stat> info = Fstat(directory);
  return info.ok() && std::find(own_file_systems_.begin(), own_file_systems_.end(), info->st_dev) !=
                          own_file_systems_.end();
}

void ViewPlaces::CloseBeside(const std::string& path) {
  while (!open_.empty() && !LiesIn(path, open_.back().path)) open_.pop_back();
}

SysResult<ViewPlaces::Place> ViewPlaces::Find(const std::string& path) {
  const size_t last = path.rfind('/');
  if (last == std::string::npos || last + 1 == path.size()) return Errno(EINVAL);
  const std::string above = path.substr(0, last);
  CloseBeside(above);
  size_t done = open_.empty() ? 0 : open_.back().path.size();
  while (done < above.size()) {
    const int at = open_.empty() ? root_ : open_.back().fd.get();
    const bool ours = open_.empty() || open_.back().ours;
    const size_t end = std::min(above.find('/', done + 1), above.size());
    const std::string name = above.substr(done + 1, end - done - 1);
    if (ours && mkdirat(at, name.c_str(), 0755) != 0 && errno != EEXIST) return LastErrno();
    SysResult<OwnedFd> next = OpenAt(at, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!next.ok()) return Errno(next.error());
    const bool next_is_ours = IsOurs(next->get());
    open_.push_back({above.substr(0, end), std::move(*next), next_is_ours});
    done = end;
  }
  return Place{.directory = open_.empty() ? root_ : open_.back().fd.get(),
               .leaf = path.substr(last + 1),
               .ours = open_.empty() || open_.back().ours};
}

SysResult<ViewPlaces::Place> ViewPlaces::Make(const std::string& path, bool is_directory) {
  SysResult<Place> place = Find(path);
  if (!place.ok() || !place->ours) return place;  // it is there, or mounting says that it is not
  const int made = is_directory ? mkdirat(place->directory, place->leaf.c_str(), 0755)
                                : mknodat(place->directory, place->leaf.c_str(), S_IFREG | 0444, 0);
  if (made != 0 && errno != EEXIST) return LastErrno();
  return place;
}

void ViewPlaces::Forget(const std::string& path) {
  while (!open_.empty() && LiesIn(open_.back().path, path)) open_.pop_back();
}

}  // namespace sessionctl
