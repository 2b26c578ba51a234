// Where directories lie, remembered from one call to the next: in which mount, and where below its
// root. Nothing that is remembered is believed: the kernel is asked whether that path, resolved
// from the mount's root, still ends at that very directory. That is one openat2(2), where reading
// the paths of the directory and of all roots is several walks through /proc. One object a thread.
#ifndef SUPERVISOR_MEDIATOR_KNOWN_PLACES_H_
#define SUPERVISOR_MEDIATOR_KNOWN_PLACES_H_

#include <array>
#include <cstddef>
#include <string>

#include "sandbox/mount_root.h"
#include "supervisor/mediator/session_view.h"

namespace sessionctl {

class KnownPlaces {
 public:
  // The calling thread's.
  static KnownPlaces& OfThisThread();

  // Finds `directory`, which is open and named. nullptr: not known, or not there any more; else the
  // mount, and `*below` is the path below its root.
  const MountView* Find(const SessionView& session, const FileIdentity& directory,
                        std::string* below) const;
  void Remember(const SessionView& session, const FileIdentity& directory, const MountView* mount,
                const std::string& below);

 private:
  struct Entry {
    const MountView* mount = nullptr;
    FileIdentity directory;
    std::string below;
  };

  std::array<Entry, 4> entries_;
  size_t next_ = 0;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_KNOWN_PLACES_H_
