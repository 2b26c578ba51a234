#include "tests/differential/whereabouts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>

#include "tests/differential/shared_area.h"

namespace differential {
namespace {

constexpr int kMaxLinks = 40;  // path_resolution(7)

// When a link that is a path's last component is followed.
enum class LastLink {
  kFollowed,
  kBeforeSlash,  // only before a slash
  kNever,        // the call is about the name itself, whatever slashes stand behind it
};

// One walk, by the names alone; what it stands on is always a real path.
class Course {
 public:
  explicit Course(const Scene& scene) : view_(scene.mount_view), mount_(scene.area->mount) {}

  uint32_t Follow(int dirfd, const std::string& path, LastLink last) {
    if (path.empty()) return 0;
    Queue(path);
    if (path[0] != '/') {
      if (!LeadsOnFrom(dirfd)) return 0;
      position_ = Base(dirfd);
    }
    Walk(last == LastLink::kFollowed || (last == LastLink::kBeforeSlash && path.back() == '/'));
    if (!InMount(position_)) marks_ |= linked_ ? kEndsOutside | kLinkLedOut : kEndsOutside;
    if (position_ == mount_) marks_ |= kNamesMount;
    return marks_;
  }

 private:
  // Does the kernel look anything up from there? In a removed directory there is only what is above
  // it. Nothing is looked up that is not: what goes by its name now may be a link, which looking
  // would follow.
  bool LeadsOnFrom(int dirfd) const {
    struct stat info;
    if (fstatat(dirfd, "", &info, AT_EMPTY_PATH) != 0 || !S_ISDIR(info.st_mode)) return false;
    return info.st_nlink > 0 || queue_.empty() || queue_.front() == "." || queue_.front() == "..";
  }

  static std::string Base(int dirfd) {
    const std::string link = dirfd == AT_FDCWD ? "/proc/thread-self/cwd"
                                               : "/proc/thread-self/fd/" + std::to_string(dirfd);
    char path[PATH_MAX];
    const ssize_t size = readlink(link.c_str(), path, sizeof(path));
    constexpr std::string_view kGone = " (deleted)";
    std::string base(path, size < 0 ? 0 : static_cast<size_t>(size));
    if (base.ends_with(kGone)) base.resize(base.size() - kGone.size());
    return base;
  }

  bool InMount(const std::string& path) const {
    return path.starts_with(mount_) && (path.size() == mount_.size() || path[mount_.size()] == '/');
  }

  void Walk(bool follow_last) {
    while (!queue_.empty()) {
      const std::string name = queue_.front();
      queue_.pop_front();
      if (name == ".") continue;
      if (name == "..") {
        GoUp();
        continue;
      }
      const std::string next = position_ + "/" + name;
      const mode_t mode = TypeOf(next);
      if (S_ISLNK(mode) && (!queue_.empty() || follow_last)) {
        if (!FollowLink(next)) return;
        continue;
      }
      position_ = next;
      if (!queue_.empty() && !S_ISDIR(mode)) return;
    }
  }

  void GoUp() {
    if (position_ == mount_) marks_ |= linked_ ? kPassedOutside | kLinkLedOut : kPassedOutside;
    if (const size_t slash = position_.rfind('/'); slash != std::string::npos) {
      position_.resize(slash);
    }
  }

  bool FollowLink(const std::string& link) {
    char text[PATH_MAX];
    const ssize_t size = InMount(link) ? readlinkat(view_, InView(link), text, sizeof(text))
                                       : readlink(link.c_str(), text, sizeof(text));
    if (size <= 0 || ++links_ > kMaxLinks) return false;
    if (InMount(link)) linked_ = true;
    if (link.starts_with("/proc/")) {
      marks_ |= linked_ ? kThroughProc | kLinkLedOut : kThroughProc;
    }
    if (text[0] == '/') position_.clear();
    Queue(std::string(text, static_cast<size_t>(size)));
    return true;
  }

  // 0 where nothing is, or nothing can be seen.
  mode_t TypeOf(const std::string& path) const {
    struct stat info;
    const int looked =
        InMount(path) ? fstatat(view_, InView(path), &info, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
                      : lstat(path.c_str(), &info);
    return looked == 0 ? info.st_mode & S_IFMT : 0;
  }

  const char* InView(const std::string& path) const {
    return path.size() == mount_.size() ? "" : path.c_str() + mount_.size() + 1;
  }

  void Queue(const std::string& path) {
    std::deque<std::string> names;
    for (size_t at = 0; at < path.size();) {
      size_t end = path.find('/', at);
      if (end == std::string::npos) end = path.size();
      if (end > at) names.push_back(path.substr(at, end - at));
      at = end + 1;
    }
    queue_.insert(queue_.begin(), names.begin(), names.end());
  }

  const int view_;
  const std::string mount_;
  std::string position_;  // without a slash behind; "" is "/"
  std::deque<std::string> queue_;
  bool linked_ = false;  // a link in the mount has been followed
  int links_ = 0;
  uint32_t marks_ = 0;
};

bool StartsWithOneOf(std::string_view op, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return op.starts_with(name); });
}

// `second`: of the call's second path.
LastLink LastLinkOf(const Step& step, bool second) {
  const bool links = step.op.starts_with("link");
  if ((links && second) ||
      StartsWithOneOf(step.op, {"rename", "mkdir", "rmdir", "unlink", "symlink", "mknod"})) {
    return LastLink::kNever;
  }
  bool flagged = links || StartsWithOneOf(step.op, {"lchown", "lstat", "readlink", "lsetxattr",
                                                    "lgetxattr", "lremovexattr"});
  for (const std::string& word : step.args) {
    if (word == "AT_SYMLINK_FOLLOW" || word.ends_with("|AT_SYMLINK_FOLLOW")) {
      return LastLink::kFollowed;
    }
    // O_PATH takes no notice of the others (open(2)).
    const bool excludes = word.find("O_EXCL") != std::string::npos &&
                          word.find("O_CREAT") != std::string::npos &&
                          word.find("O_PATH") == std::string::npos;
    flagged = flagged || excludes || word.find("NOFOLLOW") != std::string::npos;
  }
  return flagged ? LastLink::kBeforeSlash : LastLink::kFollowed;
}

}  // namespace

uint32_t WhereaboutsOf(const Scene& scene, const Op& op, const Step& step, const Places& places,
                       const Registers& registers) {
  if (scene.mount_view < 0) return 0;
  uint32_t marks = 0;
  bool second = false;
  int dirfd = AT_FDCWD;
  size_t word = 0;
  size_t reg = 0;
  for (const char* letter = op.args; *letter != '\0'; ++letter) {
    if (*letter == 'd') dirfd = static_cast<int>(registers.values.at(reg));
    if (*letter == 'p') {
      const std::string_view path = StringOf(step.args[word]);
      if (path[0] == '"')
        marks |= Course(scene).Follow(dirfd, Expand(path, places), LastLinkOf(step, second));
      dirfd = AT_FDCWD;
      second = true;
    }
    word += WordsOf(*letter);
    reg += RegistersOf(*letter);
  }
  return marks;
}

}  // namespace differential
