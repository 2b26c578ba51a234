#include "supervisor/mediator/session_view.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/namespaces.h"
#include "supervisor/mediator/path_parts.h"

namespace sessionctl {
namespace {

constexpr size_t kMaxMounts = size_t{4} << 20;  // of mountinfo

// A small number below /proc; 0 when it is not there.
int ReadSysctl(int proc, const char* name) {
  SysResult<std::string> text = ReadSmallFile(proc, name, 16);
  return text.ok() ? atoi(text->c_str()) : 0;
}

bool WasRemoved(int directory) {
  SysResult<struct stat> info = Fstat(directory);
  return !info.ok() || info->st_nlink == 0;
}

std::unique_ptr<MountQuota> MakeQuota(const Mount& mount, int proc, pid_t reaper) {
  // What is written to files that have lost their names is in no directory: it is counted here.
  if (mount.overlay_size != kUnlimited) {
    return std::make_unique<MountQuota>(mount.overlay_size, kUnlimited, proc, ENOSPC, reaper);
  }
  if (mount.max_bytes == kUnlimited && mount.max_files == kUnlimited) return nullptr;
  return std::make_unique<MountQuota>(mount.max_bytes, mount.max_files, proc, EDQUOT, reaper);
}

std::unique_ptr<OverlayLimit> MakeLimit(const Mount& mount,
                                        std::map<std::string, OwnedFd>& uppers) {
  const auto upper = uppers.find(mount.guest);
  if (upper == uppers.end()) return nullptr;
  return std::make_unique<OverlayLimit>(std::move(upper->second), mount.overlay_size,
                                        mount.overlay_inodes);
}

// The ids in `mountinfo` (proc_pid_mountinfo(5): a mount's id, its parent's, …), sorted, without
// `root` and what is mounted below it.
std::vector<uint64_t> MountsApart(const std::string& mountinfo, uint64_t root) {
  std::map<uint64_t, uint64_t> parents;
  for (const absl::string_view line : absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    const std::string text(line);
    char* rest = nullptr;
    const uint64_t id = strtoull(text.c_str(), &rest, 10);
    parents[id] = strtoull(rest, nullptr, 10);
  }
  std::vector<uint64_t> apart;
  for (const auto& [id, parent] : parents) {
    uint64_t at = id;
    for (size_t steps = 0; at != root && steps < parents.size(); ++steps) {
      const auto above = parents.find(at);
      if (above == parents.end() || above->second == at) break;
      at = above->second;
    }
    if (at != root) apart.push_back(id);
  }
  return apart;
}

}  // namespace

bool PathIsWithin(std::string_view path, std::string_view root, std::string_view* rest) {
  if (root.empty() || path.substr(0, root.size()) != root) return false;
  path.remove_prefix(root.size());
  if (path.empty() || root == "/") {
    *rest = path;
    return true;
  }
  if (path.front() != '/') return false;
  *rest = path.substr(1);
  return true;
}

absl::StatusOr<SessionView> SessionView::Create(const CompiledPolicy& policy, OwnedFd proc,
                                                int process_ids,
                                                std::map<std::string, OwnedFd> uppers) {
  SessionView view(policy);
  if (!proc.valid()) {
    SysResult<OwnedFd> opened = OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY);
    if (!opened.ok()) {
      return absl::FailedPreconditionError(absl::StrCat("/proc: ", strerror(opened.error())));
    }
    proc = std::move(*opened);
  }
  view.proc_ = std::make_shared<const OwnedFd>(std::move(proc));
  view.process_ids_ = process_ids;
  if (absl::Status read = view.ReadOwnMounts(); !read.ok()) return read;
  view.protected_regular_ = ReadSysctl(view.proc(), "sys/fs/protected_regular");
  view.protected_symlinks_ = ReadSysctl(view.proc(), "sys/fs/protected_symlinks");
  view.protected_fifos_ = ReadSysctl(view.proc(), "sys/fs/protected_fifos");
  OwnedFd memory(memfd_create("where memory is", MFD_CLOEXEC));
  SysResult<struct stat> memory_info = Fstat(memory.get());
  if (memory_info.ok()) view.memory_device_ = memory_info->st_dev;
  // The first process of the session's ids is not in the broker's Landlock domain.
  const SysResult<pid_t> first = process_ids < 0 ? Errno(ESRCH) : view.TaskOf(1);
  const pid_t reaper = first.ok() ? *first : 0;
  for (const CompiledMount& mount : policy.mounts) {
    MountRoot::Rules rules = {.no_symlinks = mount.mount.symlinks == SymlinkRule::kNone,
                              .cross_device = mount.mount.cross_device};
    absl::StatusOr<MountRoot> root = MountRoot::Open(mount.mount.host, rules);
    if (!root.ok()) return root.status();
    std::shared_ptr<MountQuota> quota = MakeQuota(mount.mount, view.proc(), reaper);
    view.mounts_.push_back(
        MountView{&mount, *std::move(root), std::move(quota), MakeLimit(mount.mount, uppers)});
  }
  view.Judge(nullptr);
  return view;
}

absl::Status SessionView::ReadOwnMounts(uint64_t without) {
  own_mounts_.clear();
  if (!policy_->view.is_private) return absl::OkStatus();
  SysResult<std::string> mounts = ReadSmallFile(proc(), "self/mountinfo", kMaxMounts);
  if (!mounts.ok()) {
    return absl::InternalError(absl::StrCat("mountinfo: ", strerror(mounts.error())));
  }
  own_mounts_ = MountsApart(*mounts, without);
  return absl::OkStatus();
}

// By `policy` from now on; null: by the one it has.
void SessionView::Judge(std::shared_ptr<const CompiledPolicy> policy) {
  if (policy != nullptr) {
    own_policy_ = std::move(policy);
    policy_ = own_policy_.get();
    for (size_t i = 0; i < mounts_.size(); ++i) mounts_[i].rules = &policy_->mounts[i];
  }
  has_nested_mounts_ = std::any_of(mounts_.begin(), mounts_.end(), [this](const MountView& mount) {
    return HasNestedMounts(mount);
  });
  for (MountView& mount : mounts_) {
    mount.is_outermost =
        std::none_of(mounts_.begin(), mounts_.end(), [&mount](const MountView& other) {
          std::string_view below;
          return &other != &mount && PathIsWithin(mount.guest(), other.guest(), &below);
        });
  }
  // With `reserve` a mount may be taken off while a call is in it, and around one that lies in a
  // tree of the host's directories may be moved.
  const bool in_a_tree =
      std::any_of(mounts_.begin(), mounts_.end(), [this](const MountView& mount) {
        return std::any_of(policy_->system.begin(), policy_->system.end(),
                           [&mount](const SystemGrant& grant) {
                             std::string_view below;
                             return PathIsWithin(mount.guest(), grant.path, &below);
                           });
      });
  roots_stay_ = policy_->view.is_private && !policy_->policy.filesystem.reserve && !in_a_tree;
}

absl::StatusOr<SessionView> SessionView::With(CompiledMount mount, OwnedFd root) const {
  const MountRoot::Rules rules = {.no_symlinks = mount.mount.symlinks == SymlinkRule::kNone,
                                  .cross_device = mount.mount.cross_device};
  absl::StatusOr<MountRoot> held = MountRoot::Take(mount.mount.guest, std::move(root), rules);
  if (!held.ok()) return held.status();
  SessionView view = *this;
  auto policy = std::make_shared<CompiledPolicy>(*policy_);
  const auto shorter = std::find_if(policy->mounts.begin(), policy->mounts.end(),
                                    [&mount](const CompiledMount& other) {
                                      return other.mount.guest.size() < mount.mount.guest.size();
                                    });
  view.mounts_.insert(view.mounts_.begin() + (shorter - policy->mounts.begin()),
                      MountView{nullptr, *std::move(held), nullptr, nullptr});
  policy->mounts.insert(shorter, std::move(mount));
  view.Judge(std::move(policy));
  if (absl::Status read = view.ReadOwnMounts(); !read.ok()) return read;
  return view;
}

absl::StatusOr<SessionView> SessionView::Without(const std::string& guest, int root) const {
  SysResult<FileIdentity> identity = Identify(root);
  if (!identity.ok()) return absl::ErrnoToStatus(identity.error(), guest);
  SessionView view = *this;
  auto policy = std::make_shared<CompiledPolicy>(*policy_);
  const auto gone =
      std::find_if(policy->mounts.begin(), policy->mounts.end(),
                   [&guest](const CompiledMount& each) { return each.mount.guest == guest; });
  if (gone != policy->mounts.end()) {
    view.mounts_.erase(view.mounts_.begin() + (gone - policy->mounts.begin()));
    policy->mounts.erase(gone);
    view.Judge(std::move(policy));
  }
  if (absl::Status read = view.ReadOwnMounts(identity->mount_id); !read.ok()) return read;
  return view;
}

bool SessionView::IsForeign(const FileIdentity& object) const {
  return !own_mounts_.empty() &&
         !std::binary_search(own_mounts_.begin(), own_mounts_.end(), object.mount_id);
}

SysResult<pid_t> SessionView::TaskOf(pid_t number) const {
  if (process_ids_ < 0) return number;
  return TranslateProcessId(process_ids_, number);
}

bool SessionView::HasQuotas() const {
  return std::any_of(mounts_.begin(), mounts_.end(), [](const MountView& mount) {
    return mount.quota != nullptr || mount.overlay != nullptr;
  });
}

const MountView* SessionView::ExceededMount() const {
  const MountView* exceeded = nullptr;
  for (const MountView& mount : mounts_) {
    if (mount.quota != nullptr && mount.quota->LookAndJudge()) exceeded = &mount;
    if (mount.overlay != nullptr && mount.overlay->LookAndJudge()) exceeded = &mount;
  }
  return exceeded;
}

bool SessionView::HaveOneOwner(const struct stat& one, const struct stat& other) const {
  const bool others_look_alike = policy_->view.as_user || policy_->ipc == IpcPlan::kUserNamespace;
  return one.st_uid == other.st_uid && (!others_look_alike || one.st_uid == CurrentFileUser());
}

bool SessionView::MayFollowLink(int directory, const struct stat& link) const {
  if (protected_symlinks_ == 0 || link.st_uid == CurrentFileUser()) return true;
  constexpr mode_t kSharedSticky = S_ISVTX | S_IWOTH;
  SysResult<struct stat> info = Fstat(directory);
  if (!info.ok()) return false;
  return (info->st_mode & kSharedSticky) != kSharedSticky || HaveOneOwner(*info, link);
}

const MountView* SessionView::MountOfRealPath(const std::string& path, std::string* rest) const {
  const MountView* best = nullptr;
  size_t best_length = 0;
  // Where roots stay, what is outermost stands in a root that nobody can change, and others in it.
  // But it can be removed.
  const bool roots_stay = roots_stay_ && !path.ends_with(kDeletedSuffix);
  const auto holds = [&path](const MountView& mount) {
    std::string_view below;
    return mount.is_outermost && PathIsWithin(path, mount.guest(), &below);
  };
  if (roots_stay && std::none_of(mounts_.begin(), mounts_.end(), holds)) return nullptr;
  for (const MountView& mount : mounts_) {
    const bool stays = roots_stay && mount.is_outermost;
    SysResult<std::string> root = stays ? mount.guest() : mount.root.CurrentPath();
    std::string_view below;
    if (!root.ok() || root->size() < best_length || !PathIsWithin(path, *root, &below)) continue;
    if (*root == "/") continue;  // no mount is there: it is one that was just taken off
    if (root->ends_with(kDeletedSuffix) && WasRemoved(mount.root.fd())) continue;
    best = &mount;
    best_length = root->size();
    rest->assign(below);
  }
  return best;
}

const MountView* SessionView::MountOfGuestPath(std::string_view path, std::string* rest) const {
  for (const MountView& mount : mounts_) {
    std::string_view below;
    if (PathIsWithin(path, mount.guest(), &below) ||
        PathIsWithin(path, mount.rules->mount.alias, &below)) {
      rest->assign(below);
      return &mount;
    }
  }
  return nullptr;
}

bool SessionView::LeadsInto(const MountView& mount, const std::string& target,
                            std::string* rest) const {
  return MountOfGuestPath(NormalizeUntilDotDot(target), rest) == &mount;
}

bool SessionView::HasNestedMounts(const MountView& mount) const {
  for (const MountView& other : mounts_) {
    std::string_view below;
    if (&other != &mount && PathIsWithin(other.guest(), mount.guest(), &below)) return true;
  }
  return false;
}

}  // namespace sessionctl
