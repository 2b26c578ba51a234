#include "sandbox/limits.h"

#include <sys/resource.h>

#include <algorithm>

namespace sessionctl {

SysStatus ApplyResourceLimits(std::span<const ResourceLimit> limits) {
  for (const ResourceLimit& each : limits) {
    const auto resource = static_cast<__rlimit_resource>(each.resource);
    rlimit limit;
    if (getrlimit(resource, &limit) != 0) return LastErrno();
    limit.rlim_max = std::min(limit.rlim_max, static_cast<rlim_t>(each.value));
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(resource, &limit) != 0) return LastErrno();
  }
  return Done{};
}

}  // namespace sessionctl
