// What a session may do with its own: memory files, other tasks, IPC, debugging. The attacks are in
// tests/escape/hostile_session_test.cc.
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/integration/bare_and_inside.h"

namespace sessionctl {
namespace {

constexpr uid_t kAnOrdinaryUser = 1000;

// A testcase in a session, with more flags.
class Program {
 public:
  explicit Program(const std::string& name, std::optional<uid_t> as_user = std::nullopt)
      : path_(directory_ / name), as_user_(as_user) {
    harness::CopyProgram(harness::TestcasePath(name), path_);
    if (as_user_.has_value()) harness::GiveTree(directory_.path(), *as_user_, *as_user_);
  }
  harness::Outcome RunBare(const std::vector<std::string>& arguments = {}) const {
    return Run(std::nullopt, arguments);
  }
  harness::Outcome RunInside(const std::vector<std::string>& flags,
                             const std::vector<std::string>& arguments = {}) const {
    harness::SessionFlags session;
    session.mounts = {directory_.path()};
    session.extra = flags;
    return Run(session, arguments);
  }

 private:
  harness::Outcome Run(const std::optional<harness::SessionFlags>& session,
                       const std::vector<std::string>& arguments) const {
    std::vector<std::string> argv = {path_};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return RunEither(session, {.argv = argv, .directory = directory_.path(), .as_user = as_user_});
  }

  harness::ScratchDirectory directory_;
  std::string path_;
  std::optional<uid_t> as_user_;
};

TEST(OtherTasksTest, OwnOnesAreChangedAsBare) { ExpectSameBareAndInside({"other_tasks"}); }

TEST(MemoryFilesTest, AreAsBare) { ExpectSameBareAndInside({"memory_files"}); }

TEST(MemoryFilesTest, HaveNoExecuteBitUnlessThePolicyAllowsIt) {
  const Program program("memory_files");
  const harness::Outcome bare = program.RunBare({"--execute-bit"});
  EXPECT_EQ(bare.out, "mode 777 seals 1\nMFD_EXEC: ok\nfchmod 0777: ok\nfchmod 0600: ok\n");
  EXPECT_EQ(program.RunInside({}, {"--execute-bit"}).out,
            "mode 666 seals 33\nMFD_EXEC: EACCES\nfchmod 0777: EPERM\nfchmod 0600: ok\n");
  EXPECT_EQ(program.RunInside({"--allow-group", "memfd_exec"}, {"--execute-bit"}).out, bare.out);
}

TEST(IpcTest, WorksInANamespaceOfTheSessionsOwn) {
  if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root, who may make an IPC namespace";
  const Program program("own_ipc");
  const harness::Outcome bare = program.RunBare();
  EXPECT_NE(bare.out.find("the child wrote 4711"), std::string::npos) << bare.out;
  EXPECT_EQ(program.RunInside({}).out, bare.out);
  // What a session leaves, no other one meets, nor the host.
  const std::string made = "shmget: ok\n";
  EXPECT_EQ(program.RunInside({}, {"leave"}).out, made);
  EXPECT_EQ(program.RunInside({}, {"leave"}).out, made);
  EXPECT_EQ(program.RunBare().out, bare.out);
}

TEST(IpcTest, OrdinaryUsersSessionHasNoneUnlessItAsks) {
  const std::optional<uid_t> user =
      harness::RunningAsRoot() ? std::optional<uid_t>(kAnOrdinaryUser) : std::nullopt;
  const Program program("own_ipc", user);
  EXPECT_EQ(program.RunInside({}).out, "shmget: ENOSYS\nmsgget: ENOSYS\nsemget: ENOSYS\n");
  const harness::Outcome bare = program.RunBare();
  const harness::Outcome own = program.RunInside({"--ipc", "private"});
  if (own.err.find("user namespaces") != std::string::npos) {
    GTEST_SKIP() << "needs user namespaces for ordinary users";
  }
  EXPECT_EQ(own.out, bare.out) << own.err;
  EXPECT_EQ(program.RunInside({"--allow-group", "ipc"}).out, bare.out);
}

TEST(IpcTest, NoneIsNoneForRootToo) {
  const Program program("own_ipc");
  EXPECT_EQ(program.RunInside({"--ipc", "none"}).out,
            "shmget: ENOSYS\nmsgget: ENOSYS\nsemget: ENOSYS\n");
}

TEST(DebugGroupTest, AllowedItDebugsItsOwnChildrenAsBare) {
  const Program program("debugged_child");
  const harness::Outcome bare = program.RunBare();
  EXPECT_NE(bare.out.find("it exited with 5"), std::string::npos) << bare.out;
  EXPECT_EQ(program.RunInside({"--allow-group", "debug"}).out, bare.out);
  EXPECT_EQ(program.RunInside({}).out, "attach: EPERM\n");
}

// With /proc granted, what everybody may see of a process; without, nothing.
TEST(ProcTest, ShowsCommandLinesOnlyWhereItIsGranted) {
  const harness::ScratchDirectory directory;
  const std::vector<std::string> argv = {"/bin/cat",
                                         "/proc/" + std::to_string(getpid()) + "/cmdline"};
  harness::SessionFlags flags;
  flags.mounts = {directory.path()};
  EXPECT_EQ(RunEither(flags, {.argv = argv, .directory = directory.path()}).exit_code, 0);
  flags.extra = {"-p", "minimal", "--rox", "/bin/cat"};
  const harness::Outcome without = RunEither(flags, {.argv = argv, .directory = directory.path()});
  EXPECT_EQ(without.exit_code, 1);
  EXPECT_NE(without.err.find("Permission denied"), std::string::npos) << without.err;
}

}  // namespace
}  // namespace sessionctl
