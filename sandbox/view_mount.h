// Adds a mount to a private view that is in use, and takes it off again. Nobody inside can: a
// Landlock domain takes mount(2) and its kind from whoever is in it. So it is done from outside, by
// a process that enters the view's namespaces for this one act and ends then: fork for it.
#ifndef SANDBOX_VIEW_MOUNT_H_
#define SANDBOX_VIEW_MOUNT_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "sandbox/private_view.h"

namespace sessionctl {

// The calling process, single-threaded and in the mount namespace that `entry.source` is a path of,
// enters the view and mounts the entry (kTree) at its path, which lies below `reserved`, the path
// of a kReserved entry of that view. Places that are missing there are made. No component of either
// path may be a link. `view`: its mount namespace. The caller owns that namespace's user namespace,
// or has CAP_SYS_ADMIN in it. `announce` gets the root of what will be there (O_PATH) just before
// it is: whoever keeps that can take it off again, however this process ends. Errors: kNotFound and
// kFailedPrecondition, with the path and what failed; nothing is mounted then.
absl::Status MountInView(int view, const std::string& reserved, const ViewEntry& entry,
                         const std::function<void(int root)>& announce);

// Likewise: takes off exactly the mount whose root is open as `root`, wherever it is by now, and
// removes the places that were made for `path`; one that was never there, or is gone, is no error.
// Descriptors that are open in it keep it alive; no path leads there any more.
absl::Status UnmountInView(int view, const std::string& reserved, const std::string& path,
                           int root);

}  // namespace sessionctl

#endif  // SANDBOX_VIEW_MOUNT_H_
