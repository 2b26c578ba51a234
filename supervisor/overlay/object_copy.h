// Copies objects of a layer into a staging directory, and sets what objects are like. Writes only
// beneath the directory that it is given, to names that are not there yet. Any thread; not between
// fork and exec.
#ifndef SUPERVISOR_OVERLAY_OBJECT_COPY_H_
#define SUPERVISOR_OVERLAY_OBJECT_COPY_H_

#include <functional>
#include <map>
#include <string>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "supervisor/overlay/entry.h"

namespace sessionctl {

// What can be set of an object without making it anew.
struct ObjectAttributes {
  mode_t mode = 0;  // permission bits
  uid_t uid = 0;
  gid_t gid = 0;
  timespec accessed{}, modified{};
  std::map<std::string, std::string> attributes;
};
ObjectAttributes AttributesOf(const LayerEntry& entry);

enum class KeepPrivileges {
  kNo,   // no set-user-ID or set-group-ID bit of a file, no file capabilities
  kYes,  // as they are
};
// The same without what would lend privileges. True: there was something.
bool DropPrivileges(mode_t type, ObjectAttributes* attributes);

// Makes the pinned object like that. With `times` false they are left alone. Errors: EPERM, ENOTSUP
// (a file system without such attributes), ESTALE (it is no directory, file, link or FIFO).
SysStatus SetAttributes(int pinned, const ObjectAttributes& wanted, bool times);

// Makes `name` in the directory a copy of the pinned object, and pins it. A file has its content,
// its holes are holes; a directory is empty. Attributes are not set yet: modes are 0600 and 0700.
// `stop` is asked between blocks. Errors: EEXIST, ENOTSUP (a socket or device), ESTALE, ECANCELED,
// ENOSPC.
SysResult<OwnedFd> CopyObject(int pinned, const LayerEntry& entry, int directory,
                              const std::string& name, const std::function<bool()>& stop);

// Removes everything in a pinned directory, whatever its modes and however deep; an object with
// what is in it. Crosses no link and no mount point. Errors: EPERM, EXDEV, ENOTDIR; a name that is
// absent is none.
SysStatus RemoveContents(int pinned);
SysStatus RemoveObject(int directory, const std::string& name);

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_OBJECT_COPY_H_
