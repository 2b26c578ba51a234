// The island rule, path by path, against real directories. The caller is this process itself.
#include "supervisor/mediator/path_resolver.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class PathResolverTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "resolverXXXXXX";
    root_ = fs::canonical(mkdtemp(pattern.data()));
    for (const char* directory : {"a/sub/deep", "b", "outside"})
      fs::create_directories(root_ / directory);
    for (const char* file : {"a/file", "a/sub/file", "b/private", "outside/secret"}) {
      std::ofstream(root_ / file) << file;
    }
    AddMount("a");
    AddMount("b");
    policy_.system.push_back(SystemGrant{.path = "/usr"});
    absl::StatusOr<SessionView> view = SessionView::Create(policy_);
    ASSERT_TRUE(view.ok()) << view.status();
    view_ = std::make_unique<SessionView>(*std::move(view));
    before_ = fs::current_path();
    fs::current_path(root_ / "a");
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(root_);
  }

  void AddMount(const std::string& name) {
    CompiledMount mount;
    mount.mount.host = mount.mount.guest = mount.mount.alias = root_ / name;
    policy_.mounts.push_back(mount);
  }
  void Link(const std::string& target, const std::string& name) {
    fs::create_symlink(target, root_ / name);
  }

  // What `path` resolves to: the real path below the scratch directory, or the errno's name.
  std::string Resolve(const std::string& path, bool follow = true, int dirfd = AT_FDCWD) {
    RemoteTask task(view_->proc(), gettid());
    Refusal refusal;
    PathResolver resolver(*view_, task, refusal);
    SysResult<PinnedObject> object = resolver.Object(CallerPath{dirfd, path}, follow);
    if (!object.ok()) return strerrorname_np(object.error());
    return Place(object->fd.get(), object->mount);
  }
  std::string ResolveParent(const std::string& path) {
    RemoteTask task(view_->proc(), gettid());
    Refusal refusal;
    PathResolver resolver(*view_, task, refusal);
    SysResult<PinnedParent> parent = resolver.Parent(CallerPath{AT_FDCWD, path});
    if (!parent.ok()) return strerrorname_np(parent.error());
    if (parent->is_mount_root) return "root";
    return Place(parent->fd.get(), parent->mount) + " + " + parent->KernelLeaf();
  }
  std::string Place(int fd, const MountView* mount) const {
    SysResult<std::string> real = PathOfDescriptor(fd);
    EXPECT_TRUE(real.ok());
    std::string text =
        real->starts_with(root_.string()) ? real->substr(root_.string().size() + 1) : *real;
    return text + (mount == nullptr ? " (no mount)" : "");
  }
  std::string Abs(const std::string& name) const { return root_ / name; }

  fs::path root_;
  fs::path before_;
  CompiledPolicy policy_;
  std::unique_ptr<SessionView> view_;
};

TEST_F(PathResolverTest, PlainPathsResolve) {
  EXPECT_EQ(Resolve("file"), "a/file");
  EXPECT_EQ(Resolve(Abs("a/file")), "a/file");
  EXPECT_EQ(Resolve(Abs("a//./sub///file")), "a/sub/file");
  EXPECT_EQ(Resolve("."), "a");
  EXPECT_EQ(Resolve(Abs("a")), "a");
  EXPECT_EQ(Resolve(Abs("a/")), "a");
  EXPECT_EQ(Resolve("file/"), "ENOTDIR");
  EXPECT_EQ(Resolve("missing"), "ENOENT");
}

TEST_F(PathResolverTest, LegalDetoursResolve) {
  EXPECT_EQ(Resolve("sub/../file"), "a/file");
  EXPECT_EQ(Resolve(Abs("a/../a/file")), "a/file");
  EXPECT_EQ(Resolve("../a/file"), "a/file");
  fs::current_path(root_ / "a/sub/deep");
  EXPECT_EQ(Resolve("../../file"), "a/file");
  EXPECT_EQ(Resolve("../../../a/sub/file"), "a/sub/file");
  EXPECT_EQ(Resolve("../../../../../../../../../../../../../.." + Abs("a/file")), "a/file");
}

// The session could have named that place itself: no link had a part in it (docs/design.md).
TEST_F(PathResolverTest, CallersOwnDotDotReachesTheOtherMount) {
  EXPECT_EQ(Resolve("../b/private"), "b/private");
  EXPECT_EQ(Resolve("sub/../../b/private"), "b/private");
}

TEST_F(PathResolverTest, LinksInsideTheMountResolve) {
  Link("sub/file", "a/relative");
  Link(Abs("a/sub"), "a/absolute");
  Link("../file", "a/sub/up");
  EXPECT_EQ(Resolve("relative"), "a/sub/file");
  EXPECT_EQ(Resolve("absolute/file"), "a/sub/file");
  EXPECT_EQ(Resolve("absolute/../file"), "a/file");
  EXPECT_EQ(Resolve("absolute/up"), "a/file");
  EXPECT_EQ(Resolve("relative", false), "a/relative");
}

// Back into the mount past one that lies around it, never into that one or one inside.
TEST_F(PathResolverTest, AbsoluteLinksResolveInAMountInsideAnother) {
  fs::create_directories(root_ / "a/inner/sub");
  fs::create_directories(root_ / "a/inner/innermost");
  std::ofstream(root_ / "a/inner/sub/file") << "inner";
  std::ofstream(root_ / "a/inner/innermost/file") << "innermost";
  for (const char* mount : {"a/inner", "a/inner/innermost"}) AddMount(mount);
  std::swap(policy_.mounts.front(), policy_.mounts.back());  // longest guest path first
  absl::StatusOr<SessionView> view = SessionView::Create(policy_);
  ASSERT_TRUE(view.ok()) << view.status();
  view_ = std::make_unique<SessionView>(*std::move(view));
  Link(Abs("a/inner/sub"), "a/inner/absolute");
  Link(Abs("a/inner/sub/../sub/file"), "a/inner/with-dots");
  Link(Abs("a/file"), "a/inner/outwards");
  Link(Abs("a/inner/innermost/file"), "a/inner/inwards");
  fs::current_path(root_ / "a/inner");
  EXPECT_EQ(Resolve("absolute/file"), "a/inner/sub/file");
  EXPECT_EQ(Resolve("with-dots"), "a/inner/sub/file");
  EXPECT_EQ(ResolveParent("absolute/new"), "a/inner/sub + new");
  EXPECT_EQ(Resolve("outwards"), "EACCES");
  EXPECT_EQ(Resolve("inwards"), "EACCES");
}

TEST_F(PathResolverTest, LinksThatLeaveTheMountAreRefused) {
  Link(Abs("outside/secret"), "a/absolute");
  Link("../outside/secret", "a/relative");
  Link("../outside", "a/directory");
  Link("/usr/bin", "a/system");
  Link("..", "a/up");
  EXPECT_EQ(Resolve("absolute"), "EACCES");
  EXPECT_EQ(Resolve("relative"), "EACCES");
  EXPECT_EQ(Resolve("directory/secret"), "EACCES");
  EXPECT_EQ(Resolve("system/env"), "EACCES");
  EXPECT_EQ(Resolve("up/outside/secret"), "EACCES");
  EXPECT_EQ(Resolve("up/a/file"), "EACCES");
}

TEST_F(PathResolverTest, LinksOntoAnotherMountAreRefused) {
  Link(Abs("b/private"), "a/absolute");
  Link("../b", "a/relative");
  EXPECT_EQ(Resolve("absolute"), "EACCES");
  EXPECT_EQ(Resolve("relative/private"), "EACCES");
  EXPECT_EQ(ResolveParent("relative/new"), "EACCES");
}

TEST_F(PathResolverTest, MagicLinksBehindALinkAreRefused) {
  int fd = open(Abs("b/private").c_str(), O_RDONLY | O_CLOEXEC);
  Link("/proc/self/fd/" + std::to_string(fd), "a/magic");
  Link("/proc/self/cwd/../b/private", "a/cwd");
  EXPECT_EQ(Resolve("magic"), "EACCES");
  EXPECT_EQ(Resolve("cwd"), "EACCES");
  EXPECT_EQ(Resolve("/proc/self/fd/" + std::to_string(fd)), "EACCES")
      << "this process is its own broker here, and a broker's own /proc is refused";
  close(fd);
}

TEST_F(PathResolverTest, LoopsEndWithEloop) {
  Link("loop", "a/loop");
  Link(Abs("a/two"), "a/one");
  Link(Abs("a/one"), "a/two");
  EXPECT_EQ(Resolve("loop"), "ELOOP");
  EXPECT_EQ(Resolve("one"), "ELOOP");
}

TEST_F(PathResolverTest, ParentsKeepTheLastComponentAsWritten) {
  EXPECT_EQ(ResolveParent("new"), "a + new");
  EXPECT_EQ(ResolveParent("sub/new/"), "a/sub + new/");
  EXPECT_EQ(ResolveParent("sub/."), "a/sub + .");
  EXPECT_EQ(ResolveParent("sub/.."), "a/sub + ..");
  EXPECT_EQ(ResolveParent("../a/sub/new"), "a/sub + new");
  EXPECT_EQ(ResolveParent(Abs("a")), "root");
  EXPECT_EQ(ResolveParent(Abs("a/")), "root");
  EXPECT_EQ(ResolveParent("../a"), "root");
  EXPECT_EQ(ResolveParent(Abs("outside/new")), "outside (no mount) + new");
  EXPECT_EQ(ResolveParent("missing/new"), "ENOENT");
  EXPECT_EQ(ResolveParent("file/new"), "ENOTDIR");
}

TEST_F(PathResolverTest, RelativeToADescriptor) {
  int sub = open(Abs("a/sub").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int outside = open(Abs("outside").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int file = open(Abs("a/file").c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(Resolve("file", true, sub), "a/sub/file");
  EXPECT_EQ(Resolve("../file", true, sub), "a/file");
  EXPECT_EQ(Resolve("secret", true, outside), "outside/secret (no mount)");
  EXPECT_EQ(Resolve("x", true, file), "ENOTDIR");
  EXPECT_EQ(Resolve("x", true, 9999), "EBADF");
  EXPECT_EQ(Resolve("x", true, -7), "EBADF");
  EXPECT_EQ(Resolve(Abs("a/file"), true, -7), "a/file");
  for (int fd : {sub, outside, file}) close(fd);
}

// The directory that was granted counts, whatever its old name means now.
TEST_F(PathResolverTest, AReplacedMountDirectoryChangesNothing) {
  fs::rename(root_ / "a", root_ / "moved");
  fs::create_directory(root_ / "a");
  std::ofstream(root_ / "a/file") << "impostor";
  EXPECT_EQ(Resolve(Abs("a/file")), "moved/file");
  EXPECT_EQ(Resolve("file"), "moved/file");
  fs::current_path(root_ / "a");  // natively, into the impostor
  EXPECT_EQ(Resolve("sub/file"), "moved/sub/file");
}

// d_path writes " (deleted)" behind a removed directory: a directory of just that name must not
// pass for it.
TEST_F(PathResolverTest, ADirectoryNamedLikeARemovedMountIsNoMount) {
  fs::current_path(root_);
  fs::remove_all(root_ / "a");
  fs::create_directory(root_ / "a (deleted)");
  std::ofstream(root_ / "a (deleted)/file") << "impostor";
  fs::current_path(root_ / "a (deleted)");
  EXPECT_EQ(Resolve("file"), "a (deleted)/file (no mount)");
}

TEST_F(PathResolverTest, NoSymlinksMeansEloop) {
  policy_.mounts[0].mount.symlinks = SymlinkRule::kNone;
  absl::StatusOr<SessionView> view = SessionView::Create(policy_);
  ASSERT_TRUE(view.ok());
  view_ = std::make_unique<SessionView>(*std::move(view));
  Link("sub/file", "a/link");
  Link("sub", "a/directory");
  EXPECT_EQ(Resolve("link"), "ELOOP");
  EXPECT_EQ(Resolve("directory/file"), "ELOOP");
  EXPECT_EQ(Resolve("link", false), "a/link");
}

}  // namespace
}  // namespace sessionctl
