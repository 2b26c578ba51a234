#include "tests/conformance/special_mount.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"

namespace conformance {
namespace {

bool WriteSetting(const std::string& name, const std::string& value) {
  std::ofstream file("/proc/sys/" + name);
  file << value << std::flush;
  return file.good();
}

}  // namespace

const std::vector<Area>& Areas() {
  static const std::vector<Area>* const areas = new std::vector<Area>{
      {"Open"},
      {"OpenFlags"},
      {"Openat2"},
      {"Temporary"},
      {"Rename"},
      {"RenameFlags"},
      {"HardLink"},
      {"Symlink"},
      {"Directories"},
      {"Unlink"},
      {"Nodes"},
      {"Names"},
      {"Mode"},
      {"Ownership"},
      {"Truncate"},
      {"Timestamps"},
      {"ParentTimes"},
      {"Access"},
      {"Xattr"},
      {"Inheritance"},
      {"Sticky"},
      {"WorkingDirectory"},
      {"Data"},
      {"Locks"},
      {"Execution"},
      {"Watches"},
      {"MagicLinks"},
      {"Devices"},
      {"LinksUnprotected",
       "",
       0,
       {{"fs/protected_hardlinks", "0"},
        {"fs/protected_symlinks", "0"},
        {"fs/protected_regular", "0"},
        {"fs/protected_fifos", "0"}}},
      {"LinksProtected",
       "",
       0,
       {{"fs/protected_hardlinks", "1"},
        {"fs/protected_symlinks", "1"},
        {"fs/protected_regular", "2"},
        {"fs/protected_fifos", "2"}}},
      {"ReadOnlyMount", "", MS_RDONLY},
      {"NoExecMount", "", MS_NOEXEC | MS_NOSUID},
      {"FullDisk", "size=64k"},
      {"FewInodes", "nr_inodes=24"},
      {.name = "DiskLimits", .btrfs = true},
      {.name = "MountPoint", .options = "mode=0777", .inner = "inner"},
      {"InodeFlags", "size=4m"},
      {"AccessTimes", "size=4m", MS_STRICTATIME},
      {"Sweep", "size=16m"},
      {"Events"},
      {"Leases"},
      {"Acl"},
      {"NewerCalls"},
      {"Threads"},
      {.name = "Credentials", .by_capabilities = true},
      {.name = "CredentialsProtected",
       .sysctls = {{"fs/protected_hardlinks", "1"},
                   {"fs/protected_symlinks", "1"},
                   {"fs/protected_regular", "2"},
                   {"fs/protected_fifos", "2"}},
       .by_capabilities = true},
  };
  return *areas;
}

std::string WhatIsMissing(const Area& area) {
  if (!area.btrfs) return "";
  const std::string known = harness::ReadFile("/proc/filesystems");
  if (known.find("\tbtrfs\n") == std::string::npos) return "needs btrfs in the kernel: quotas";
  if (access("/dev/loop-control", F_OK) != 0) return "needs /dev/loop-control: a file as a disk";
  const harness::Outcome tool = harness::Run({.argv = {"/bin/sh", "-c", "command -v mkfs.btrfs"}});
  return tool.exit_code == 0 ? "" : "needs mkfs.btrfs (package btrfs-progs)";
}

bool HaveOwnMountNamespace() {
  static const bool have =
      unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  return have;
}

SpecialMount::SpecialMount(const Area& area, const std::string& directory)
    : area_(area), directory_(directory) {
  if (area_.on_scratch) return;
  area_.btrfs ? MountBtrfs() : MountTmpfs();
  if (error_.empty() && !area_.inner.empty()) MountInner();
}

void SpecialMount::MountTmpfs() {
  const std::string options = "mode=0755" + (area_.options.empty() ? "" : "," + area_.options);
  if (mount("conformance", directory_.c_str(), "tmpfs", 0, options.c_str()) != 0) {
    error_ = "mount -t tmpfs -o " + options + ": " + strerror(errno);
  }
}

// Without extended references, the names of one file must fit into one block: EMLINK soon.
void SpecialMount::MountBtrfs() {
  const std::string script =
      "set -e; dir=$1; img=$dir.img; truncate -s 128M $img; mkfs.btrfs -q -f -O ^extref $img;"
      "mount -o loop $img $dir; btrfs -q subvolume create $dir/limited; btrfs quota enable $dir;"
      "btrfs qgroup limit 512K $dir/limited; umount $dir; mount -o loop,subvol=limited $img $dir";
  const harness::Outcome made = harness::Run({.argv = {"/bin/sh", "-c", script, "sh", directory_}});
  if (made.exit_code != 0) error_ = made.out + made.err;
}

void SpecialMount::MountInner() {
  const std::string place = directory_ + "/" + area_.inner;
  harness::MakeDirectory(place);
  if (mount("inner", place.c_str(), "tmpfs", 0, "mode=0777") != 0) error_ = strerror(errno);
}

SpecialMount::~SpecialMount() {
  if (!area_.on_scratch) umount2(directory_.c_str(), MNT_DETACH);
}

bool SpecialMount::Seal() {
  if (area_.seal_flags == 0) return true;
  return mount(nullptr, directory_.c_str(), nullptr, MS_REMOUNT | MS_BIND | area_.seal_flags,
               nullptr) == 0;
}

SysctlSetting::SysctlSetting(const std::vector<std::pair<std::string, std::string>>& settings) {
  for (const auto& [name, value] : settings) {
    before_.emplace_back(name, harness::ReadFile("/proc/sys/" + name));
    if (!WriteSetting(name, value)) error_ += "cannot set " + name + "\n";
  }
}

SysctlSetting::~SysctlSetting() {
  for (const auto& [name, value] : before_) WriteSetting(name, value);
}

}  // namespace conformance
