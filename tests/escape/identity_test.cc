// Gaining a user or a capability, and using one that a session keeps against what lies outside its
// grants. Each control, bare, succeeds.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/broker_usage.h"
#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/harness/user_and_view.h"

namespace escape {
namespace {

using harness::Child;
using harness::Command;
using harness::Outcome;

constexpr uid_t kSomebody = 3000;  // whose secret lies outside the mounts

class Identity : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root: users, capabilities";
    harness::MakeDirectory(scratch_ / "mount");
    harness::MakeDirectory(scratch_ / "tools");
    harness::CopyProgram(harness::TestcasePath("changed_identity"), Tool());
  }

  std::string Tool() const { return scratch_ / "tools/changed_identity"; }
  std::string Mount() const { return scratch_ / "mount"; }

  harness::SessionFlags Flags(const std::vector<std::string>& capabilities = {}) const {
    harness::SessionFlags flags;
    flags.mounts = {Mount()};
    flags.read_exec = {Tool()};  // a file: a directory would be a second mount
    flags.scope = "all";
    for (const std::string& name : capabilities) {
      flags.extra.insert(flags.extra.end(), {"--capability", name});
    }
    return flags;
  }

  Command Run(std::vector<std::string> arguments, uid_t as_user = 0) const {
    arguments.insert(arguments.begin(), Tool());
    return {.argv = std::move(arguments), .directory = Mount(), .as_user = as_user};
  }

  harness::ScratchDirectory scratch_;
};

bool Contains(const Outcome& outcome, const std::string& text) {
  return outcome.out.find(text) != std::string::npos;
}

TEST_F(Identity, SetUserIdProgramGivesNothing) {
  ASSERT_EQ(chmod(Tool().c_str(), 06755), 0);
  const Outcome bare = harness::Run(Run({"show"}, harness::kOrdinaryUser));
  ASSERT_TRUE(Contains(bare, "euid 0 egid 0"))
      << "needs a file system without nosuid: " << bare.out;
  const Outcome session = harness::RunEither(Flags(), Run({"show"}, harness::kOrdinaryUser));
  EXPECT_TRUE(Contains(session, "euid 1000 egid 1000 capabilities 0\n"))
      << session.out << session.err;
  // A session of root's that has become somebody else does not come back by it either.
  harness::SessionFlags as_somebody = Flags();
  as_somebody.extra = {"--user", std::to_string(kSomebody) + ":" + std::to_string(kSomebody)};
  const Outcome changed = harness::RunEither(as_somebody, Run({"show"}));
  EXPECT_TRUE(Contains(changed, "euid 3000 egid 3000 capabilities 0\n"))
      << changed.out << changed.err;
}

TEST_F(Identity, FileCapabilitiesGiveNothing) {
  vfs_cap_data data = {};
  data.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
  data.data[0].permitted = 1U << CAP_DAC_OVERRIDE | 1U << CAP_SYS_ADMIN;
  ASSERT_EQ(setxattr(Tool().c_str(), "security.capability", &data, sizeof(data), 0), 0)
      << strerror(errno);
  const Outcome bare = harness::Run(Run({"show"}, harness::kOrdinaryUser));
  ASSERT_TRUE(Contains(bare, "capabilities 200002\n")) << bare.out;
  const Outcome session = harness::RunEither(Flags(), Run({"show"}, harness::kOrdinaryUser));
  EXPECT_TRUE(Contains(session, "capabilities 0\n")) << session.out << session.err;
  const Outcome keeps = harness::RunEither(Flags({"setuid"}), Run({"show"}));
  if (harness::InPrivateView()) {  // its mounts are nosuid, which goes for capabilities, too
    EXPECT_TRUE(Contains(keeps, "capabilities 80\n")) << keeps.out << keeps.err;
    return;
  }
  // The bounding set has only what is kept: a program that insists on more is not executed at all.
  EXPECT_EQ(keeps.exit_code, 126) << keeps.out << keeps.err;
  EXPECT_TRUE(keeps.err.find("Operation not permitted") != std::string::npos) << keeps.err;
}

TEST_F(Identity, RootRegainsNoCapabilityThatIsNotKept) {
  const Outcome bare = harness::Run(Run({"show"}));
  ASSERT_FALSE(Contains(bare, "capabilities 0\n")) << bare.out;
  const Outcome none = harness::RunEither(Flags(), Run({"show"}));
  EXPECT_TRUE(Contains(none, "euid 0 egid 0 capabilities 0\n")) << none.out << none.err;
  const Outcome kept = harness::RunEither(Flags({"chown", "setuid"}), Run({"show"}));
  EXPECT_TRUE(Contains(kept, "euid 0 egid 0 capabilities 81\n")) << kept.out << kept.err;
}

TEST_F(Identity, AnotherUsersFilesOutsideStayClosedToWhoBecomesThatUser) {
  const std::string secret = scratch_ / "secret";
  harness::WriteFile(secret, "canary", 0600);
  ASSERT_EQ(chown(secret.c_str(), kSomebody, kSomebody), 0);
  const std::vector<std::string> steps = {"3000", "read", secret, "write", secret};
  const Outcome bare = harness::Run(Run(steps));
  ASSERT_TRUE(Contains(bare, "OK canary")) << bare.out;
  ASSERT_TRUE(Contains(bare, "write " + secret + ": OK")) << bare.out;
  for (const std::string scope : {"all", "writes"}) {
    harness::SessionFlags flags = Flags({"setuid", "setgid", "dac_override", "dac_read_search"});
    flags.scope = scope;
    const Outcome session = harness::RunEither(flags, Run(steps));
    EXPECT_TRUE(Contains(session, "become 3000: OK")) << session.out << session.err;
    const std::string refused = ": " + harness::OutsideErrno();
    EXPECT_TRUE(Contains(session, "read " + secret + refused)) << session.out;
    EXPECT_TRUE(Contains(session, "write " + secret + refused)) << session.out;
  }
}

// The broker of a session that may change its user has CAP_SYS_PTRACE. What it can be asked to look
// at with it ends at its own Landlock domain: neither a sibling session of the same user nor who
// started it is reached through it.
TEST_F(Identity, BrokerReachesNeitherASiblingNorItsSupervisor) {
  const std::string sibling_mount = scratch_ / "sibling";
  harness::MakeDirectory(sibling_mount);
  harness::WriteFile(sibling_mount + "/f", "canary", 0644);
  ASSERT_EQ(chown(sibling_mount.c_str(), harness::kOrdinaryUser, harness::kOrdinaryUser), 0);
  harness::SessionFlags sibling_flags;
  sibling_flags.mounts = {sibling_mount};
  const std::string pid_file = sibling_mount + "/pid";
  Command sleeper = {.argv = harness::SessionArgv(
                         sibling_flags, {"/bin/sh", "-c", "echo $$ ready > pid; exec sleep 60"}),
                     .directory = sibling_mount,
                     .as_user = harness::kOrdinaryUser};
  Child sibling(sleeper);
  std::string pids;
  for (int i = 0; i < 3000 && pids.find('\n') == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    pids = harness::ReadFile(pid_file);
  }
  const size_t space = pids.find(' ');
  ASSERT_NE(space, std::string::npos) << "the sibling did not start";
  const pid_t command = harness::HostNumberOf(atoi(pids.c_str()), sibling.pid());
  const std::vector<std::string> targets = {
      std::to_string(command), std::to_string(harness::BrokerOf(command)),
      std::to_string(sibling.pid()), std::to_string(getpid())};
  for (const std::string uid : {"0", "1000"}) {
    std::vector<std::string> steps = {uid};
    for (const std::string& pid : targets) {
      for (const char* file : {"environ", "mem", "maps", "cwd/f", "root/etc/shadow"}) {
        steps.insert(steps.end(), {"read", "/proc/" + pid + "/" + file});
      }
      steps.insert(steps.end(), {"readlink", "/proc/" + pid + "/cwd", "signal", pid});
    }
    const Outcome bare = harness::Run(Run(steps));
    ASSERT_TRUE(Contains(bare, "environ: OK")) << bare.out;
    ASSERT_TRUE(Contains(bare, "/cwd: OK /")) << bare.out;
    ASSERT_TRUE(Contains(bare, "signal " + targets[0] + ": OK")) << bare.out;
    const Outcome session = harness::RunEither(Flags({"setuid", "setgid", "kill"}), Run(steps));
    const size_t become = session.out.find("become " + uid + ": OK");
    ASSERT_NE(become, std::string::npos) << session.out << session.err;
    const size_t next = session.out.find('\n', become);
    EXPECT_EQ(session.out.find(": OK", next), std::string::npos) << session.out;
  }
}

}  // namespace
}  // namespace escape
