#include "tests/harness/watched_tree.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>
#include <utility>
#include <vector>

#include "tests/harness/scratch.h"

namespace harness {
namespace {

namespace fs = std::filesystem;

std::string DescribeXattrs(const std::string& path) {
  char names[1024];
  const ssize_t size = llistxattr(path.c_str(), names, sizeof(names));
  std::ostringstream text;
  for (ssize_t at = 0; at < size;) {
    const std::string name = names + at;
    char value[256];
    const ssize_t length = lgetxattr(path.c_str(), name.c_str(), value, sizeof(value));
    text << " " << name << "=" << std::string(value, length > 0 ? static_cast<size_t>(length) : 0);
    at += static_cast<ssize_t>(name.size()) + 1;
  }
  return text.str();
}

std::string Describe(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) < 0) return "gone";
  std::ostringstream text;
  text << std::oct << "mode " << status.st_mode << std::dec << " links " << status.st_nlink
       << " owner " << status.st_uid << ":" << status.st_gid << " size " << status.st_size
       << " mtime " << status.st_mtim.tv_sec << "." << status.st_mtim.tv_nsec << " ctime "
       << status.st_ctim.tv_sec << "." << status.st_ctim.tv_nsec << " inode " << status.st_ino
       << DescribeXattrs(path);
  if (S_ISREG(status.st_mode)) text << " content \"" << ReadFile(path) << "\"";
  if (S_ISLNK(status.st_mode)) {
    std::error_code error;
    text << " -> " << fs::read_symlink(path, error).string();
  }
  return text.str();
}

std::string Difference(const std::map<std::string, std::string>& before,
                       const std::map<std::string, std::string>& after) {
  std::ostringstream text;
  for (const auto& [name, was] : before) {
    const auto it = after.find(name);
    if (it == after.end()) {
      text << "  " << name << ": removed\n";
    } else if (it->second != was) {
      text << "  " << name << ": was " << was << "\n    now " << it->second << "\n";
    }
  }
  for (const auto& [name, is] : after) {
    if (!before.contains(name)) text << "  " << name << ": appeared: " << is << "\n";
  }
  return text.str();
}

}  // namespace

void PopulateScene(const std::string& path, const std::string& content) {
  MakeDirectory(path + "/remove-me");
  for (const char* name : {"target", "from", "unlink-me"}) WriteFile(path + "/" + name, content);
  setxattr((path + "/target").c_str(), "user.present", "y", 1, 0);
}

WatchedTree::WatchedTree(std::string path, std::optional<uid_t> owner)
    : path_(std::move(path)), owner_(owner) {
  Populate();
  Remember();
}

void WatchedTree::Populate() {
  PopulateScene(path_, kCanary);
  if (owner_.has_value()) GiveTree(path_, *owner_, *owner_);
}

void WatchedTree::Remember() { remembered_ = Take(); }

WatchedTree::Snapshot WatchedTree::Take() const {
  Snapshot snapshot = {{".", Describe(path_)}};
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(path_, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    snapshot[fs::relative(it->path(), path_, error).string()] = Describe(it->path());
  }
  return snapshot;
}

void WatchedTree::Reset() {
  std::error_code error;
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(path_, error)) entries.push_back(entry.path());
  for (const fs::path& entry : entries) fs::remove_all(entry, error);
  Populate();
}

bool WatchedTree::CheckAndReset() {
  const Snapshot now = Take();
  if (now == remembered_) return false;
  if (escapes_ == 0) first_difference_ = Difference(remembered_, now);
  ++escapes_;
  Reset();
  Remember();
  return true;
}

}  // namespace harness
