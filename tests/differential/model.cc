#include "tests/differential/model.h"

#include <utility>

namespace differential {
namespace {

bool IsBelow(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         (directory.empty() || path[directory.size()] == '/');
}

}  // namespace

void Model::Remove(const std::string& path) {
  if (!path.empty()) nodes_.erase(path);
}

void Model::Move(const std::string& from, const std::string& to, bool exchange) {
  if (from.empty() || to.empty() || from == to || IsBelow(to, from) || IsBelow(from, to)) return;
  std::map<std::string, Node> moved;
  for (auto it = nodes_.begin(); it != nodes_.end();) {
    const std::string& path = it->first;
    const bool is_source = path == from || IsBelow(path, from);
    const bool is_target = path == to || IsBelow(path, to);
    if (is_source) moved[to + path.substr(from.size())] = it->second;
    if (is_target && exchange) moved[from + path.substr(to.size())] = it->second;
    it = is_source || is_target ? nodes_.erase(it) : std::next(it);
  }
  nodes_.merge(moved);
}

Kind Model::KindOf(const std::string& path) const {
  const auto it = nodes_.find(path);
  return it == nodes_.end() ? Kind::kNone : it->second.kind;
}

bool Model::Pick(Kind kind, std::string* path) const {
  std::vector<std::string> usable;
  std::vector<std::string> others;
  for (const auto& [name, node] : nodes_) {
    if (node.kind == kind) (node.usable ? usable : others).push_back(name);
  }
  if (usable.empty()) std::swap(usable, others);
  if (usable.empty()) return false;
  *path = !others.empty() && dice_.Percent(10) ? dice_.Of(others) : dice_.Of(usable);
  return true;
}

bool Model::PickAny(std::string* path) const {
  const uint64_t what = dice_.Below(100);
  const Kind first = what < 60 ? Kind::kFile : what < 88 ? Kind::kDirectory : Kind::kLink;
  return Pick(first, path) || Pick(Kind::kDirectory, path);
}

bool Model::PickEmptyDirectory(std::string* path) const {
  std::vector<std::string> found;
  for (const auto& [name, node] : nodes_) {
    if (node.kind == Kind::kDirectory && !name.empty() && Below(name).empty()) {
      found.push_back(name);
    }
  }
  if (found.empty()) return false;
  *path = dice_.Of(found);
  return true;
}

std::string Model::PickPlace() const {
  std::string path;
  Pick(Kind::kDirectory, &path);
  return path;
}

std::vector<std::string> Model::Below(const std::string& directory) const {
  std::vector<std::string> found;
  for (const auto& [name, node] : nodes_) {
    if (IsBelow(name, directory)) found.push_back(name);
  }
  return found;
}

void Model::ChangeDirectory(int actor, const std::string& path) {
  const int shared = shared_cwd_.at(static_cast<size_t>(actor));
  for (size_t i = 0; i < cwds_.size(); ++i) {
    if (shared_cwd_[i] == shared) cwds_[i] = path;
  }
}

void Model::Spawn(int parent, int actor, bool shares_files, bool shares_cwd) {
  const auto from = static_cast<size_t>(parent);
  const auto to = static_cast<size_t>(actor);
  table_.at(to) = shares_files ? table_.at(from) : actor;
  shared_cwd_.at(to) = shares_cwd ? shared_cwd_.at(from) : actor;
  cwds_.at(to) = cwds_.at(from);
  parents_.at(to) = parent;
}

}  // namespace differential
