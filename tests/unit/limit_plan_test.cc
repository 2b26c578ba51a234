#include "policy/limit_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "policy/policy_keys.h"
#include "policy/policy_parser.h"
#include "policy/quantity.h"

namespace sessionctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Quantity, SizesReadBack) {
  const std::vector<std::pair<std::string, int64_t>> sizes = {{"0", 0},
                                                              {"1", 1},
                                                              {"1000", 1000},
                                                              {"1K", 1024},
                                                              {"512M", 512 << 20},
                                                              {"3T", int64_t{3} << 40}};
  for (const auto& [text, bytes] : sizes) {
    ASSERT_TRUE(ParseSize(text).ok()) << text;
    EXPECT_EQ(*ParseSize(text), bytes);
    EXPECT_EQ(FormatSize(bytes), text);
  }
  EXPECT_EQ(FormatSize(2048 << 10), "2M");
}

TEST(Quantity, DurationsReadBack) {
  const std::vector<std::pair<std::string, int64_t>> times = {
      {"1ms", 1},      {"1500ms", 1500},  {"10s", 10'000},
      {"5m", 300'000}, {"2h", 7'200'000}, {"1d", 86'400'000}};
  for (const auto& [text, milliseconds] : times) {
    ASSERT_TRUE(ParseDuration(text).ok()) << text;
    EXPECT_EQ(*ParseDuration(text), milliseconds);
    EXPECT_EQ(FormatDuration(milliseconds), text);
  }
}

TEST(Quantity, WhatIsNoAmountIsAnError) {
  for (const char* text : {"", "M", "-1", "+1", "1.5M", "1 M", " 1", "1m", "1KB", "0x10", "1M ",
                           "99999999999999999999", "9999999999T"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
  for (const char* text : {"", "10", "s", "1.5s", "-1s", "1S", "1min", "9223372036854775807d"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

std::string LimitError(const std::string& text) {
  return std::string(ParsePolicy(text, "p.toml").status().message());
}

TEST(LimitKeys, EveryKeyIsReadAndWrittenBack) {
  const std::string text = R"(version = 1

[limits]
memory = "64M"
pids = 64
cpu = 0.5
cpu_time = "10s"
wall_time = "5m"
idle_time = "1h"
grace = "2s"
output = "10M"
open_files = 256
file_size = "1G"
core = "0"
stack = "8M"

[[mount]]
host = "/srv"
max_bytes = "100M"
max_files = 1000
)";
  const absl::StatusOr<SessionPolicy> policy = ParsePolicy(text, "p.toml");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->limits.memory, 64 << 20);
  EXPECT_EQ(policy->limits.pids, 64);
  EXPECT_EQ(policy->limits.cpu, 0.5);
  EXPECT_EQ(policy->limits.cpu_time, 10'000);
  EXPECT_EQ(policy->limits.wall_time, 300'000);
  EXPECT_EQ(policy->limits.idle_time, 3'600'000);
  EXPECT_EQ(policy->limits.grace, 2000);
  EXPECT_EQ(policy->limits.output, 10 << 20);
  EXPECT_EQ(policy->limits.open_files, 256);
  EXPECT_EQ(policy->limits.file_size, 1 << 30);
  EXPECT_EQ(policy->limits.core, 0);
  EXPECT_EQ(policy->limits.stack, 8 << 20);
  EXPECT_EQ(policy->mounts[0].max_bytes, 100 << 20);
  EXPECT_EQ(policy->mounts[0].max_files, 1000);
  const std::string written = PolicyToToml(*policy);
  const absl::StatusOr<SessionPolicy> again = ParsePolicy(written, "q.toml");
  ASSERT_TRUE(again.ok()) << written;
  EXPECT_EQ(PolicyToToml(*again), written);
  EXPECT_THAT(written, HasSubstr("cpu = 0.5\n"));
  EXPECT_EQ(again->limits.core, 0);
}

TEST(LimitKeys, BadValueIsAnErrorWithItsPlace) {
  EXPECT_THAT(LimitError("[limits]\nmemory = \"512MB\"\n"),
              StartsWith("p.toml:2:10: limits.memory: \"512MB\": is not a size"));
  EXPECT_THAT(LimitError("[limits]\nmemory = 512\n"),
              HasSubstr("expected a string, found an integer"));
  EXPECT_THAT(LimitError("[limits]\nmemory = \"0\"\n"), HasSubstr("is nothing at all"));
  EXPECT_THAT(LimitError("[limits]\nwall_time = \"10\"\n"),
              HasSubstr("2:13: limits.wall_time: \"10\": "
                        "is not a duration"));
  EXPECT_THAT(LimitError("[limits]\nidle_time = \"0s\"\n"), HasSubstr("is no time at all"));
  EXPECT_THAT(LimitError("[limits]\npids = 0\n"), HasSubstr("0 is not between 1 and"));
  EXPECT_THAT(LimitError("[limits]\ncpu = 0\n"),
              HasSubstr("p.toml:2:7: limits.cpu: 0 is not above 0"));
  EXPECT_THAT(LimitError("[limits]\ncpu = nan\n"), HasSubstr("limits.cpu: nan is not above 0"));
  EXPECT_THAT(LimitError("[limits]\ncpu = \"1\"\n"),
              HasSubstr("expected a number, found a string"));
  EXPECT_THAT(LimitError("[limits]\nmemroy = \"1M\"\n"), HasSubstr("limits.memroy: unknown key"));
  EXPECT_THAT(LimitError("[[mount]]\nhost = \"/a\"\nmax_bytes = \"x\"\n"),
              StartsWith("p.toml:3:13: mount.max_bytes: "));
  EXPECT_THAT(LimitError("[[mount]]\nhost = \"/a\"\nmax_files = -1\n"),
              HasSubstr("is not between"));
}

LimitsPolicy EveryLimit() {
  LimitsPolicy limits;
  limits.memory = 64 << 20;
  limits.pids = 64;
  limits.cpu = 0.5;
  limits.cpu_time = 1500;
  limits.wall_time = 2000;
  limits.open_files = 100;
  return limits;
}

std::vector<std::string> Holders(const LimitPlan& plan) {
  std::vector<std::string> holders;
  for (const PlannedLimit& limit : plan.limits) {
    holders.push_back(limit.name + " " + LimitHolderName(limit.holder));
  }
  return holders;
}

TEST(LimitPlan, ControllersHoldWhatTheyCan) {
  const CgroupFeatures cgroup = {true, true, true, true, "/sys/fs/cgroup/x"};
  const absl::StatusOr<LimitPlan> plan = PlanLimits(EveryLimit(), cgroup, nullptr);
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(Holders(*plan),
              ElementsAre("memory cgroup", "pids cgroup", "cpu cgroup", "cpu_time watcher",
                          "wall_time watcher", "open_files rlimit"));
  std::vector<std::string> settings;
  for (const CgroupSetting& each : plan->cgroup) settings.push_back(each.file + "=" + each.value);
  EXPECT_THAT(settings, ElementsAre("memory.max=67108864", "memory.swap.max=0",
                                    "memory.oom.group=1", "pids.max=64", "cpu.max=50000 100000"));
  EXPECT_EQ(plan->watch.memory, kUnlimited);
  EXPECT_EQ(plan->watch.pids, kUnlimited);
  EXPECT_EQ(plan->watch.frozen_cpu, 0);
  EXPECT_TRUE(plan->has_cgroup);
}

TEST(LimitPlan, NoLimitCostsNothing) {
  const CgroupFeatures cgroup = {true, true, true, true, "/sys/fs/cgroup/x"};
  const absl::StatusOr<LimitPlan> plan = PlanLimits(LimitsPolicy(), cgroup, nullptr);
  ASSERT_TRUE(plan.ok());
  EXPECT_FALSE(plan->has_cgroup);
  EXPECT_TRUE(plan->limits.empty() && plan->resources.empty() && plan->cgroup.empty());
  EXPECT_EQ(plan->output, kUnlimited);
}

TEST(LimitPlan, BareCgroupFreezesAndTheBrokerLooks) {
  const CgroupFeatures cgroup = {.usable = true};
  const absl::StatusOr<LimitPlan> plan = PlanLimits(EveryLimit(), cgroup, nullptr);
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(Holders(*plan),
              ElementsAre("memory watcher", "pids watcher", "cpu freezer", "cpu_time watcher",
                          "wall_time watcher", "open_files rlimit"));
  EXPECT_TRUE(plan->cgroup.empty());
  EXPECT_EQ(plan->watch.memory, 64 << 20);
  // One process alone gets ENOMEM; the kernel stands by for the time.
  std::vector<std::pair<int, uint64_t>> resources;
  for (const ResourceLimit& each : plan->resources)
    resources.emplace_back(each.resource, each.value);
  EXPECT_THAT(resources, ElementsAre(std::pair<int, uint64_t>(RLIMIT_DATA, 64 << 20),
                                     std::pair<int, uint64_t>(RLIMIT_CPU, 7),
                                     std::pair<int, uint64_t>(RLIMIT_NOFILE, 100)));
}

TEST(LimitPlan, ShareThatNothingHoldsIsAnErrorUnlessBestEffort) {
  const CgroupFeatures none = {.directory = "no cgroup file system"};
  const absl::Status refused = PlanLimits(EveryLimit(), none, nullptr).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no cgroup file system"));
  std::vector<std::string> missing;
  const absl::StatusOr<LimitPlan> plan = PlanLimits(EveryLimit(), none, &missing);
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(missing, ElementsAre(HasSubstr("limits.cpu")));
  EXPECT_FALSE(plan->has_cgroup);
}

}  // namespace
}  // namespace sessionctl
