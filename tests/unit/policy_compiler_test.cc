#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "policy/policy_parser.h"
#include "policy/wall_plans.h"
#include "sandbox/landlock_uapi.h"
#include "supervisor/mediator/syscall_table.h"
#include "tests/unit/policy_compiler_fixture.h"

namespace sessionctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr uint64_t kWriteRights =
    landlock::kFsWriteFile | landlock::kFsRemoveDir | landlock::kFsRemoveFile |
    landlock::kFsMakeChar | landlock::kFsMakeDir | landlock::kFsMakeReg | landlock::kFsMakeSock |
    landlock::kFsMakeFifo | landlock::kFsMakeBlock | landlock::kFsMakeSym | landlock::kFsRefer |
    landlock::kFsTruncate;

uint64_t AccessOf(const LandlockPlan& plan, const std::string& path) {
  uint64_t access = 0;
  for (const LandlockGrant& grant : plan.grants) {
    if (grant.path == path) access |= grant.access;
  }
  return access;
}

TEST_F(PolicyCompiler, OneMountKeepsReadsNative) {
  const CompiledPolicy compiled = CompileOk({At("/a")});
  EXPECT_FALSE(compiled.reads_mediated);
  EXPECT_THAT(compiled.reads_reason, HasSubstr("equally public"));
  EXPECT_EQ(compiled.mounts[0].mount.guest, root_ + "/a");
  EXPECT_EQ(AccessOf(compiled.session_domain, root_ + "/a"),
            landlock::kFsReadFile | landlock::kFsReadDir | landlock::kFsExecute);
}

TEST_F(PolicyCompiler, ReadsAreMediatedWhenARuleMakesADifference) {
  Mount mount = At("/a");
  mount.deny = {"x"};
  EXPECT_THAT(CompileOk({mount}).reads_reason, HasSubstr("deny"));
  EXPECT_TRUE(CompileOk({mount}).reads_mediated);
  mount = At("/a");
  mount.symlinks = SymlinkRule::kNone;
  EXPECT_TRUE(CompileOk({mount}).reads_mediated);
  mount = At("/a");
  mount.hardlinks = HardlinkRule::kSingle;
  EXPECT_TRUE(CompileOk({mount}).reads_mediated);
  EXPECT_TRUE(CompileOk({At("/a"), At("/b")}).reads_mediated);
  policy_.scope = MediationScope::kAll;
  EXPECT_TRUE(CompileOk({At("/a")}).reads_mediated);
}

TEST_F(PolicyCompiler, ScopeWritesBelowWhatIsNeededIsAnError) {
  policy_.scope = MediationScope::kWrites;
  EXPECT_FALSE(CompileOk({At("/a")}).reads_mediated);
  ExpectError(Compile({At("/a"), At("/b")}), absl::StatusCode::kInvalidArgument,
              "mediation.scope: \"writes\" is not enough: 2 mounts");
}

TEST_F(PolicyCompiler, SessionDomainNeverWrites) {
  policy_ = *LoadProfile("default");
  for (const MediationScope scope : {MediationScope::kAuto, MediationScope::kAll}) {
    policy_.scope = scope;
    const CompiledPolicy compiled = CompileOk({At("/a")});
    EXPECT_EQ(compiled.session_domain.handled_fs, landlock::FsAccessOfAbi(7));
    EXPECT_EQ(compiled.session_domain.scoped, landlock::ScopesOfAbi(7));
    for (const LandlockGrant& grant : compiled.session_domain.grants) {
      EXPECT_EQ(grant.access & kWriteRights, 0U) << grant.path;
    }
  }
}

TEST_F(PolicyCompiler, SessionDomainLeavesOnlyExecutionWhenReadsAreMediated) {
  policy_.filesystem.read = {"/etc/passwd"};
  policy_.filesystem.exec = {"/usr"};
  policy_.filesystem.devices = {"/dev/null"};
  policy_.scope = MediationScope::kAll;
  Mount data = At("/a");
  data.exec = false;
  const LandlockPlan plan = CompileOk({data, At("/b")}).session_domain;
  const uint64_t execute = landlock::kFsReadFile | landlock::kFsExecute;
  EXPECT_EQ(AccessOf(plan, root_ + "/a"), 0U);
  EXPECT_EQ(AccessOf(plan, root_ + "/b"), execute);
  EXPECT_EQ(AccessOf(plan, "/usr"), execute);
  EXPECT_EQ(AccessOf(plan, "/etc/passwd"), 0U);
  EXPECT_EQ(AccessOf(plan, "/dev/null"), 0U);
}

TEST_F(PolicyCompiler, BrokerDomainHasTheRightsOfTheGrants) {
  policy_.filesystem.read = {"/etc/passwd"};
  policy_.filesystem.exec = {"/usr"};
  policy_.filesystem.devices = {"/dev/null"};
  Mount read_only = At("/b");
  read_only.mode = MountMode::kReadOnly;
  read_only.exec = false;
  const LandlockPlan plan = CompileOk({At("/a"), read_only}).broker_domain;
  const uint64_t read = landlock::kFsReadFile | landlock::kFsReadDir;
  EXPECT_EQ(plan.scoped, landlock::kScopeSignal | landlock::kScopeAbstractUnixSocket);
  EXPECT_EQ(AccessOf(plan, root_ + "/a"),
            landlock::FsAccessOfAbi(7) &
                ~(landlock::kFsMakeChar | landlock::kFsMakeBlock | landlock::kFsIoctlDev));
  EXPECT_EQ(AccessOf(plan, root_ + "/b"), read);
  EXPECT_EQ(AccessOf(plan, "/etc/passwd"), read);
  EXPECT_EQ(AccessOf(plan, "/usr"), read | landlock::kFsExecute);
  EXPECT_EQ(AccessOf(plan, "/proc"), read);
  EXPECT_EQ(AccessOf(plan, "/dev/null"),
            landlock::kFsReadFile | landlock::kFsWriteFile | landlock::kFsIoctlDev);
}

// The session's domain lies inside the broker's: what the outer one lacks would be lost.
TEST_F(PolicyCompiler, BrokerDomainCoversTheSessionDomain) {
  policy_ = *LoadProfile("default");
  const CompiledPolicy compiled = CompileOk({At("/a")});
  for (const LandlockGrant& grant : compiled.session_domain.grants) {
    EXPECT_EQ(grant.access & ~AccessOf(compiled.broker_domain, grant.path), 0U) << grant.path;
  }
}

TEST_F(PolicyCompiler, KeptMknodMediatesReadsAndLetsTheBrokerMakeDevices) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to keep a capability";
  const uint64_t devices = landlock::kFsMakeChar | landlock::kFsMakeBlock;
  for (const LandlockGrant& grant : CompileOk({At("/a")}).broker_domain.grants) {
    EXPECT_EQ(grant.access & devices, 0U);
  }
  policy_.process.capabilities = {"mknod"};
  const CompiledPolicy compiled = CompileOk({At("/a")});
  EXPECT_TRUE(compiled.reads_mediated);
  for (const LandlockGrant& grant : compiled.session_domain.grants) {
    EXPECT_EQ(grant.access & devices, 0U);
  }
  EXPECT_EQ(compiled.broker_domain.grants.front().access & devices, devices);
  policy_.scope = MediationScope::kWrites;
  ExpectError(Compile({At("/a")}), absl::StatusCode::kInvalidArgument, "mknod");
}

TEST_F(PolicyCompiler, SystemGrantsAreCanonicalAndMerged) {
  std::filesystem::create_directory_symlink(root_ + "/a", root_ + "/link");
  policy_.filesystem.read = {root_ + "/link", root_ + "/a", root_ + "/none", root_ + "/b"};
  policy_.filesystem.exec = {root_ + "/link/", root_ + "/a/inner"};
  const CompiledPolicy compiled = CompileOk({});
  ASSERT_THAT(compiled.system, SizeIs(2));
  EXPECT_EQ(compiled.system[0].path, root_ + "/a");
  EXPECT_TRUE(compiled.system[0].exec);
  EXPECT_EQ(compiled.system[1].path, root_ + "/b");
  EXPECT_FALSE(compiled.system[1].exec);
}

TEST_F(PolicyCompiler, BadSystemGrantIsAnError) {
  policy_.filesystem.read = {"etc"};
  ExpectError(Compile({}), absl::StatusCode::kInvalidArgument, "filesystem.read: etc");
  policy_.filesystem.read = {"/proc/self/fd"};
  ExpectError(Compile({}), absl::StatusCode::kInvalidArgument, "means whoever looks");
  policy_.filesystem.read = {};
  policy_.filesystem.devices = {"/etc/passwd"};
  ExpectError(Compile({}), absl::StatusCode::kInvalidArgument, "not a character device");
}

TEST_F(PolicyCompiler, WorkingDirectoryIsTheFirstMountOutsideOfAll) {
  EXPECT_EQ(CompileOk({At("/b"), At("/a")}).working_directory, root_ + "/b");
  EXPECT_EQ(CompileOk({}).working_directory, "/");
  policy_.process.working_directory = root_ + "/a/inner";
  EXPECT_EQ(CompileOk({At("/a")}).working_directory, root_ + "/a/inner");
  policy_.process.working_directory = root_ + "/none";
  ExpectError(Compile({At("/a")}), absl::StatusCode::kNotFound, "process.working_directory");
}

TEST_F(PolicyCompiler, WorkingDirectoryIsTheCallersInsideAMount) {
  char before[4096];
  ASSERT_NE(getcwd(before, sizeof before), nullptr);
  ASSERT_EQ(chdir((root_ + "/a/inner").c_str()), 0);
  EXPECT_EQ(CompileOk({At("/b"), At("/a")}).working_directory, root_ + "/a/inner");
  ASSERT_EQ(chdir(before), 0);
}

TEST_F(PolicyCompiler, MediationNeedsAreErrorsEvenUnderBestEffort) {
  policy_.kernel.best_effort = true;
  bool KernelFeatures::*const needs[] = {
      &KernelFeatures::openat2, &KernelFeatures::seccomp_user_notif,
      &KernelFeatures::seccomp_addfd_send, &KernelFeatures::seccomp_wait_killable,
      &KernelFeatures::process_vm_readv};
  for (bool KernelFeatures::*const need : needs) {
    KernelFeatures features = Modern();
    features.*need = false;
    ExpectError(Compile({At("/a")}, features), absl::StatusCode::kFailedPrecondition,
                "this kernel lacks");
  }
}

TEST_F(PolicyCompiler, MemoryThatCannotBeSealedIsNamed) {
  KernelFeatures features = Modern();
  features.memfd_noexec_seal = false;
  const CompiledPolicy compiled = CompileOk({At("/a")}, features);
  ASSERT_EQ(compiled.missing_walls.size(), 1U);
  EXPECT_THAT(compiled.missing_walls.front(), HasSubstr("MFD_NOEXEC_SEAL"));
  policy_.process.allow_groups = {"memfd_exec"};
  EXPECT_THAT(CompileOk({At("/a")}, features).missing_walls, IsEmpty());
}

TEST_F(PolicyCompiler, IpcIsTheSessionsOwnWhereThatCostsNothing) {
  KernelFeatures root = Modern();
  root.ipc_namespaces = true;
  EXPECT_EQ(CompileOk({At("/a")}, root).ipc, IpcPlan::kNamespace);
  EXPECT_EQ(CompileOk({At("/a")}, Modern()).ipc, IpcPlan::kRefused);
  policy_.process.ipc = IpcRule::kPrivate;
  EXPECT_EQ(CompileOk({At("/a")}, root).ipc, IpcPlan::kNamespace);
  EXPECT_EQ(CompileOk({At("/a")}, Modern()).ipc, IpcPlan::kUserNamespace);
  policy_.process.ipc = IpcRule::kNone;
  EXPECT_EQ(CompileOk({At("/a")}, root).ipc, IpcPlan::kRefused);
  policy_.process.allow_groups = {"ipc"};
  EXPECT_EQ(CompileOk({At("/a")}, root).ipc, IpcPlan::kShared);
  policy_.process.deny_groups = {"ipc"};
  EXPECT_EQ(CompileOk({At("/a")}, root).ipc, IpcPlan::kRefused);
}

TEST_F(PolicyCompiler, OlderLandlockIsAnErrorUnlessBestEffort) {
  const std::pair<int, const char*> lacks[] = {{0, "Landlock itself (ABI 1)"},
                                               {1, "refer right"},
                                               {2, "truncate right"},
                                               {4, "device ioctl right"},
                                               {5, "scopes (ABI 6)"}};
  for (const auto& [abi, what] : lacks) {
    KernelFeatures features = Modern();
    features.landlock_abi = abi;
    policy_.kernel.best_effort = false;
    const absl::StatusOr<CompiledPolicy> strict = Compile({At("/a")}, features);
    ExpectError(strict, absl::StatusCode::kFailedPrecondition, what);
    EXPECT_THAT(std::string(strict.status().message()),
                AllOf(HasSubstr("this kernel has Landlock ABI " + std::to_string(abi)),
                      HasSubstr("best_effort")));
    policy_.kernel.best_effort = true;
    const CompiledPolicy compiled = CompileOk({At("/a")}, features);
    ASSERT_FALSE(compiled.missing_walls.empty());
    EXPECT_THAT(compiled.missing_walls.front(), HasSubstr(what));
    EXPECT_EQ(compiled.broker_domain.handled_fs, landlock::FsAccessOfAbi(abi));
    EXPECT_EQ(compiled.session_domain.scoped, 0U);
  }
  EXPECT_THAT(CompileOk({At("/a")}).missing_walls, IsEmpty());
}

TEST_F(PolicyCompiler, MinimumAbiIsEnforcedEvenUnderBestEffort) {
  policy_.kernel.best_effort = true;
  policy_.kernel.min_landlock_abi = 8;
  ExpectError(Compile({At("/a")}), absl::StatusCode::kFailedPrecondition,
              "asks for Landlock ABI 8, this kernel has Landlock ABI 7");
}

TEST_F(PolicyCompiler, GroupThatHoldsAWallCannotBeAllowed) {
  policy_.process.allow_groups = {"io_uring"};
  ExpectError(Compile({At("/a")}), absl::StatusCode::kInvalidArgument,
              "\"io_uring\" cannot be allowed");
  policy_.process.allow_groups = {"nothing"};
  ExpectError(Compile({At("/a")}), absl::StatusCode::kInvalidArgument, "no syscall group");
  policy_.process.allow_groups = {"debug"};
  EXPECT_TRUE(Compile({At("/a")}).ok());
  policy_.kernel.best_effort = true;
  KernelFeatures features = Modern();
  features.landlock_abi = 0;
  ExpectError(Compile({At("/a")}, features), absl::StatusCode::kFailedPrecondition, "debug");
}

TEST_F(PolicyCompiler, ResolvedPolicyCompilesToTheSame) {
  policy_ = *LoadProfile("python");
  Mount mount = At("/new");
  mount.create = true;
  mount.deny = {"**/.env"};
  const CompiledPolicy compiled = CompileOk({mount});
  const absl::StatusOr<SessionPolicy> again =
      ParsePolicy(PolicyToToml(compiled.policy), "resolved.toml");
  ASSERT_TRUE(again.ok()) << again.status();
  const absl::StatusOr<CompiledPolicy> recompiled =
      CompilePolicy(*again, {"s-1", "ada"}, Modern(), Calls());
  ASSERT_TRUE(recompiled.ok()) << recompiled.status();
  EXPECT_EQ(ExplainPolicy(compiled, Calls()), ExplainPolicy(*recompiled, Calls()));
}

TEST_F(PolicyCompiler, HidingMediatesReadsAndLookUps) {
  Mount mount = At("/a");
  const auto is_mediated = [](const CompiledPolicy& compiled, const char* name) {
    for (const MediatedCall& call : MediatedCalls()) {
      if (call.name == std::string(name)) return IsMediated(compiled, call);
    }
    return false;
  };
  EXPECT_FALSE(is_mediated(CompileOk({mount}), "statx"));
  EXPECT_FALSE(is_mediated(CompileOk({mount}), "getdents64"));
  mount.hide = {".env"};
  const CompiledPolicy compiled = CompileOk({mount});
  EXPECT_TRUE(compiled.reads_mediated);
  EXPECT_THAT(compiled.reads_reason, HasSubstr("hides names"));
  for (const char* name : {"statx", "newfstatat", "readlinkat", "getdents64", "getxattr"}) {
    EXPECT_TRUE(is_mediated(compiled, name)) << name;
  }
  policy_.scope = MediationScope::kWrites;
  ExpectError(Compile({mount}), absl::StatusCode::kInvalidArgument, "hides names");
}

TEST_F(PolicyCompiler, ExplanationSaysHowNamesAreHidden) {
  Mount mount = At("/a");
  mount.hide = {"**/.env", "secrets"};
  std::string text = ExplainPolicy(CompileOk({mount}), MediatedCalls());
  EXPECT_THAT(text, HasSubstr("hide \"**/.env\", \"secrets\": by the broker"));
  EXPECT_THAT(text, HasSubstr("can execute a hidden program"));
  EXPECT_THAT(text, HasSubstr("  getdents64          lists names"));
  EXPECT_THAT(text, HasSubstr("all, O_PATH too"));
  EXPECT_THAT(text, HasSubstr("EOPNOTSUPP: name_to_handle_at"));
  mount.exec = false;
  text = ExplainPolicy(CompileOk({mount}), MediatedCalls());
  EXPECT_THAT(text, Not(HasSubstr("can execute a hidden program")));
}

TEST_F(PolicyCompiler, ExplanationIsTheGoldenOne) {
  Mount work = At("/a");
  work.deny = {"**/.env", ".git/hooks"};
  Mount data = At("/b");
  data.mode = MountMode::kReadOnly;
  data.exec = false;
  policy_.filesystem.read = {root_ + "/a/inner"};
  policy_.filesystem.devices = {"/dev/null"};
  policy_.limits.wall_time = 60'000;
  policy_.limits.open_files = 256;
  std::string text = ExplainPolicy(CompileOk({work, data}), Calls());
  for (size_t at = text.find(root_); at != std::string::npos; at = text.find(root_)) {
    text.replace(at, root_.size(), "/ROOT");
  }
  const std::string golden = SESSIONCTL_SOURCE_DIR "/tests/unit/golden/policy_explain.txt";
  if (getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(golden) << text;
  std::stringstream expected;
  expected << std::ifstream(golden).rdbuf();
#if defined(__x86_64__)
  EXPECT_EQ(text, expected.str()) << "UPDATE_GOLDEN=1 writes it anew";
#endif
}

}  // namespace
}  // namespace sessionctl
