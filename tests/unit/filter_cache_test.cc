#include "sandbox/filter_cache.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cstring>

namespace sessionctl {
namespace {

FilterPlan PlanThatAllows(int nr) { return {.rules = {{nr, FilterAction::kAllow, 0, {}}}}; }

bool SameProgram(const std::vector<sock_filter>& a, const std::vector<sock_filter>& b) {
  return a.size() == b.size() && memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
}

TEST(FilterCache, EqualPlansAreCompiledOnce) {
  FilterCache cache;
  const auto first = cache.Get(PlanThatAllows(SYS_read));
  const auto again = cache.Get(PlanThatAllows(SYS_read));
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(*first, *again);
  EXPECT_EQ(cache.compiled(), 1U);
  EXPECT_TRUE(SameProgram(**first, *CompileFilter(PlanThatAllows(SYS_read))));
}

// Each part of a plan counts: a program that stands for another plan would be a hole.
TEST(FilterCache, WhatDiffersIsCompiledForItself) {
  const FilterRule rule = {SYS_openat, FilterAction::kErrno, EPERM, {IntIs(2, 1)}};
  const auto plan = [&rule](auto change) {
    FilterPlan changed = {.rules = {rule, {SYS_openat, FilterAction::kAllow, 0, {}}}};
    change(changed);
    return changed;
  };
  const std::vector<FilterPlan> plans = {
      plan([](FilterPlan&) {}),
      plan([](FilterPlan& p) { p.rules[0].nr = p.rules[1].nr = SYS_open; }),
      plan([](FilterPlan& p) { p.rules[0].action = FilterAction::kNotify; }),
      plan([](FilterPlan& p) { p.rules[0].error = EACCES; }),
      plan([](FilterPlan& p) { p.rules[0].conditions[0].index = 3; }),
      plan([](FilterPlan& p) { p.rules[0].conditions[0].mask = 3; }),
      plan([](FilterPlan& p) { p.rules[0].conditions[0].value = 0; }),
      plan([](FilterPlan& p) { p.rules.pop_back(); }),
      plan([](FilterPlan& p) { p.otherwise = FilterAction::kKillProcess; }),
  };
  FilterCache cache;
  for (const FilterPlan& each : plans) {
    const auto program = cache.Get(each);
    ASSERT_TRUE(program.ok()) << program.status();
    EXPECT_TRUE(SameProgram(**program, *CompileFilter(each)));
  }
  EXPECT_EQ(cache.compiled(), plans.size());
}

TEST(FilterCache, KeepsWhatWasAskedForLast) {
  FilterCache cache;
  const int most = static_cast<int>(FilterCache::kMostPrograms);
  for (int nr = 0; nr < most; ++nr) ASSERT_TRUE(cache.Get(PlanThatAllows(nr)).ok());
  ASSERT_TRUE(cache.Get(PlanThatAllows(0)).ok());
  ASSERT_TRUE(cache.Get(PlanThatAllows(most)).ok());  // instead of 1
  EXPECT_EQ(cache.compiled(), FilterCache::kMostPrograms + 1);
  ASSERT_TRUE(cache.Get(PlanThatAllows(0)).ok());
  EXPECT_EQ(cache.compiled(), FilterCache::kMostPrograms + 1);
  ASSERT_TRUE(cache.Get(PlanThatAllows(1)).ok());
  EXPECT_EQ(cache.compiled(), FilterCache::kMostPrograms + 2);
}

TEST(FilterCache, PlanThatCannotBeCompiledIsNotKept) {
  FilterCache cache;
  const FilterPlan wrong = {.rules = {{-5, FilterAction::kAllow, 0, {}}}};
  EXPECT_FALSE(cache.Get(wrong).ok());
  EXPECT_FALSE(cache.Get(wrong).ok());
  EXPECT_EQ(cache.compiled(), 0U);
}

}  // namespace
}  // namespace sessionctl
