// Programs of filters that were compiled before. Compiling one takes milliseconds and half a
// megabyte of heap; a process that forks many sessions of one policy (the zygote) compiles once,
// and its children have the program from the pages that they share with it.
#ifndef SANDBOX_FILTER_CACHE_H_
#define SANDBOX_FILTER_CACHE_H_

#include <linux/filter.h>

#include <list>
#include <vector>

#include "absl/status/statusor.h"
#include "sandbox/seccomp_filter.h"

namespace sessionctl {

// Not thread-safe.
class FilterCache {
 public:
  // How many programs it keeps: those that were asked for last.
  static constexpr size_t kMostPrograms = 16;

  // The program of `plan`; valid until kMostPrograms others were asked for. Errors: those of
  // CompileFilter, of which nothing is kept.
  absl::StatusOr<const std::vector<sock_filter>*> Get(const FilterPlan& plan);

  size_t compiled() const { return compiled_; }  // how many were not there

 private:
  struct Entry {
    FilterPlan plan;
    std::vector<sock_filter> program;
  };
  std::list<Entry> entries_;  // the one that was asked for last stands first
  size_t compiled_ = 0;
};

}  // namespace sessionctl

#endif  // SANDBOX_FILTER_CACHE_H_
