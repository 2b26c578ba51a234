// May so many more sessions be started? A pure decision on what the machine says, so that a burst
// is refused with a reason instead of making everything else fail.
#ifndef FLEET_ADMISSION_H_
#define FLEET_ADMISSION_H_

#include <cstdint>

#include "absl/status/status.h"

namespace sessionctl {

inline constexpr int64_t kNoBound = INT64_MAX;

// What is left of each resource for us: the smallest of all bounds that are known.
struct MachineRoom {
  int64_t memory = kNoBound;       // bytes: MemAvailable, memory.max of our cgroups
  int64_t pids = kNoBound;         // pid_max, threads-max, RLIMIT_NPROC, pids.max of our cgroups
  int64_t descriptors = kNoBound;  // our own RLIMIT_NOFILE
  int64_t files = kNoBound;        // fs.file-max
};

// Reads /proc and the cgroup file system. What cannot be read bounds nothing.
MachineRoom LookAtMachine();

struct AdmissionLimits {
  int max_sessions = 0;
};

// What a session costs at least: broker, monitor, command, without what the command itself uses.
inline constexpr int64_t kSessionMemory = int64_t{4} << 20;
inline constexpr int64_t kSessionPids = 12;
inline constexpr int64_t kSessionFiles = 64;  // open files of all its processes
inline constexpr int64_t kSpareMemory = int64_t{64} << 20;
inline constexpr int64_t kSparePids = 64;
inline constexpr int64_t kSpareDescriptors = 64;  // connections, the store, the log

// `alive`: sessions that live or are being started; `count`: how many more. Errors:
// kResourceExhausted, whose message begins with the resource: "configured maximum", "memory",
// "pids", "descriptors".
absl::Status DecideAdmission(const MachineRoom& room, const AdmissionLimits& limits, int alive,
                             int starting, int count);

}  // namespace sessionctl

#endif  // FLEET_ADMISSION_H_
