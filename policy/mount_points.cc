#include "policy/mount_points.h"

#include <fstream>
#include <sstream>

#include "policy/path_text.h"

namespace sessionctl {
namespace {

// The kernel writes space, tab, newline and backslash as three octal digits (mangle_path).
std::string Unescaped(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

bool HasMountPointBelow(const std::string& directory) {
  std::ifstream table("/proc/self/mountinfo");
  if (!table) return true;
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string id, parent, device, root, point;
    if (!(fields >> id >> parent >> device >> root >> point)) return true;
    point = Unescaped(point);
    if (point != directory && IsAtOrBelow(point, directory)) return true;
  }
  return false;
}

}  // namespace sessionctl
