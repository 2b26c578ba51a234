#include "policy/walked_directories.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <optional>
#include <utility>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr int kMaxLinks = 40;  // MAXSYMLINKS (linux/namei.h)

std::optional<std::string> LinkText(const std::string& path) {
  char text[PATH_MAX];
  const ssize_t size = readlink(path.c_str(), text, sizeof(text));
  if (size < 0) return std::nullopt;
  return std::string(text, static_cast<size_t>(size));
}

// What of `path` comes before and after its first slash.
std::pair<std::string, std::string> SplitFirst(const std::string& path) {
  const size_t slash = path.find('/');
  if (slash == std::string::npos) return {path, ""};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

struct Walk {
  std::vector<std::string> directories;
  std::vector<WalkedLink> links;
};

Walk WalkAlong(const std::string& path) {
  Walk walk;
  std::string here;  // a real path, "" for the root
  for (std::string rest = path; !rest.empty();) {
    auto [name, behind] = SplitFirst(rest);
    rest = std::move(behind);
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      here.resize(here.empty() ? 0 : here.rfind('/'));
      continue;
    }
    walk.directories.push_back(here.empty() ? "/" : here);
    const std::string next = here + "/" + name;
    const std::optional<std::string> target = LinkText(next);
    if (!target.has_value()) {
      here = next;
      continue;
    }
    if (walk.links.size() == kMaxLinks) break;
    walk.links.push_back({next, *target});
    if (target->starts_with('/')) here.clear();
    rest = *target + "/" + rest;
  }
  return walk;
}

}  // namespace

std::vector<std::string> WalkedDirectories(const std::string& path) {
  return WalkAlong(path).directories;
}

std::vector<WalkedLink> WalkedLinks(const std::string& path) {
  // Most paths lead through none, which one call tells.
  const SysResult<OwnedFd> straight =
      OpenAt2(AT_FDCWD, path.c_str(), {.flags = O_PATH | O_CLOEXEC, .resolve = kResolveNoSymlinks});
  const bool goes_back = path.find("/..") != std::string::npos;  // out of what may be missing
  if (straight.ok() || (straight.error() == ENOENT && !goes_back)) return {};
  return WalkAlong(path).links;
}

}  // namespace sessionctl
