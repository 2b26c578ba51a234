#include "sandbox/filter_cache.h"

#include <algorithm>
#include <utility>

namespace sessionctl {

absl::StatusOr<const std::vector<sock_filter>*> FilterCache::Get(const FilterPlan& plan) {
  const auto known = std::find_if(entries_.begin(), entries_.end(),
                                  [&plan](const Entry& entry) { return entry.plan == plan; });
  if (known != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, known);
    return &entries_.front().program;
  }
  absl::StatusOr<std::vector<sock_filter>> program = CompileFilter(plan);
  if (!program.ok()) return program.status();
  ++compiled_;
  entries_.push_front({plan, *std::move(program)});
  if (entries_.size() > kMostPrograms) entries_.pop_back();
  return &entries_.front().program;
}

}  // namespace sessionctl
