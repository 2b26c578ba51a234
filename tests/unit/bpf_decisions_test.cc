#include "sandbox/bpf_decisions.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <iterator>
#include <map>
#include <random>
#include <vector>

#include "tests/unit/bpf_interpreter.h"

namespace sessionctl {
namespace {

using Rules = std::map<int, std::vector<FilterRule>>;

constexpr uint32_t kOtherwise = SECCOMP_RET_ERRNO | ENOSYS;

FilterRule RandomRule(int nr, std::mt19937& random) {
  constexpr FilterAction kActions[] = {FilterAction::kAllow, FilterAction::kErrno,
                                       FilterAction::kNotify, FilterAction::kTrap};
  const FilterAction action = kActions[random() % 4];
  return {
      nr, action, action == FilterAction::kErrno ? 1 + static_cast<int>(random() % 130) : 0, {}};
}

// Long runs of the same fate, holes, lone numbers and decisions on arguments, all mixed.
Rules RandomRules(std::mt19937& random) {
  Rules rules;
  int nr = static_cast<int>(random() % 3);
  while (nr < 600) {
    const FilterRule rule = RandomRule(nr, random);
    for (int last = nr + static_cast<int>(random() % 12); nr <= last; ++nr) {
      rules[nr] = {{nr, rule.action, rule.error, {}}};
    }
    if (random() % 3 == 0) {
      for (uint32_t value = 0; value < random() % 70; ++value) {
        FilterRule conditional = RandomRule(nr, random);
        conditional.conditions = {IntIs(1, value)};
        rules[nr].push_back(conditional);
      }
      ++nr;
    }
    nr += static_cast<int>(random() % 3);
  }
  for (auto each = rules.begin(); each != rules.end();) {
    each = each->second.empty() ? rules.erase(each) : std::next(each);
  }
  return rules;
}

uint32_t Said(const Rules& rules, int nr, uint64_t argument) {
  const auto found = rules.find(nr);
  if (found == rules.end()) return kOtherwise;
  for (const FilterRule& rule : found->second) {
    if (rule.conditions.empty() || rule.conditions[0].value == static_cast<uint32_t>(argument)) {
      return SeccompReturn(rule.action, rule.error);
    }
  }
  return kOtherwise;
}

TEST(NumberTree, SaysOfEveryNumberWhatItsRulesSay) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    const Rules rules = RandomRules(random);
    const std::vector<sock_filter> program = NumberTree(rules, kNativeArch, kOtherwise);
    for (int nr = 0; nr < 700; ++nr) {
      for (const uint64_t argument : {0U, 1U, 7U, 40U, 69U, 1000U}) {
        ASSERT_EQ(RunBpf(program, nr, {5, argument}), Said(rules, nr, argument)) << nr;
      }
    }
    for (const int nr : {0x3fffffff, -1}) EXPECT_EQ(RunBpf(program, nr), kOtherwise);
  }
}

TEST(NumberTree, NoRulesLeaveNothingButTheOtherwise) {
  const std::vector<sock_filter> program = NumberTree({}, kNativeArch, kOtherwise);
  for (const int nr : {0, 1, 469, 0x3fffffff, -1}) EXPECT_EQ(RunBpf(program, nr), kOtherwise);
  EXPECT_EQ(RunBpf(program, 0, {}, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS);
}

TEST(NumberTree, OnlyTheMachinesOwnCallsAreDecidedOn) {
  const Rules rules = {{SYS_read, {{SYS_read, FilterAction::kAllow, 0, {}}}}};
  const std::vector<sock_filter> x86 = NumberTree(rules, AUDIT_ARCH_X86_64, SECCOMP_RET_ALLOW);
  const std::vector<sock_filter> arm = NumberTree(rules, AUDIT_ARCH_AARCH64, SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunBpf(x86, SYS_read, {}, AUDIT_ARCH_AARCH64), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(RunBpf(arm, SYS_read, {}, AUDIT_ARCH_X86_64), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(RunBpf(x86, 0x40000000, {}, AUDIT_ARCH_X86_64), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(RunBpf(x86, -2, {}, AUDIT_ARCH_X86_64), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(RunBpf(arm, 0x40000000, {}, AUDIT_ARCH_AARCH64), SECCOMP_RET_ALLOW);
}

}  // namespace
}  // namespace sessionctl
