// The part of a filter that looks at arguments, as BPF
// (Documentation/userspace-api/seccomp_filter): for each of its syscalls the rules in their order,
// the first that holds decides. libseccomp has no order and wants rules that exclude each other:
// one number that must not be a certain one is 32 rules there, and hundreds of them cost each
// session's start tens of milliseconds.
#ifndef SANDBOX_BPF_DECISIONS_H_
#define SANDBOX_BPF_DECISIONS_H_

#include <linux/filter.h>

#include <cstdint>
#include <map>
#include <vector>

#include "sandbox/seccomp_filter.h"

namespace sessionctl {

// What a rule's action is for the kernel (SECCOMP_RET_…).
uint32_t SeccompReturn(FilterAction action, int error);

// A program that decides on the calls of `rules` (of one number each, not empty, conditions within
// their masks) on the architecture `audit_arch`, and for every other call runs off its end: `rest`
// is appended. Where no rule of a call holds, the answer is `otherwise`, a SECCOMP_RET_ value.
std::vector<sock_filter> DecisionsBefore(const std::map<int, std::vector<FilterRule>>& rules,
                                         uint32_t audit_arch, uint32_t otherwise,
                                         const std::vector<sock_filter>& rest);

}  // namespace sessionctl

#endif  // SANDBOX_BPF_DECISIONS_H_
