#include "sandbox/open_inodes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

#include "sandbox/base/syscalls.h"
#include "sandbox/process_tree.h"

namespace sessionctl {
namespace {

constexpr size_t kMaxMaps = size_t{16} << 20;

bool IsGone(int error) { return error == ENOENT || error == ESRCH; }

// unix_show_fdinfo(): descriptors that wait in the socket's queue.
bool HoldsDescriptors(int proc, pid_t tid, const char* fd) {
  const std::string path = std::to_string(tid) + "/fdinfo/" + fd;
  SysResult<std::string> text = ReadSmallFile(proc, path.c_str(), 65536);
  if (!text.ok()) return !IsGone(text.error());
  const size_t at = text->find("scm_fds:");
  return at != std::string::npos && strtoul(text->c_str() + at + 8, nullptr, 10) > 0;
}

}  // namespace

OpenInodes::OpenInodes(int proc, const std::vector<pid_t>& pids) {
  for (const pid_t pid : pids) {
    bool has_memory = false;
    for (const pid_t tid : ThreadsOf(proc, pid)) {
      LookAtDescriptors(proc, tid);
      has_memory = has_memory || LookAtMappings(proc, tid);
    }
  }
}

void OpenInodes::LookAtDescriptors(int proc, pid_t tid) {
  SysResult<OwnedFd> fd =
      OpenAt(proc, (std::to_string(tid) + "/fd").c_str(), O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) {
    unknown_ = unknown_ || !IsGone(fd.error());
    return;
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> table(fdopendir(fd->get()), closedir);
  if (table == nullptr) return;
  fd->Release();
  while (const dirent* entry = readdir(table.get())) {
    if (entry->d_name[0] == '.') continue;
    struct stat info;
    if (fstatat(dirfd(table.get()), entry->d_name, &info, 0) != 0) {
      unknown_ = unknown_ || !IsGone(errno);
      continue;
    }
    open_.emplace(info.st_dev, info.st_ino);
    if (S_ISSOCK(info.st_mode) && HoldsDescriptors(proc, tid, entry->d_name)) unknown_ = true;
  }
}

bool OpenInodes::LookAtMappings(int proc, pid_t tid) {
  SysResult<std::string> text =
      ReadSmallFile(proc, (std::to_string(tid) + "/maps").c_str(), kMaxMaps);
  if (!text.ok()) {
    unknown_ = unknown_ || !IsGone(text.error());
    return false;
  }
  // "start-end perms offset major:minor inode path", proc_pid_maps(5).
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string skipped;
    ino_t inode = 0;
    if (fields >> skipped >> skipped >> skipped >> skipped >> inode && inode != 0) {
      mapped_.insert(inode);
    }
  }
  return !text->empty();
}

bool OpenInodes::MayHold(dev_t device, ino_t inode) const {
  return unknown_ || open_.contains({device, inode}) || mapped_.contains(inode);
}

}  // namespace sessionctl
