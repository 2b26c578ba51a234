// The keys of [limits], and of the limits that a mount has (policy_keys.h).
#include <string>
#include <utility>
#include <vector>

#include "policy/key_makers.h"
#include "policy/policy_keys.h"
#include "policy/quantity.h"

namespace sessionctl {
namespace {

using P = SessionPolicy;

constexpr char kSizePattern[] = "^[0-9]+[KMGT]?$";

template <typename Field>
PolicyKey<P> SizeKey(std::string name, std::string description, Field field) {
  PolicyKey<P> key =
      AmountKey<P>("limits", std::move(name), std::move(description), ParseSize, FormatSize, field);
  key.check = CheckSize;
  key.pattern = kSizePattern;
  return key;
}

std::string CheckAmount(const std::string& text) {
  return ParseSize(text).value_or(1) == 0 ? "is nothing at all" : CheckSize(text);
}

// A size without which nothing runs.
PolicyKey<P> Positive(PolicyKey<P> key) {
  key.check = CheckAmount;
  return key;
}

PolicyKey<P> CpuKey() {
  PolicyKey<P> key = {
      "limits",
      "cpu",
      KeyType::kNumber,
      "Processors that all together use, as 0.5 or 2.",
      [](P* policy, const KeyValue& value) { policy->limits.cpu = std::get<double>(value); },
      [](const P& policy) -> KeyValue { return policy.limits.cpu; }};
  key.maximum = 4096;
  return key;
}

template <typename Field>
PolicyKey<Mount> MountSizeKey(std::string name, std::string description, Field field) {
  PolicyKey<Mount> key =
      AmountKey<Mount>("", std::move(name), std::move(description), ParseSize, FormatSize, field);
  key.check = CheckAmount;
  key.pattern = kSizePattern;
  return key;
}

}  // namespace

std::string CheckSize(const std::string& text) {
  const absl::StatusOr<int64_t> size = ParseSize(text);
  return size.ok() ? "" : std::string(size.status().message());
}

std::string CheckDuration(const std::string& text) {
  const absl::StatusOr<int64_t> duration = ParseDuration(text);
  if (!duration.ok()) return std::string(duration.status().message());
  return *duration == 0 ? "is no time at all" : "";
}

std::vector<PolicyKey<SessionPolicy>> LimitKeys() {
  return {
      Positive(SizeKey("memory", "Memory of all processes together.",
                       [](P& policy) -> int64_t& { return policy.limits.memory; })),
      IntegerKey<P>("limits", "pids", "Processes and threads.", 1, 1 << 22,
                    [](P& policy) -> int64_t& { return policy.limits.pids; }),
      CpuKey(),
      DurationKey<P>("limits", "cpu_time", "Processor time of all processes together.",
                     [](P& policy) -> int64_t& { return policy.limits.cpu_time; }),
      DurationKey<P>("limits", "wall_time", "From the start of the command.",
                     [](P& policy) -> int64_t& { return policy.limits.wall_time; }),
      DurationKey<P>("limits", "idle_time",
                     "Without output, mediated calls or a hundredth of a processor.",
                     [](P& policy) -> int64_t& { return policy.limits.idle_time; }),
      DurationKey<P>("limits", "grace",
                     "Between the signal at a limit of time and the end of all processes.",
                     [](P& policy) -> int64_t& { return policy.limits.grace; }),
      Positive(SizeKey("output", "Bytes of standard output and error.",
                       [](P& policy) -> int64_t& { return policy.limits.output; })),
      IntegerKey<P>("limits", "open_files", "Open descriptors of one process.", 3, 1 << 30,
                    [](P& policy) -> int64_t& { return policy.limits.open_files; }),
      SizeKey("file_size", "The size of one file that is written.",
              [](P& policy) -> int64_t& { return policy.limits.file_size; }),
      SizeKey("core", "The size of a core dump.",
              [](P& policy) -> int64_t& { return policy.limits.core; }),
      SizeKey("stack", "The stack of a process's main thread.",
              [](P& policy) -> int64_t& { return policy.limits.stack; }),
  };
}

std::vector<PolicyKey<Mount>> MountLimitKeys() {
  constexpr int64_t kMostFiles = int64_t{1} << 40;
  return {
      MountSizeKey("max_bytes", "Bytes that the session may add to the mount.",
                   [](Mount& mount) -> int64_t& { return mount.max_bytes; }),
      IntegerKey<Mount>("", "max_files", "Names that the session may add to the mount.", 0,
                        kMostFiles, [](Mount& mount) -> int64_t& { return mount.max_files; }),
      EnumKey<Mount>("", "on_exit", "What becomes of an overlay's changes when the session ends.",
                     {"keep", "discard", "commit"},
                     [](Mount& mount) -> OnExit& { return mount.on_exit; }),
      MountSizeKey("overlay_size", "Bytes that an overlay's changes may take on disk.",
                   [](Mount& mount) -> int64_t& { return mount.overlay_size; }),
      IntegerKey<Mount>("", "overlay_inodes", "How many files an overlay's changes may be.", 1,
                        kMostFiles, [](Mount& mount) -> int64_t& { return mount.overlay_inodes; }),
  };
}

}  // namespace sessionctl
