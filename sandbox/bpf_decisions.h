// A filter's decisions as BPF (Documentation/userspace-api/seccomp_filter): a binary tree over the
// numbers of the calls, neighbours with the same fate in one leaf; in a leaf whose call's arguments
// count its rules in their order, the first that holds decides. libseccomp has no order and no
// ranges: its programs were twice as long, and took a millisecond each to be made.
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

// The program that decides on every call there is: on those of `rules` (of one number each, not
// empty, conditions within their masks) by them, on all others, and where no rule of a call holds,
// with `otherwise`, a SECCOMP_RET_ value. Another architecture than `audit_arch`, and x86-64's x32
// numbers, are killed.
std::vector<sock_filter> NumberTree(const std::map<int, std::vector<FilterRule>>& rules,
                                    uint32_t audit_arch, uint32_t otherwise);

}  // namespace sessionctl

#endif  // SANDBOX_BPF_DECISIONS_H_
