// The places in which the areas of the matrix are run: a fresh tmpfs each, small, read-only or with
// few inodes where the area is about that, and with the kernel's settings that it is about. For
// limits that no tmpfs has: a btrfs in a file, with a quota and few links for each inode.
#ifndef TESTS_CONFORMANCE_SPECIAL_MOUNT_H_
#define TESTS_CONFORMANCE_SPECIAL_MOUNT_H_

#include <string>
#include <utility>
#include <vector>

namespace conformance {

inline constexpr char kAmong[] = "zz-another-mount";

struct Area {
  std::string name;
  std::string options = "";      // of the tmpfs, as mount(8) takes them
  unsigned long seal_flags = 0;  // MS_RDONLY and the like, once the scene is prepared
  std::vector<std::pair<std::string, std::string>> sysctls = {};  // below /proc/sys
  bool btrfs = false;
  std::string inner = "";        // a directory made beforehand, with a tmpfs of its own on it
  bool by_capabilities = false;  // only for who keeps capabilities
  bool among_mounts = false;     // of the session another mount lies inside this one, in kAmong
  bool on_scratch = false;  // no tmpfs, but whatever the machine has where scratch directories are

  bool special() const {
    return !options.empty() || seal_flags != 0 || !sysctls.empty() || btrfs || !inner.empty();
  }
};

const std::vector<Area>& Areas();

// What this machine lacks for the area; "" for nothing.
std::string WhatIsMissing(const Area& area);

// Takes a mount namespace for this process, once; nothing propagates out of it.
bool HaveOwnMountNamespace();

class SpecialMount {
 public:
  SpecialMount(const Area& area, const std::string& directory);
  ~SpecialMount();
  SpecialMount(const SpecialMount&) = delete;
  SpecialMount& operator=(const SpecialMount&) = delete;

  const std::string& error() const { return error_; }
  bool Seal();  // remounts with the area's flags

 private:
  void MountTmpfs();
  void MountBtrfs();
  void MountInner();

  const Area& area_;
  std::string directory_;
  std::string error_;
};

// Sets them, and puts back what was there.
class SysctlSetting {
 public:
  explicit SysctlSetting(const std::vector<std::pair<std::string, std::string>>& settings);
  ~SysctlSetting();
  SysctlSetting(const SysctlSetting&) = delete;
  SysctlSetting& operator=(const SysctlSetting&) = delete;

  const std::string& error() const { return error_; }

 private:
  std::vector<std::pair<std::string, std::string>> before_;
  std::string error_;
};

}  // namespace conformance

#endif  // TESTS_CONFORMANCE_SPECIAL_MOUNT_H_
