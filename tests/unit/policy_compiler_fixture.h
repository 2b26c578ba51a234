// What the tests of the policy compiler share: a modern kernel, some calls, two directories.
#ifndef TESTS_UNIT_POLICY_COMPILER_FIXTURE_H_
#define TESTS_UNIT_POLICY_COMPILER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "policy/policy_compiler.h"
#include "policy/view_plan.h"

namespace sessionctl {

inline KernelFeatures Modern() {
  KernelFeatures features;
  features.landlock_abi = 7;
  features.openat2 = features.seccomp_user_notif = features.seccomp_addfd_send = true;
  features.seccomp_wait_killable = features.process_vm_readv = true;
  features.memfd_noexec_seal = true;
  return features;
}

inline std::vector<MediatedCall> Calls() {
  using When = MediatedCall::When;
  return {{257, "openat", When::kUnlessRead, 2},
          {437, "openat2", When::kAlways, -1, {}, "keeps its flags in memory"},
          {452, "fchmodat2", When::kAlways, -1}};
}

class PolicyCompiler : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/policy_compiler.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
    for (const char* directory : {"/a", "/a/inner", "/b"}) Make(directory);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Make(const std::string& path) { std::filesystem::create_directory(root_ + path); }

  Mount At(const std::string& path) const {
    Mount mount;
    mount.host = root_ + path;
    mount.where = {"p.toml", 4, 1};
    return mount;
  }

  absl::StatusOr<CompiledPolicy> Compile(const std::vector<Mount>& mounts,
                                         const KernelFeatures& features = Modern()) {
    policy_.mounts = mounts;
    SessionPolicy policy = policy_;
    if (!view_is_open_ && LeavesViewOpen(policy)) policy.filesystem.view = ViewRule::kHost;
    return CompilePolicy(policy, {"s-1", "ada"}, features, Calls());
  }

  CompiledPolicy CompileOk(const std::vector<Mount>& mounts,
                           const KernelFeatures& features = Modern()) {
    absl::StatusOr<CompiledPolicy> compiled = Compile(mounts, features);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    return compiled.ok() ? *compiled : CompiledPolicy();
  }

  // Expects an error with `code` whose message has `text`.
  void ExpectError(const absl::StatusOr<CompiledPolicy>& compiled, absl::StatusCode code,
                   const std::string& text) {
    EXPECT_EQ(compiled.status().code(), code) << compiled.status();
    EXPECT_THAT(std::string(compiled.status().message()), ::testing::HasSubstr(text));
  }

  std::string root_;
  SessionPolicy policy_;
  bool view_is_open_ = false;  // else the host's, where the policy leaves it open
};

}  // namespace sessionctl

#endif  // TESTS_UNIT_POLICY_COMPILER_FIXTURE_H_
