#include "policy/walked_directories.h"

#include <unistd.h>

#include <climits>
#include <optional>
#include <utility>

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

}  // namespace

std::vector<std::string> WalkedDirectories(const std::string& path) {
  std::vector<std::string> walked;
  std::string here;  // a real path, "" for the root
  int links = 0;
  for (std::string rest = path; !rest.empty();) {
    auto [name, behind] = SplitFirst(rest);
    rest = std::move(behind);
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      here.resize(here.empty() ? 0 : here.rfind('/'));
      continue;
    }
    walked.push_back(here.empty() ? "/" : here);
    const std::string next = here + "/" + name;
    const std::optional<std::string> target = LinkText(next);
    if (!target.has_value()) {
      here = next;
      continue;
    }
    if (++links > kMaxLinks) break;
    if (target->starts_with('/')) here.clear();
    rest = *target + "/" + rest;
  }
  return walked;
}

}  // namespace sessionctl
