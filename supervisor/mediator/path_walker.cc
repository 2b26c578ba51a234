#include "supervisor/mediator/path_walker.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/path_parts.h"

namespace sessionctl {
namespace {

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

SysResult<std::string> NearestPath(int directory) {
  SysResult<std::string> path = PathOfDescriptor(directory);
  OwnedFd here;
  while (!path.ok() && path.error() == ENAMETOOLONG) {
    SysResult<OwnedFd> parent =
        OpenAt(here.valid() ? here.get() : directory, "..", O_PATH | O_DIRECTORY);
    if (!parent.ok()) return Errno(parent.error());
    here = std::move(*parent);
    path = PathOfDescriptor(here.get());
  }
  return path;
}

bool OnProcfs(int fd) {
  struct statfs info;
  return fstatfs(fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

SysResult<PinnedObject> PathWalker::Object(const WalkOrigin& origin, const std::string& path,
                                           bool follow) {
  wants_directory_ = EndsWithSlash(path);
  SysStatus walked = Begin(origin, path);
  if (walked.ok()) walked = WalkAll(follow || wants_directory_);
  if (walked.ok()) walked = CheckIsland();
  if (!walked.ok()) return Errno(walked.error());
  SysResult<struct stat> info = Fstat(Top());
  if (!info.ok()) return Errno(info.error());
  if (wants_directory_ && !S_ISDIR(info->st_mode)) return Errno(ENOTDIR);
  PinnedObject object;
  object.mount = mount_;
  object.fd = std::move(frames_.back().fd);
  object.info = *info;
  object.through_descriptor = through_descriptor_;
  object.descriptor = descriptor_;
  return object;
}

SysResult<PinnedObject> PathWalker::LookUp(const WalkOrigin& origin, const std::string& path,
                                           bool follow) {
  looks_up_ = true;
  return Object(origin, path, follow);
}

SysResult<PinnedParent> PathWalker::Parent(const WalkOrigin& origin, const std::string& path) {
  // The last component is kept as the caller wrote it: "." and ".." have answers of their own (trap
  // 34).
  std::string stem = path;
  while (!stem.empty() && stem.back() == '/') stem.pop_back();
  PinnedParent parent;
  parent.trailing_slash = stem.size() < path.size();
  size_t slash = stem.rfind('/');
  parent.leaf = slash == std::string::npos ? stem : stem.substr(slash + 1);
  stem.resize(slash == std::string::npos ? 0 : slash);
  SysStatus walked = Begin(origin, stem);
  if (walked.ok()) walked = WalkAll(true);
  if (!walked.ok()) return Errno(walked.error());
  bool names_mount = false;
  if (!parent.leaf.empty() && parent.leaf != "." && parent.leaf != "..") {
    // A mount's own root has no parent that the session could act in.
    const MountView* named = MountAt(parent.leaf);
    names_mount = named != nullptr;
    if (names_mount) {
      SysStatus entered = EnterMount(*named);
      if (!entered.ok()) return Errno(entered.error());
    }
  }
  SysStatus inside = CheckIsland();
  if (!inside.ok()) return Errno(inside.error());
  parent.is_mount_root = parent.leaf.empty() || names_mount;
  if (parent.is_mount_root) parent.leaf = ".";
  SysResult<struct stat> info = Fstat(Top());
  if (!info.ok()) return Errno(info.error());
  if (!S_ISDIR(info->st_mode)) return Errno(ENOTDIR);
  if (SysStatus searched = CheckSearch(); !searched.ok()) return Errno(searched.error());
  parent.mount = mount_;
  parent.fd = std::move(frames_.back().fd);
  return parent;
}

SysStatus PathWalker::Begin(const WalkOrigin& origin, const std::string& path) {
  QueueFront(path);
  if (origin.mount == nullptr) return RestartAtSlash();
  if (origin.base < 0) return EnterMount(*origin.mount);
  SysResult<OwnedFd> base = Duplicate(origin.base);
  if (!base.ok()) return Errno(base.error());
  StandOn(*origin.mount, std::move(*base), origin.below);
  return Done{};
}

void PathWalker::StandOn(const MountView& mount, OwnedFd directory, std::string below) {
  mount_ = &mount;
  base_ = std::move(below);
  frames_.clear();
  frames_.push_back(Frame{std::move(directory), ""});
}

SysStatus PathWalker::WalkAll(bool follow_last) {
  while (!queue_.empty()) {
    std::string name = std::move(queue_.front());
    queue_.pop_front();
    if (name == "." || name == "..") {
      SysStatus moved = name == "." ? CheckSearch() : GoUp();
      if (!moved.ok()) return moved;
      continue;
    }
    const bool told_about = looks_up_ && queue_.empty() && !follow_last;
    if (!told_about && ExpandProcSelf(name)) continue;
    SysResult<Step> step = Take(name, queue_.empty() && !follow_last);
    if (!step.ok()) return Errno(step.error());
  }
  return Done{};
}

// A hidden name is not there, before anything is looked at: whatever it stands for, the answer is
// the same.
SysStatus PathWalker::CheckHidden(const std::string& name) const {
  if (mount_ == nullptr || !mount_->hides()) return Done{};
  std::string path = base_;
  for (size_t i = 1; i < frames_.size(); ++i) path += "/" + frames_[i].name;
  path += "/" + name;
  const std::string* rule = mount_->rules->hide.Match(path);
  return rule == nullptr ? SysStatus(Done{}) : refusal_.Note(ENOENT, "hide " + *rule);
}

// The mount whose root is called so here; null: none is.
const MountView* PathWalker::MountAt(const std::string& name) const {
  const std::string here = Position();
  std::string rest;
  const MountView* named =
      session_.MountOfGuestPath(here + (here.back() == '/' ? "" : "/") + name, &rest);
  return rest.empty() ? named : nullptr;
}

SysResult<PathWalker::Step> PathWalker::Take(const std::string& name, bool may_end_on_link) {
  if (SysStatus hidden = CheckHidden(name); !hidden.ok()) return Errno(hidden.error());
  // In a private view a mount in this one is a mount point, which is not crossed beneath.
  if (mount_ != nullptr && session_.HasNestedMounts(*mount_)) {
    if (const MountView* inner = MountAt(name); inner != nullptr) {
      if (SysStatus searched = CheckSearch(); !searched.ok()) return Errno(searched.error());
      if (SysStatus entered = EnterMount(*inner); !entered.ok()) return Errno(entered.error());
      return Step::kDescended;
    }
  }
  SysResult<OwnedFd> opened =
      mount_ != nullptr && !looks_up_
          ? mount_->root.OpenBeneath(Top(), name.c_str(), O_PATH | O_NOFOLLOW)
          : OpenOutside(name, O_PATH | O_NOFOLLOW);
  if (!opened.ok() && opened.error() == EXDEV && mount_ != nullptr) {
    return Refuse(EXDEV, mount_, "a mount point inside it (cross_device)");
  }
  // With "no symlinks" even the last component, not to be followed, opens; an inner one is ELOOP
  // either way.
  if (!opened.ok()) return Errno(opened.error());
  SysResult<struct stat> info = Fstat(opened->get());
  if (!info.ok()) return Errno(info.error());
  if (S_ISLNK(info->st_mode) && !may_end_on_link) {
    if (!any_links_ || ++links_ > kMaxLinks) return Errno(ELOOP);
    if (!session_.MayFollowLink(Top(), *info)) return Errno(EACCES);
    bool magic = mount_ == nullptr && frames_.size() > 2 && OnProcfs(Top());
    SysStatus followed = magic ? FollowMagicLink(name, NothingBelow()) : FollowLink(opened->get());
    if (!followed.ok()) return Errno(followed.error());
    return Step::kRedirected;
  }
  if (!queue_.empty() && !S_ISDIR(info->st_mode)) return Errno(ENOTDIR);
  SysStatus descended = Descend(std::move(*opened), name);
  if (!descended.ok()) return Errno(descended.error());
  return Step::kDescended;
}

// A process may always look at itself (ptrace_may_access, proc_fd_permission), and the broker walks
// for it: where the adopted credentials do not let it, its own do.
SysResult<OwnedFd> PathWalker::OpenOutside(const std::string& name, int flags) const {
  SysResult<OwnedFd> opened = OpenAt(Top(), name.c_str(), flags);
  if (opened.ok() || opened.error() != EACCES || !OwnCapabilities::Differ() || !InCallersProc()) {
    return opened;
  }
  for (const auto ids : {OwnCapabilities::Ids::kAdopted, OwnCapabilities::Ids::kRoot}) {
    OwnCapabilities look(ids);
    opened = OpenAt(Top(), name.c_str(), flags);
    if (opened.ok()) break;
  }
  return opened;
}

// Does the walk stand in the /proc/PID of the caller's own process?
bool PathWalker::InCallersProc() const {
  if (frames_.size() < 3 || !IsNumber(frames_[2].name) || !OnProcfs(Top())) return false;
  SysResult<RemoteTask::Status> status = task_.ReadStatus();
  return status.ok() && frames_[2].name == std::to_string(status->own_thread_group);
}

SysStatus PathWalker::Descend(OwnedFd fd, const std::string& name) {
  if (mount_ == nullptr && frames_.size() == 2) {
    SysStatus allowed = RefuseBrokersOwnProc(fd.get(), name);
    if (!allowed.ok()) return allowed;
  }
  frames_.push_back(Frame{std::move(fd), name});
  std::string rest;
  const MountView* here = session_.MountOfGuestPath(Position(), &rest);
  if (here == nullptr || here == mount_ || !rest.empty()) return Done{};
  return EnterMount(*here);
}

// "." and ".." are looked up like any name: may the directory be searched? (link_path_walk,
// fs/namei.c)
SysStatus PathWalker::CheckSearch() const {
  SysResult<OwnedFd> searched = OpenOutside(".", O_PATH);
  if (!searched.ok()) return Errno(searched.error());
  return Done{};
}

SysStatus PathWalker::GoUp() {
  if (SysStatus searched = CheckSearch(); !searched.ok()) return searched;
  if (frames_.size() > 1) {
    frames_.pop_back();
    return Done{};
  }
  if (mount_ == nullptr) return Done{};  // "/.." is "/"
  if (!base_.empty()) return GoUpFromBase();
  if (island_ != nullptr) return Refuse(EACCES, island_, "a link leads out of it by ..");
  // The caller's own "..", past real directories only: the same as if it had named the place
  // itself.
  const Mount& rules = mount_->rules->mount;
  std::string guest = mount_->rules->is_shared_memory ? rules.alias : rules.guest;
  SysStatus restarted = RestartAtSlash();
  if (restarted.ok()) QueueFront(guest.substr(0, guest.rfind('/')));
  return restarted;
}

// No frame holds the directory above: the kernel makes the step, and where it led is looked at
// afresh.
SysStatus PathWalker::GoUpFromBase() {
  SysResult<OwnedFd> above = OpenAt(Top(), "..", O_PATH | O_DIRECTORY);
  if (!above.ok()) return Errno(above.error());
  SysResult<std::string> path = PathOfDescriptor(above->get());
  const bool unnamed = !path.ok() && path.error() == ENAMETOOLONG;
  if (unnamed && mount_->hides()) return Errno(ENAMETOOLONG);
  if (unnamed) path = NearestPath(above->get());
  if (!path.ok()) return Errno(path.error());
  std::string rest;
  if (session_.MountOfRealPath(*path, &rest) != mount_) {
    return Refuse(EACCES, mount_, "a directory was moved out of it");
  }
  StandOn(*mount_, std::move(*above), unnamed ? kUnknownPlace : rest);
  return Done{};
}

SysStatus PathWalker::FollowLink(int link) {
  if (mount_ != nullptr && mount_->root.rules().no_symlinks) {
    return Refuse(ELOOP, mount_, "symlinks = \"none\"");
  }
  if (mount_ != nullptr && island_ == nullptr && !looks_up_) island_ = mount_;
  SysResult<std::string> target = ReadLinkAt(link, "");
  if (!target.ok()) return Errno(target.error());
  if (target->empty()) return Errno(ENOENT);
  if (queue_.empty() && EndsWithSlash(*target)) wants_directory_ = true;
  const bool absolute = target->front() == '/';
  // No link is in a mount's own path. By name the walk comes home past a mount that lies around it;
  // component by component it would have to enter that one.
  std::string rest;
  if (absolute && island_ != nullptr && session_.LeadsInto(*island_, *target, &rest)) {
    QueueFront(rest);
    return EnterMount(*island_);
  }
  QueueFront(*target);
  return absolute ? RestartAtSlash() : SysStatus(Done{});
}

// /proc/TID/fd/N, cwd, root, exe: the kernel alone knows what they mean, and lets the broker follow
// only those of its own session (ptrace access, limited by Landlock). A link in a mount may not
// lead through one.
SysStatus PathWalker::FollowMagicLink(const std::string& name, bool last) {
  if (island_ != nullptr) return Refuse(EACCES, island_, "a link leads to a magic link");
  if (!magic_links_) return Errno(ELOOP);
  SysResult<OwnedFd> target = OpenOutside(name, O_PATH);
  if (!target.ok()) return Errno(target.error());
  SysResult<std::string> path = PathOfDescriptor(target->get());
  if (!path.ok()) return Errno(path.error());
  std::string rest;
  const MountView* mount = session_.MountOfRealPath(*path, &rest);
  SysResult<FileIdentity> info = Identify(target->get());
  if (!info.ok()) return Errno(info.error());
  const bool foreign = session_.IsForeign(*info);
  if (foreign) mount = nullptr;
  if (mount != nullptr && !looks_up_) {
    SysResult<bool> same_device = mount->root.OnSameDevice(target->get());
    if (!same_device.ok()) return Errno(same_device.error());
    if (!*same_device) return Refuse(EXDEV, mount, "behind a mount point inside it (cross_device)");
  }
  if (last) {
    mount_ = mount;
    through_descriptor_ = true;
    descriptor_ = CallersDescriptor(name);
    frames_.clear();
    frames_.push_back(Frame{std::move(*target), ""});
    return Done{};
  }
  if (!S_ISDIR(info->mode) || path->empty() || path->front() != '/') return Errno(ENOTDIR);
  if (foreign) return Refuse(EACCES, nullptr, "a directory that is not in the session's view");
  if (mount != nullptr) {
    StandOn(*mount, std::move(*target), std::move(rest));
    return Done{};
  }
  QueueFront(*path);
  return RestartAtSlash();
}

// Only a "." may be left: no name will be looked up in what is reached next.
bool PathWalker::NothingBelow() const {
  return queue_.empty() || (queue_.size() == 1 && queue_.front() == ".");
}

SysStatus PathWalker::EnterMount(const MountView& mount) {
  if (island_ != nullptr && island_ != &mount) {
    return Refuse(EACCES, island_, "a link leads to another mount");
  }
  SysResult<OwnedFd> root = Duplicate(mount.root.fd());
  if (!root.ok()) return Errno(root.error());
  StandOn(mount, std::move(*root), "");
  return Done{};
}

SysStatus PathWalker::RestartAtSlash() {
  SysResult<OwnedFd> slash = OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  if (!slash.ok()) return Errno(slash.error());
  mount_ = nullptr;
  frames_.clear();
  frames_.push_back(Frame{std::move(*slash), ""});
  return Done{};
}

SysStatus PathWalker::CheckIsland() const {
  if (island_ != nullptr && mount_ != island_) {
    return Refuse(EACCES, island_, "a link leads out of it");
  }
  return Done{};
}

Errno PathWalker::Refuse(int error, const MountView* mount, const char* why) const {
  return refusal_.Note(error, mount != nullptr ? "mount " + mount->guest() + ": " + why : why);
}

// N when the walk stands in the caller's own /proc/PID/fd and `name` is N, else -1.
int PathWalker::CallersDescriptor(const std::string& name) const {
  if (frames_.size() < 4 || frames_.back().name != "fd" || !IsNumber(name) || name.size() > 9) {
    return -1;
  }
  return InCallersProc() ? std::stoi(name) : -1;
}

// "self" means the caller, not the broker that walks for it (trap 29).
bool PathWalker::ExpandProcSelf(const std::string& name) {
  if (mount_ != nullptr || frames_.size() != 2 || (name != "self" && name != "thread-self")) {
    return false;
  }
  if (!any_links_ || !OnProcfs(Top())) return false;
  SysResult<RemoteTask::Status> status = task_.ReadStatus();
  const std::string group = std::to_string(status.ok() ? status->own_thread_group : 0);
  const std::string thread = std::to_string(status.ok() ? status->own_thread : 0);
  QueueFront(name == "self" ? group : group + "/task/" + thread);
  return true;
}

// The kernel lets the broker look at itself; nobody else may look at it through it.
SysStatus PathWalker::RefuseBrokersOwnProc(int fd, const std::string& name) const {
  // Where the process ids are the session's own, the broker has none.
  if (session_.process_ids() >= 0 || !IsNumber(name) || !OnProcfs(fd)) return Done{};
  SysResult<std::string> status = ReadSmallFile(fd, "status", 4096);
  if (!status.ok()) return Errno(status.error());
  std::string own = "\nTgid:\t" + std::to_string(getpid()) + "\n";
  if (status->find(own) != std::string::npos) {
    return Refuse(EACCES, nullptr, "the broker's own /proc");
  }
  return Done{};
}

std::string PathWalker::Position() const {
  std::string position = mount_ != nullptr ? mount_->guest() : "";
  if (mount_ != nullptr && !base_.empty()) position += "/" + base_;
  for (size_t i = 1; i < frames_.size(); ++i) position += "/" + frames_[i].name;
  return position.empty() ? "/" : position;
}

void PathWalker::QueueFront(const std::string& path) {
  std::vector<std::string> components = PathComponents(path);
  queue_.insert(queue_.begin(), std::make_move_iterator(components.begin()),
                std::make_move_iterator(components.end()));
}

}  // namespace sessionctl
