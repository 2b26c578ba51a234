// What is mounted where, as this process sees it (proc_pid_mountinfo(5)).
#ifndef POLICY_MOUNT_POINTS_H_
#define POLICY_MOUNT_POINTS_H_

#include <string>

namespace sessionctl {

// Is anything mounted below `directory` (canonical, not "/"), not counting what is mounted on
// itself? True when that cannot be found out.
bool HasMountPointBelow(const std::string& directory);

}  // namespace sessionctl

#endif  // POLICY_MOUNT_POINTS_H_
