#include "policy/limit_plan.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "policy/quantity.h"

namespace sessionctl {
namespace {

constexpr int64_t kCpuPeriod = 100'000;  // microseconds, as cpu.max has it by default
// The kernel ends a process that the broker should have ended long ago.
constexpr uint64_t kCpuTimeSlack = 5;  // seconds

struct KernelLimit {
  const char* name;
  int64_t LimitsPolicy::*amount;
  int resource;
  bool bytes;
  const char* effect;
};

constexpr KernelLimit kKernelLimits[] = {
    {"open_files", &LimitsPolicy::open_files, RLIMIT_NOFILE, false, "EMFILE, each process"},
    {"file_size", &LimitsPolicy::file_size, RLIMIT_FSIZE, true, "SIGXFSZ and EFBIG, each file"},
    {"core", &LimitsPolicy::core, RLIMIT_CORE, true, "no larger core dump"},
    {"stack", &LimitsPolicy::stack, RLIMIT_STACK, true, "SIGSEGV, each main thread"},
};

class Planner {
 public:
  Planner(const LimitsPolicy& limits, const CgroupFeatures& cgroup)
      : limits_(limits), cgroup_(cgroup) {
    plan_.watch.grace = limits.grace;
  }

  LimitPlan Plan(std::string* unheld) {
    PlanMemory();
    PlanPids();
    PlanCpu(unheld);
    PlanTime("cpu_time", limits_.cpu_time, &plan_.watch.cpu_time);
    PlanTime("wall_time", limits_.wall_time, &plan_.watch.wall_time);
    PlanTime("idle_time", limits_.idle_time, &plan_.watch.idle_time);
    if (limits_.cpu_time != kUnlimited) {
      const auto seconds = static_cast<uint64_t>((limits_.cpu_time + 999) / 1000);
      plan_.resources.push_back({RLIMIT_CPU, seconds + kCpuTimeSlack});
    }
    if (limits_.output != kUnlimited) {
      plan_.output = limits_.output;
      Add("output", FormatSize(limits_.output), static_cast<double>(limits_.output),
          LimitHolder::kPipe, "ends the session; not one byte more passes");
    }
    PlanKernelLimits();
    plan_.has_cgroup = cgroup_.usable && !plan_.limits.empty();
    return std::move(plan_);
  }

 private:
  void Add(const char* name, std::string text, double value, LimitHolder holder,
           const char* effect) {
    plan_.limits.push_back({name, std::move(text), value, holder, effect});
  }

  void PlanMemory() {
    const int64_t limit = limits_.memory;
    if (limit == kUnlimited) return;
    if (cgroup_.usable && cgroup_.memory) {
      plan_.cgroup.push_back({"memory.max", absl::StrCat(limit)});
      plan_.cgroup.push_back({"memory.swap.max", "0", true});
      plan_.cgroup.push_back({"memory.oom.group", "1", true});
      Add("memory", FormatSize(limit), static_cast<double>(limit), LimitHolder::kCgroup,
          "ends the session");
      return;
    }
    plan_.watch.memory = limit;
    plan_.resources.push_back({RLIMIT_DATA, static_cast<uint64_t>(limit)});
    Add("memory", FormatSize(limit), static_cast<double>(limit), LimitHolder::kWatcher,
        "ENOMEM for one process (RLIMIT_DATA), ends the session for all together");
  }

  void PlanPids() {
    const int64_t limit = limits_.pids;
    if (limit == kUnlimited) return;
    const bool exact = cgroup_.usable && cgroup_.pids;
    if (exact) {
      plan_.cgroup.push_back({"pids.max", absl::StrCat(limit)});
    } else {
      plan_.watch.pids = limit;
    }
    Add("pids", absl::StrCat(limit), static_cast<double>(limit),
        exact ? LimitHolder::kCgroup : LimitHolder::kWatcher,
        exact ? "EAGAIN" : "ends the session");
  }

  void PlanCpu(std::string* unheld) {
    if (limits_.cpu == 0) return;
    const std::string text = absl::StrCat(limits_.cpu);
    if (!cgroup_.usable) {
      *unheld = absl::StrCat("limits.cpu: nothing here can hold it (", cgroup_.directory, ")");
    } else if (cgroup_.cpu) {
      const auto quota = static_cast<int64_t>(std::ceil(limits_.cpu * kCpuPeriod));
      plan_.cgroup.push_back(
          {"cpu.max", absl::StrCat(std::max<int64_t>(quota, 1000), " ", kCpuPeriod)});
      Add("cpu", text, limits_.cpu, LimitHolder::kCgroup, "the session waits");
    } else {
      plan_.watch.frozen_cpu = limits_.cpu;
      Add("cpu", text, limits_.cpu, LimitHolder::kFreezer, "the session is frozen for a while");
    }
  }

  void PlanTime(const char* name, int64_t limit, int64_t* watched) {
    if (limit == kUnlimited) return;
    *watched = limit;
    Add(name, FormatDuration(limit), static_cast<double>(limit) / 1000, LimitHolder::kWatcher,
        "ends the session");
  }

  void PlanKernelLimits() {
    for (const KernelLimit& each : kKernelLimits) {
      const int64_t amount = limits_.*each.amount;
      if (amount == kUnlimited) continue;
      Add(each.name, each.bytes ? FormatSize(amount) : absl::StrCat(amount),
          static_cast<double>(amount), LimitHolder::kRlimit, each.effect);
      plan_.resources.push_back({each.resource, static_cast<uint64_t>(amount)});
    }
  }

  const LimitsPolicy& limits_;
  const CgroupFeatures& cgroup_;
  LimitPlan plan_;
};

}  // namespace

const char* LimitHolderName(LimitHolder holder) {
  switch (holder) {
    case LimitHolder::kCgroup: return "cgroup";
    case LimitHolder::kRlimit: return "rlimit";
    case LimitHolder::kFreezer: return "freezer";
    case LimitHolder::kWatcher: return "watcher";
    case LimitHolder::kPipe: return "pipe";
  }
  return "?";
}

absl::StatusOr<LimitPlan> PlanLimits(const LimitsPolicy& limits, const CgroupFeatures& cgroup,
                                     std::vector<std::string>* missing) {
  std::string unheld;
  LimitPlan plan = Planner(limits, cgroup).Plan(&unheld);
  if (unheld.empty()) return plan;
  if (missing == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(unheld, "; [kernel] best_effort = true goes on without it"));
  }
  missing->push_back(unheld);
  return plan;
}

}  // namespace sessionctl
