#include "tests/differential/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <utility>

#include "tests/differential/arguments.h"

namespace differential {
namespace {

constexpr time_t kLongAgo = 1000000000;
constexpr size_t kContentLimit = 65536;

std::vector<std::string> Entries(int directory) {
  std::vector<std::string> names;
  DIR* stream = fdopendir(dup(directory));
  if (stream == nullptr) return names;
  rewinddir(stream);
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(stream);
  std::sort(names.begin(), names.end());
  return names;
}

struct Owner {
  uid_t uid;
  gid_t gid;
};

Owner ParseOwner(const std::string& word, uid_t user) {
  const size_t colon = word.find(':');
  if (colon == std::string::npos) return {user, user};
  return {static_cast<uid_t>(strtoul(word.c_str(), nullptr, 10)),
          static_cast<gid_t>(strtoul(word.c_str() + colon + 1, nullptr, 10))};
}

class Builder {
 public:
  Builder(const Places& places, uid_t user) : places_(places), user_(user) {}

  bool Make(const std::vector<std::string>& words) {
    if (words.size() < 3) return false;
    const std::string& kind = words[0];
    const std::string path = places_.root + "/" + Expand(words[1], places_);
    if (kind == "link") {
      return symlink(Expand(words[2], places_).c_str(), path.c_str()) == 0 &&
             lchown(path.c_str(), user_, user_) == 0 && Remember(path);
    }
    if (kind == "name")
      return link((places_.root + "/" + Expand(words[2], places_)).c_str(), path.c_str()) == 0;
    if (words.size() < 4) return false;
    if (kind == "xattr") {
      const std::string value = Expand(words[3], places_);
      return lsetxattr(path.c_str(), Expand(words[2], places_).c_str(), value.data(), value.size(),
                       0) == 0 ||
             errno == EOPNOTSUPP;
    }
    const auto mode = static_cast<mode_t>(strtoul(words[2].c_str(), nullptr, 8));
    if (!MakeObject(kind, path, words.size() > 4 ? Expand(words[4], places_) : "")) return false;
    const Owner owner = ParseOwner(words[3], user_);
    return lchown(path.c_str(), owner.uid, owner.gid) == 0 && chmod(path.c_str(), mode) == 0 &&
           Remember(path);
  }

  // Deepest first, so that nothing touches a directory whose times are set already.
  void SetTimes() {
    std::sort(made_.begin(), made_.end());
    for (size_t i = made_.size(); i-- > 0;) {
      const timespec time = {kLongAgo + static_cast<time_t>(i), 500};
      const timespec times[2] = {time, time};
      utimensat(AT_FDCWD, made_[i].c_str(), times, AT_SYMLINK_NOFOLLOW);
    }
  }

  bool Remember(const std::string& path) {
    made_.push_back(path);
    return true;
  }

 private:
  static bool MakeObject(const std::string& kind, const std::string& path,
                         const std::string& content) {
    if (kind == "dir") return mkdir(path.c_str(), 0700) == 0;
    if (kind == "fifo") return mknod(path.c_str(), S_IFIFO | 0600, 0) == 0;
    if (kind == "socket") return mknod(path.c_str(), S_IFSOCK | 0600, 0) == 0;
    if (kind == "null") return mknod(path.c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0;
    if (kind != "file") return false;
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    const bool written =
        write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
    close(fd);
    return written;
  }

  const Places& places_;
  const uid_t user_;
  std::vector<std::string> made_;
};

std::string Content(int directory, const char* name, const struct stat& info) {
  std::string content(kContentLimit, '\0');
  ssize_t size = -1;
  if (S_ISLNK(info.st_mode)) {
    size = readlinkat(directory, name, content.data(), content.size());
  } else if (S_ISREG(info.st_mode)) {
    const int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOATIME | O_NOFOLLOW);
    if (fd < 0) return "unreadable";
    size = pread(fd, content.data(), content.size(), 0);
    close(fd);
  }
  return size < 0 ? "" : DescribeBytes(content.data(), static_cast<size_t>(size));
}

std::string Attributes(int directory, const char* name) {
  char path[320];
  snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", directory, name);
  char list[65536];
  const ssize_t size = llistxattr(path, list, sizeof(list));
  std::set<std::string> lines;
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(strlen(list + at)) + 1) {
    char value[65536];
    const ssize_t length = lgetxattr(path, list + at, value, sizeof(value));
    lines.insert(std::string(list + at) + "=" +
                 DescribeBytes(value, length < 0 ? 0 : static_cast<size_t>(length)));
  }
  std::string text;
  for (const std::string& line : lines) text += " " + line;
  return text;
}

class Walker {
 public:
  explicit Walker(int64_t started) : started_(started) {}

  void Visit(int directory, const std::string& name, const std::string& path) {
    struct stat info;
    if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    snapshot_[path] = Describe(directory, name, path, info);
    if (!S_ISDIR(info.st_mode)) return;
    const int fd = openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    for (const std::string& entry : Entries(fd)) {
      Visit(fd, entry, path + "/" + Quote(entry));
    }
    close(fd);
  }

  Snapshot snapshot_;

 private:
  std::string Describe(int directory, const std::string& name, const std::string& path,
                       const struct stat& info) {
    const std::string& first = names_.emplace(info.st_ino, path).first->second;
    char text[160];
    snprintf(text, sizeof(text), "mode=%o owner=%u:%u links=%u size=%lld device=%llx", info.st_mode,
             info.st_uid, info.st_gid, static_cast<unsigned>(info.st_nlink),
             static_cast<long long>(info.st_size), static_cast<unsigned long long>(info.st_rdev));
    return text + (" atime=" + DescribeTime(info.st_atim.tv_sec, info.st_atim.tv_nsec, started_)) +
           " mtime=" + DescribeTime(info.st_mtim.tv_sec, info.st_mtim.tv_nsec, started_) +
           (first == path ? "" : " same-as=" + first) +
           " content=" + Content(directory, name.c_str(), info) +
           Attributes(directory, name.c_str());
  }

  const int64_t started_;
  std::map<ino_t, std::string> names_;
};

void RemoveIn(int directory, const std::string& name) {
  if (unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return;
  const int fd = openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0) {
    for (const std::string& entry : Entries(fd)) RemoveIn(fd, entry);
    close(fd);
  }
  unlinkat(directory, name.c_str(), AT_REMOVEDIR);
}

}  // namespace

bool BuildTree(const Program& program, const Places& places, uid_t user) {
  if (mkdir(places.root.c_str(), 0755) != 0) return false;
  if (chown(places.root.c_str(), user, user) != 0) return false;
  Builder builder(places, user);
  builder.Remember(places.root);
  for (const Make& make : program.makes) {
    if (!builder.Make(make.words)) {
      std::string line;
      for (const std::string& word : make.words) line += " " + word;
      fprintf(stderr, "cannot make%s: %s\n", line.c_str(), strerror(errno));
      return false;
    }
  }
  builder.SetTimes();
  return true;
}

Snapshot TakeSnapshot(const std::string& root, int64_t started) {
  Walker walker(started);
  walker.Visit(AT_FDCWD, root, ".");
  return std::move(walker.snapshot_);
}

void RemoveTree(const std::string& root) { RemoveIn(AT_FDCWD, root); }

}  // namespace differential
