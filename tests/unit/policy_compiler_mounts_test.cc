// Mounts in the policy compiler: canonical, made when missing, apart from each other, and not led
// astray by links.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "policy/policy_parser.h"
#include "tests/unit/policy_compiler_fixture.h"

namespace sessionctl {
namespace {

TEST_F(PolicyCompiler, MountIsCanonicalAndKeepsItsSpelling) {
  std::filesystem::create_directory_symlink(root_ + "/a", root_ + "/link");
  const CompiledPolicy compiled = CompileOk({At("/b/.././link/")});
  EXPECT_EQ(compiled.mounts[0].mount.host, root_ + "/a");
  EXPECT_EQ(compiled.mounts[0].mount.alias, root_ + "/link");
  EXPECT_EQ(compiled.policy.mounts[0].host, root_ + "/a");
}

TEST_F(PolicyCompiler, VariablesExpandInHosts) {
  Make("/s-1");
  EXPECT_EQ(CompileOk({At("/{session}")}).mounts[0].mount.host, root_ + "/s-1");
  ExpectError(Compile({At("/{sesion}")}), absl::StatusCode::kInvalidArgument,
              "p.toml:4:1: mount.host: " + root_ + "/{sesion}: unknown variable {sesion}");
  policy_.mounts = {At("/{user}")};
  for (const char* user : {"", "..", ".", "a/b"}) {
    ExpectError(CompilePolicy(policy_, {"s", user}, Modern(), Calls()),
                absl::StatusCode::kInvalidArgument, "{user} has no value fit for a path");
  }
}

TEST_F(PolicyCompiler, CreateMakesOneDirectoryOfModeSevenHundred) {
  Mount mount = At("/new-{session}");
  ExpectError(Compile({mount}), absl::StatusCode::kNotFound, "create = true would make it");
  mount.create = true;
  EXPECT_EQ(CompileOk({mount}).mounts[0].mount.host, root_ + "/new-s-1");
  struct stat status;
  ASSERT_EQ(stat((root_ + "/new-s-1").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  EXPECT_TRUE(Compile({mount}).ok()) << "it is there already";
  mount = At("/no/parent");
  mount.create = true;
  EXPECT_EQ(Compile({mount}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PolicyCompiler, CreateDoesNotFollowAPlantedLink) {
  std::filesystem::create_directory_symlink(root_ + "/b", root_ + "/planted");
  std::filesystem::create_symlink(root_ + "/not-there", root_ + "/dangling");
  for (const char* name : {"/planted", "/dangling"}) {
    Mount mount = At(name);
    mount.create = true;
    ExpectError(Compile({mount}), absl::StatusCode::kInvalidArgument, "symbolic link");
  }
  EXPECT_FALSE(std::filesystem::exists(root_ + "/not-there"));
}

TEST_F(PolicyCompiler, CreateRefusesSomebodyElsesDirectory) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make another user's directory";
  ASSERT_EQ(chown((root_ + "/b").c_str(), 65534, 65534), 0);
  Mount mount = At("/b");
  mount.create = true;
  ExpectError(Compile({mount}), absl::StatusCode::kPermissionDenied, "belongs to uid 65534");
}

TEST_F(PolicyCompiler, CreateMakesItForTheSessionsUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to name another user";
  policy_.process.user = "65534";
  Mount mount = At("/made");
  mount.create = true;
  CompileOk({mount});
  struct stat status;
  ASSERT_EQ(stat((root_ + "/made").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 65534U);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  CompileOk({mount});  // there already, and the user's own
  policy_.process.user = "1";
  ExpectError(Compile({mount}), absl::StatusCode::kPermissionDenied, "belongs to uid 65534");
}

TEST_F(PolicyCompiler, UnusableMountIsAnError) {
  std::ofstream(root_ + "/file") << "x";
  ExpectError(Compile({At("/none")}), absl::StatusCode::kNotFound, root_ + "/none");
  ExpectError(Compile({At("/file")}), absl::StatusCode::kInvalidArgument, "not a directory");
  Mount mount;
  for (const char* host : {"/", "/..", "/tmp/.."}) {
    mount.host = host;
    ExpectError(Compile({mount}), absl::StatusCode::kInvalidArgument, "root directory");
  }
  mount.host = "/proc/1";
  ExpectError(Compile({mount}), absl::StatusCode::kInvalidArgument, "proc cannot be a mount");
  mount.host = "relative";
  ExpectError(Compile({mount}), absl::StatusCode::kInvalidArgument, "not an absolute path");
}

TEST_F(PolicyCompiler, UnreadableMountIsPermissionDenied) {
  ASSERT_EQ(chmod((root_ + "/b").c_str(), 0), 0);
  ASSERT_EQ(chmod(root_.c_str(), 0755), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(2);
    _exit(Compile({At("/b")}).status().code() == absl::StatusCode::kPermissionDenied ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  chmod((root_ + "/b").c_str(), 0755);  // or an ordinary user cannot remove it
}

TEST_F(PolicyCompiler, SameDirectoryTwiceIsAnError) {
  std::filesystem::create_directory_symlink(root_ + "/a", root_ + "/link");
  ExpectError(Compile({At("/a"), At("/a")}), absl::StatusCode::kInvalidArgument,
              "is a mount already (p.toml:4:1)");
  ExpectError(Compile({At("/a"), At("/link")}), absl::StatusCode::kInvalidArgument,
              "is a mount already");
}

TEST_F(PolicyCompiler, NestedMountOnPurposeIsAllowedLongestFirst) {
  Mount inner = At("/a/inner");
  inner.mode = MountMode::kReadOnly;
  const CompiledPolicy compiled = CompileOk({At("/a"), inner});
  EXPECT_EQ(compiled.mounts[0].mount.host, root_ + "/a/inner");
  EXPECT_EQ(compiled.mounts[1].mount.host, root_ + "/a");
  EXPECT_EQ(compiled.policy.mounts[0].host, root_ + "/a");
  EXPECT_TRUE(Compile({inner, At("/a")}).ok());
}

TEST_F(PolicyCompiler, LinkIntoAnotherMountIsAnError) {
  std::filesystem::create_directory_symlink(root_ + "/a/inner", root_ + "/link");
  ExpectError(Compile({At("/a"), At("/link")}), absl::StatusCode::kInvalidArgument,
              "leads into mount");
  // The same when both are reached by one link: nested as written.
  std::filesystem::create_directory_symlink(root_ + "/a", root_ + "/alias");
  EXPECT_TRUE(Compile({At("/alias"), At("/alias/inner")}).ok());
}

TEST_F(PolicyCompiler, LinkOutOfAMountThatSessionsMayWriteIsAnError) {
  std::filesystem::create_directory_symlink(root_ + "/b", root_ + "/a/planted");
  const char* why = "where sessions may write, leads to ";
  ExpectError(Compile({At("/a"), At("/a/planted")}), absl::StatusCode::kInvalidArgument, why);
  ExpectError(Compile({At("/a/planted"), At("/a")}), absl::StatusCode::kInvalidArgument, why);
  Mount read_only = At("/a");
  read_only.mode = MountMode::kReadOnly;
  EXPECT_TRUE(Compile({read_only, At("/a/planted")}).ok());
  policy_.filesystem.read = {root_ + "/a/planted"};
  ExpectError(Compile({At("/a")}), absl::StatusCode::kInvalidArgument, why);
}

TEST_F(PolicyCompiler, LinkThatIsReachedByALinkOrDotDotIsFoundToo) {
  std::filesystem::create_directory_symlink(root_ + "/b", root_ + "/a/planted");
  std::filesystem::create_directory_symlink(root_ + "/a/planted", root_ + "/trusted");
  const char* why = "where sessions may write, leads to ";
  ExpectError(Compile({At("/a"), At("/trusted")}), absl::StatusCode::kInvalidArgument, why);
  ExpectError(Compile({At("/a"), At("/a/planted/../b")}), absl::StatusCode::kInvalidArgument, why);
  EXPECT_TRUE(Compile({At("/a"), At("/a/../b")}).ok());  // looks up no name in the mount
}

TEST_F(PolicyCompiler, NothingIsCreatedBehindALinkOutOfAMount) {
  std::filesystem::create_directory_symlink(root_ + "/b", root_ + "/a/planted");
  Mount inner = At("/a/planted/new");
  inner.create = true;
  ExpectError(Compile({At("/a"), inner}), absl::StatusCode::kInvalidArgument,
              "where sessions may write, leads to ");
  EXPECT_FALSE(std::filesystem::exists(root_ + "/b/new"));
  inner.host = root_ + "/a/inner/new";
  EXPECT_TRUE(Compile({At("/a"), inner}).ok());
}

TEST_F(PolicyCompiler, GuestPathMakesTheViewPrivate) {
  KernelFeatures none = Modern();
  none.user_namespace_obstacle = "sysctl x = 1";
  view_is_open_ = true;
  Mount mount = At("/a");
  mount.guest = mount.host + "/";
  absl::StatusOr<CompiledPolicy> compiled = Compile({mount}, none);
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  EXPECT_FALSE(compiled->view.is_private);
  mount.guest = "/srv//data/";
  ExpectError(Compile({mount}, none), absl::StatusCode::kFailedPrecondition,
              "is seen at /srv/data), and for an ordinary user a user namespace with it, which "
              "this machine forbids: sysctl x = 1");
  compiled = Compile({mount});
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  EXPECT_TRUE(compiled->view.is_private);
  EXPECT_TRUE(compiled->view.moves_mounts);
  EXPECT_EQ(compiled->policy.mounts[0].guest, "/srv/data");
  EXPECT_EQ(compiled->working_directory, "/srv/data");
}

TEST_F(PolicyCompiler, ViewThatIsLeftOpenIsPrivateWhereItCanBe) {
  view_is_open_ = true;
  CompiledPolicy compiled = CompileOk({At("/a")});
  EXPECT_TRUE(compiled.view.is_private);
  EXPECT_TRUE(compiled.view.as_user);
  EXPECT_FALSE(compiled.view.moves_mounts);
  EXPECT_TRUE(compiled.reads_mediated);  // beside a /tmp of its own
  EXPECT_EQ(compiled.mounts[0].mount.guest, root_ + "/a");
  EXPECT_EQ(compiled.policy.filesystem.view, ViewRule::kAuto);
  policy_.filesystem.tmp = TmpRule::kNone;
  EXPECT_FALSE(CompileOk({At("/a")}).reads_mediated);
}

TEST_F(PolicyCompiler, ViewThatIsLeftOpenIsTheHostsWhereNoOtherCanBe) {
  view_is_open_ = true;
  const auto expect_hosts = [this](const Mount& mount, const KernelFeatures& features,
                                   const char* why) {
    const CompiledPolicy compiled = CompileOk({mount}, features);
    EXPECT_FALSE(compiled.view.is_private);
    EXPECT_THAT(compiled.view.reason, ::testing::HasSubstr(why));
  };
  KernelFeatures features = Modern();
  features.user_namespace_obstacle = "sysctl x = 1";
  expect_hosts(At("/a"), features, "sysctl x = 1");
  features.ipc_namespaces = true;  // root needs no user namespace
  EXPECT_TRUE(CompileOk({At("/a")}, features).view.is_private);
  Mount devices = At("/a");
  devices.host = "/dev";
  expect_hosts(devices, Modern(), "nothing can be mounted in /dev");
  policy_.filesystem.read = {root_ + "/a/inner"};
  expect_hosts(At("/a"), Modern(), "would hide");
  policy_.filesystem.read.clear();
  policy_.scope = MediationScope::kWrites;
  expect_hosts(At("/a"), Modern(), "\"writes\" is not enough");
}

TEST_F(PolicyCompiler, GuestPathThatCannotBeIsAnErrorThatNamesIt) {
  const std::pair<const char*, const char*> cases[] = {
      {"/", "the root directory cannot be a mount"},
      {"/proc/x", "nothing can be mounted in /proc"},
      {"/dev/shm", "nothing can be mounted in /dev"},
      {"data", "not an absolute path"},
  };
  for (const auto& [guest, why] : cases) {
    Mount mount = At("/a");
    mount.guest = guest;
    ExpectError(Compile({mount}), absl::StatusCode::kInvalidArgument, why);
  }
}

TEST_F(PolicyCompiler, TwoMountsAtOneGuestPathAreAnError) {
  Mount one = At("/a");
  Mount other = At("/b");
  one.guest = other.guest = "/srv/data";
  ExpectError(Compile({one, other}), absl::StatusCode::kInvalidArgument,
              "/srv/data: another mount is there already");
}

TEST_F(PolicyCompiler, DirectoryThatWouldBeSeenTwiceIsAnError) {
  Mount outer = At("/a");
  Mount inner = At("/a/in");
  std::filesystem::create_directory(inner.host);
  outer.guest = "/srv/data";
  inner.guest = "/srv/other";
  ExpectError(Compile({outer, inner}), absl::StatusCode::kInvalidArgument, "would be seen twice");
  inner.guest = "/srv/data/in";
  EXPECT_TRUE(Compile({outer, inner}).ok());
}

TEST_F(PolicyCompiler, BadGlobNamesTheMount) {
  Mount mount = At("/a");
  mount.read_only = {"[x"};
  ExpectError(Compile({mount}), absl::StatusCode::kInvalidArgument, "p.toml:4:1: mount.read_only");
}

}  // namespace
}  // namespace sessionctl
