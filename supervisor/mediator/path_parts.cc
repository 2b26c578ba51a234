#include "supervisor/mediator/path_parts.h"

#include <algorithm>
#include <utility>

namespace sessionctl {

std::vector<std::string> PathComponents(const std::string& path) {
  std::vector<std::string> components;
  size_t at = 0;
  while (at < path.size()) {
    size_t end = path.find('/', at);
    if (end == std::string::npos) end = path.size();
    std::string component = path.substr(at, end - at);
    const bool last = path.find_first_not_of('/', end) == std::string::npos;
    if (!component.empty() && (component != "." || last)) {
      components.push_back(std::move(component));
    }
    at = end + 1;
  }
  return components;
}

bool EndsWithSlash(const std::string& path) {
  if (path.empty()) return false;
  return path.back() == '/' || path == "." || path.ends_with("/.");
}

bool HasDotDot(const std::string& path) {
  const std::vector<std::string> components = PathComponents(path);
  return std::find(components.begin(), components.end(), "..") != components.end();
}

std::string UntilDotDot(const std::string& path) {
  std::string text;
  for (const std::string& component : PathComponents(path)) {
    if (component == "..") break;
    text += "/" + component;
  }
  return text;
}

std::string WithoutDots(const std::string& path) {
  std::string text;
  for (const std::string& component : PathComponents(path)) {
    if (component != ".") text += (text.empty() ? "" : "/") + component;
  }
  return text;
}

std::string OrDot(const std::string& path) { return path.empty() ? "." : path; }

std::string NormalizeUntilDotDot(const std::string& path) {
  std::string normal;
  size_t at = 0;
  while (at < path.size()) {
    size_t begin = path.find_first_not_of('/', at);
    if (begin == std::string::npos) break;
    size_t end = path.find('/', begin);
    if (end == std::string::npos) end = path.size();
    size_t size = end - begin;
    if (size == 2 && path.compare(begin, 2, "..") == 0) return normal + "/" + path.substr(begin);
    // A "." at the end is kept: it has answers of its own (trap 34).
    const bool last = path.find_first_not_of('/', end) == std::string::npos;
    if (last || size != 1 || path[begin] != '.') normal.append("/").append(path, begin, size);
    at = end;
  }
  if (normal.empty()) return "/";
  if (normal.ends_with("/.")) return path.back() == '/' ? normal + "/" : normal;
  return EndsWithSlash(path) ? normal + "/" : normal;
}

SplitPath SplitLast(const std::string& path) {
  size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return {"", "", !path.empty()};
  size_t slash = path.rfind('/', end);
  bool trailing = end + 1 < path.size();
  if (slash == std::string::npos) return {"", path.substr(0, end + 1), trailing};
  return {path.substr(0, slash), path.substr(slash + 1, end - slash), trailing};
}

std::string Searched(const std::string& directory) {
  return directory.empty() ? "." : directory + "/.";
}

bool TakeDotDot(bool may_be_last, std::string* path) {
  size_t at = 0;
  while (path->compare(at, 2, "./") == 0) {
    at = path->find_first_not_of('/', at + 1);
    if (at == std::string::npos) return false;
  }
  if (path->compare(at, 3, "../") != 0 && path->substr(at) != "..") return false;
  size_t rest = path->find_first_not_of('/', at + 2);
  if (rest == std::string::npos && !may_be_last) return false;
  *path = rest == std::string::npos ? "." : path->substr(rest);
  return true;
}

}  // namespace sessionctl
