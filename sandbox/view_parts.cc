#include "sandbox/view_parts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {

absl::Status ViewError(const std::string& path, const char* what, int error) {
  const std::string text = absl::StrCat("private view: ", path, ": ", what, ": ", strerror(error));
  return error == ENOENT ? absl::NotFoundError(text) : absl::FailedPreconditionError(text);
}

uint64_t MountAttributes(const ViewEntry& entry) {
  uint64_t attributes = MOUNT_ATTR_NOSUID;
  if (entry.read_only) attributes |= MOUNT_ATTR_RDONLY;
  if (!entry.executable) attributes |= MOUNT_ATTR_NOEXEC;
  if (!entry.devices) attributes |= MOUNT_ATTR_NODEV;
  if (!entry.follows_links) attributes |= MOUNT_ATTR_NOSYMFOLLOW;
  return attributes;
}

SysResult<OwnedFd> NewFileSystem(const char* type, std::initializer_list<const char*> options,
                                 uint64_t attributes) {
  OwnedFd context(fsopen(type, FSOPEN_CLOEXEC));
  if (!context.valid()) return LastErrno();
  for (auto option = options.begin(); option != options.end(); option += 2) {
    if (fsconfig(context.get(), FSCONFIG_SET_STRING, option[0], option[1], 0) != 0) {
      return LastErrno();
    }
  }
  if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return LastErrno();
  OwnedFd mount(fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)));
  if (!mount.valid()) return LastErrno();
  return mount;
}

SysResult<OwnedFd> CloneTree(const ViewEntry& entry, bool* is_directory) {
  return CloneTreeFrom(AT_FDCWD, entry.source.c_str(), entry, is_directory);
}

SysResult<OwnedFd> CloneTreeFrom(int directory, const char* path, const ViewEntry& entry,
                                 bool* is_directory) {
  SysResult<OwnedFd> source =
      OpenAt2(directory, path, {.flags = O_PATH | O_CLOEXEC, .resolve = kResolveNoSymlinks});
  if (!source.ok()) return source;
  SysResult<struct stat> info = Fstat(source->get());
  if (!info.ok()) return Errno(info.error());
  *is_directory = S_ISDIR(info->st_mode);
  OwnedFd tree(open_tree(source->get(), "",
                         AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree.valid()) return LastErrno();
  mount_attr attributes = {};
  attributes.attr_set = MountAttributes(entry);
  if (mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                    sizeof(attributes)) != 0) {
    return LastErrno();
  }
  return tree;
}

}  // namespace sessionctl
