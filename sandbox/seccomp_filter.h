// A seccomp filter as plain values, compiled to BPF by bpf_decisions.h and loaded with seccomp(2)
// itself, because libseccomp 2.5 has no WAIT_KILLABLE_RECV (trap 12). libseccomp, of which this
// pair is the only user, knows the names of the calls.
#ifndef SANDBOX_SECCOMP_FILTER_H_
#define SANDBOX_SECCOMP_FILTER_H_

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

enum class FilterAction {
  kAllow,
  kErrno,
  kNotify,
  kKillProcess,
  kTrap,  // SIGSYS; its handler learns the number
};

// Holds when (argument[index] & mask) == value.
struct FilterCondition {
  unsigned index;
  uint64_t mask;
  uint64_t value;

  bool operator==(const FilterCondition&) const = default;
};

// For an argument that the kernel declares as int or unsigned int: garbage above bit 31 must not
// dodge a rule (trap 22).
constexpr FilterCondition IntIs(unsigned index, uint32_t value) {
  return {index, 0xffffffff, value};
}
constexpr FilterCondition WordIs(unsigned index, uint64_t value) {
  return {index, ~uint64_t{0}, value};
}
constexpr FilterCondition BitSet(unsigned index, uint64_t bits) { return {index, bits, bits}; }
constexpr FilterCondition BitClear(unsigned index, uint64_t bits) { return {index, bits, 0}; }

// One rule. Of the rules of one syscall number the first that holds decides, in the plan's order;
// one without conditions is the last.
struct FilterRule {
  int nr;
  FilterAction action;
  int error = 0;  // for kErrno
  std::vector<FilterCondition> conditions;

  bool operator==(const FilterRule&) const = default;
};

// One case of a decision on a syscall's arguments; holds when all its conditions do.
struct FilterCase {
  std::vector<FilterCondition> conditions;
  FilterAction action;
  int error = 0;  // for kErrno
};

// The rules that say: the first case that holds decides, and `otherwise` where none does.
std::vector<FilterRule> RulesInOrder(int nr, const std::vector<FilterCase>& cases,
                                     FilterAction otherwise);

// Foreign architectures and the x32 range are always killed (trap 13). What no rule matches gets
// `otherwise` (kErrno: ENOSYS, as from a kernel that does not know the call); so does -1, which is
// no number at all.
struct FilterPlan {
  std::vector<FilterRule> rules;
  FilterAction otherwise = FilterAction::kErrno;

  bool operator==(const FilterPlan&) const = default;
};

// The last syscall number that was reviewed for this project (Linux 6.18: file_setattr). A number
// beyond it has no name here, so that a newer libseccomp cannot widen an allow list nobody has
// looked at.
inline constexpr int kLastReviewedSyscall = 469;

// The number of a syscall name on this architecture, or -1.
int SyscallNumber(const std::string& name);

// The name of a syscall number on this architecture, or "" if nobody knows it.
std::string SyscallName(int nr);

// Whether it has one. Looks at no names where it need not.
bool IsSyscall(int nr);

// The filter for people (`policy explain`): the decision on each syscall whose arguments count,
// then the others, gathered by what happens to them.
std::string FilterPseudoCode(const FilterPlan& plan);

// The BPF program for `plan`. Errors: kInvalidArgument (a rule that can never hold, named),
// kInternal.
absl::StatusOr<std::vector<sock_filter>> CompileFilter(const FilterPlan& plan);

// Installs `program` on the calling thread with SECCOMP_FILTER_FLAG_NEW_LISTENER and
// WAIT_KILLABLE_RECV, and returns the listener (close-on-exec). Needs no_new_privs.
// Async-signal-safe: may be called between fork and exec. Errors: EINVAL (kernel below 5.19), EBUSY
// (a listener exists already), ENOMEM, EACCES.
SysResult<OwnedFd> InstallFilterWithListener(const std::vector<sock_filter>& program);

// Installs `program` on the calling thread, and so on those that it will start. Needs no_new_privs.
// Errors: EINVAL, ENOMEM, EACCES.
SysStatus InstallFilter(const std::vector<sock_filter>& program);

}  // namespace sessionctl

#endif  // SANDBOX_SECCOMP_FILTER_H_
