#include "supervisor/mediator/known_places.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace sessionctl {
namespace {

// Does the remembered path still lead to that directory, without any link?
bool IsStillThere(const MountView& mount, const FileIdentity& directory, const std::string& below) {
  SysResult<OwnedFd> now = mount.root.OpenBeneath(mount.root.fd(), below.c_str(),
                                                  O_PATH | O_DIRECTORY, 0, kResolveNoSymlinks);
  if (!now.ok()) return false;
  SysResult<FileIdentity> identity = Identify(now->get());
  return identity.ok() && identity->SameAs(directory);
}

}  // namespace

KnownPlaces& KnownPlaces::OfThisThread() {
  thread_local KnownPlaces places;
  return places;
}

const MountView* KnownPlaces::Find(const SessionView& session, const FileIdentity& directory,
                                   std::string* below) const {
  if (!S_ISDIR(directory.mode) || directory.links == 0) return nullptr;
  for (const MountView& mount : session.mounts()) {
    if (!mount.root.identity().SameAs(directory)) continue;
    below->clear();
    return &mount;
  }
  // A deeper mount may have come between the directory and the one that is remembered.
  if (session.has_nested_mounts()) return nullptr;
  for (const Entry& entry : entries_) {
    if (entry.mount == nullptr || !entry.directory.SameAs(directory)) continue;
    for (const MountView& mount : session.mounts()) {  // of this session?
      if (&mount != entry.mount || !IsStillThere(mount, directory, entry.below)) continue;
      *below = entry.below;
      return &mount;
    }
  }
  return nullptr;
}

void KnownPlaces::Remember(const SessionView& session, const FileIdentity& directory,
                           const MountView* mount, const std::string& below) {
  if (mount == nullptr || below.empty() || session.has_nested_mounts()) return;
  if (!S_ISDIR(directory.mode) || directory.links == 0) return;
  Entry* entry = nullptr;
  for (Entry& old : entries_) {
    if (old.directory.SameAs(directory)) entry = &old;
  }
  if (entry == nullptr) entry = &entries_[next_++ % entries_.size()];
  *entry = {.mount = mount, .directory = directory, .below = below};
}

}  // namespace sessionctl
