// What a broker holds of its session: the policy, the mounts' roots, /proc. Immutable: any thread.
// Mounts that come or go while the session runs make another one of it, which shares what both
// have; a call keeps the one that it began with.
#ifndef SUPERVISOR_MEDIATOR_SESSION_VIEW_H_
#define SUPERVISOR_MEDIATOR_SESSION_VIEW_H_

#include <sys/stat.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/policy_compiler.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/credentials.h"
#include "sandbox/mount_root.h"
#include "supervisor/mediator/mount_quota.h"
#include "supervisor/mediator/overlay_limit.h"

namespace sessionctl {

// A mount as the mediator sees it: its rules and its held directory.
struct MountView {
  const CompiledMount* rules;
  MountRoot root;
  std::shared_ptr<MountQuota> quota;      // null: no limit
  std::shared_ptr<OverlayLimit> overlay;  // likewise
  bool is_outermost = false;              // lies in no other mount

  const std::string& guest() const { return rules->mount.guest; }
  // Must every object be looked at by its real path, because a rule depends on it?
  bool has_path_rules() const {
    return !rules->deny.empty() || !rules->read_only.empty() || hides();
  }
  bool hides() const { return !rules->hide.empty(); }
};

// What d_path writes behind the path of an unlinked object. A name may end so, too.
inline constexpr std::string_view kDeletedSuffix = " (deleted)";

// `path` is `root` or lies below it; then `rest` is the remainder without a leading slash.
bool PathIsWithin(std::string_view path, std::string_view root, std::string_view* rest);

class SessionView {
 public:
  // Opens every mount's root. `policy` must outlive the view. `proc`: the /proc in which the broker
  // finds itself; invalid: that in the file system. `process_ids`: the session's process id
  // namespace, -1: the broker's own; must stay open. `uppers`: the upper directories of overlays
  // that have limits, by the mount's path in the view.
  static absl::StatusOr<SessionView> Create(const CompiledPolicy& policy, OwnedFd proc = {},
                                            int process_ids = -1,
                                            std::map<std::string, OwnedFd> uppers = {});

  // The same with a mount that has been given since, in a private view; `root` is its root, mounted
  // by now. It has no limits. Errors: those of MountRoot, kInternal.
  absl::StatusOr<SessionView> With(CompiledMount mount, OwnedFd root) const;
  // The same without the mount at that path, which was given later and may be gone already. What is
  // held in the mount that `root` is the root of is foreign from then on.
  absl::StatusOr<SessionView> Without(const std::string& guest, int root) const;

  const CompiledPolicy& policy() const { return *policy_; }
  const std::vector<MountView>& mounts() const { return mounts_; }  // longest guest path first
  int proc() const { return proc_->get(); }
  int process_ids() const { return process_ids_; }
  // Was it opened in another view than the session's private one, or in a mount that has been taken
  // off (a descriptor of the caller's that was left open)? Its path, as the kernel tells it, then
  // means nothing in this one.
  bool IsForeign(const FileIdentity& object) const;
  // The number that the broker has for the task which a process of the session means by `number`
  // (> 0). Errors: ESRCH.
  SysResult<pid_t> TaskOf(pid_t number) const;
  // The broker's, once it has given up what it does not keep.
  const FileCredentials& own_credentials() const { return own_credentials_; }
  void SetOwnCredentials(FileCredentials own) { own_credentials_ = std::move(own); }
  // The host's fs.protected_regular and fs.protected_fifos when the session began.
  int protected_regular() const { return protected_regular_; }
  int protected_fifos() const { return protected_fifos_; }

  // Does it lie in the kernel's own memory file system (memfd_create(2)), where nothing has a name?
  bool IsUnnamedMemory(const struct stat& info) const { return info.st_dev == memory_device_; }

  bool HasQuotas() const;
  // Looks at what the session has added to its mounts. The mount to which it is far too much; null:
  // none.
  const MountView* ExceededMount() const;

  // Do two objects belong to one user? In a user namespace all users but the session's own look
  // alike (the overflow id), and are taken for different ones.
  bool HaveOneOwner(const struct stat& one, const struct stat& other) const;

  // fs.protected_symlinks (proc_sys_fs(5)): may a link that is followed by hand, not by the kernel,
  // be followed? `link` stands in `directory`.
  bool MayFollowLink(int directory, const struct stat& link) const;

  // The mount that a real path (of an open object) lies in now, and the rest below its root;
  // nullptr for none. Asks the kernel where each root is, so a replaced or moved mount directory
  // does not mislead it.
  const MountView* MountOfRealPath(const std::string& path, std::string* rest) const;
  // The mount whose guest path (or its alias) is a prefix of `path`, by name only.
  const MountView* MountOfGuestPath(std::string_view path, std::string* rest) const;
  // Is a link's absolute target in `mount` by name, however it is spelled? The rest below its root.
  bool LeadsInto(const MountView& mount, const std::string& target, std::string* rest) const;
  // Does another mount begin below `mount`? Below any of them?
  bool HasNestedMounts(const MountView& mount) const;
  bool has_nested_mounts() const { return has_nested_mounts_; }

 private:
  explicit SessionView(const CompiledPolicy& policy) : policy_(&policy) {}

  // But for the mount of that id, and those in it; 0: none.
  absl::Status ReadOwnMounts(uint64_t without = 0);
  void Judge(std::shared_ptr<const CompiledPolicy> policy);

  const CompiledPolicy* policy_;
  std::shared_ptr<const CompiledPolicy> own_policy_;  // null: somebody else's
  std::vector<MountView> mounts_;                     // in the policy's order
  std::shared_ptr<const OwnedFd> proc_;
  int process_ids_ = -1;
  std::vector<uint64_t> own_mounts_;  // their ids, sorted; empty: the view is the host's
  FileCredentials own_credentials_;
  dev_t memory_device_ = 0;
  bool has_nested_mounts_ = false;
  bool roots_stay_ = false;  // outermost mounts are where their guest paths say
  int protected_regular_ = 0;
  int protected_fifos_ = 0;
  int protected_symlinks_ = 0;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_SESSION_VIEW_H_
