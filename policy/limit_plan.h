// [limits] and the machine → who holds each limit, and what the kernel is told. Pure functions.
#ifndef POLICY_LIMIT_PLAN_H_
#define POLICY_LIMIT_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/policy.h"
#include "sandbox/cgroup.h"
#include "sandbox/kernel_features.h"
#include "sandbox/limits.h"

namespace sessionctl {

// What holds a limit.
enum class LimitHolder {
  kCgroup,   // the kernel, for the whole session
  kRlimit,   // the kernel, process by process (getrlimit(2))
  kFreezer,  // the broker, which stops the session's cgroup for a part of the time
  kWatcher,  // the broker, which looks and ends the session
  kPipe,     // the broker, through which the output passes
};
const char* LimitHolderName(LimitHolder holder);

struct PlannedLimit {
  std::string name;  // the key in [limits]
  std::string text;  // as a policy writes it: "512M", "10s", "64"
  double value = 0;  // bytes, seconds, a count, processors
  LimitHolder holder = LimitHolder::kRlimit;
  std::string effect;  // what happens at the limit, in words
};

// What the broker itself has to look at; kUnlimited (cpu: 0) for what somebody else holds.
struct WatchPlan {
  int64_t memory = kUnlimited;  // bytes
  int64_t pids = kUnlimited;
  double frozen_cpu = 0;          // processors, held by the freezer
  int64_t cpu_time = kUnlimited;  // milliseconds, like the others
  int64_t wall_time = kUnlimited;
  int64_t idle_time = kUnlimited;
  int64_t grace = 0;
};

struct LimitPlan {
  std::vector<PlannedLimit> limits;      // those that the policy sets, in the order of policy.md
  std::vector<ResourceLimit> resources;  // what the session's command starts with
  bool has_cgroup = false;               // the session gets one: with any limit, where it can
  std::vector<CgroupSetting> cgroup;
  WatchPlan watch;
  int64_t output = kUnlimited;
};

// Errors: kFailedPrecondition for a limit that nothing here can hold, unless `missing` is given,
// which then names it.
absl::StatusOr<LimitPlan> PlanLimits(const LimitsPolicy& limits, const CgroupFeatures& cgroup,
                                     std::vector<std::string>* missing);

}  // namespace sessionctl

#endif  // POLICY_LIMIT_PLAN_H_
