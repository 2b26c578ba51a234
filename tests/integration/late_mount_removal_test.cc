// What is left of a mount that was taken off a running session: descriptors and working directories
// in it, and calls that were being carried out.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/integration/late_mount_fixture.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class LateMountRemovalTest : public LateMountTest {};
INSTANTIATE_TEST_SUITE_P(Users, LateMountRemovalTest, ::testing::Bool(), NameOfUser);

// Changes a file by its name relative to a working directory, and by a descriptor that was open;
// says what was done. The directory is let go of, and the rest made, when `go` is there.
constexpr char kChangeWhatIsHeld[] = R"(
import os, sys, time
held, mount = sys.argv[1:]
while True:
    try: os.chdir(held); fd = os.open("file", os.O_RDWR); break
    except OSError: time.sleep(0.02)
directory = os.open(".", os.O_RDONLY)
def changes():
    yield "chmod", lambda: os.chmod("file", 0o751)
    yield "fchmod", lambda: os.fchmod(fd, 0o715)
    yield "fchmod of a directory", lambda: os.fchmod(directory, 0o751)
    yield "fchmodat", lambda: os.chmod("file", 0o717, dir_fd=directory)
    yield "chown", lambda: os.chown("file", os.getuid(), os.getgid())
    yield "fchown", lambda: os.fchown(fd, os.getuid(), os.getgid())
    yield "utimensat", lambda: os.utime("file", (1, 1))
    yield "futimens", lambda: os.utime(fd, (2, 2))
    yield "setxattr", lambda: os.setxattr("file", "user.path", b"1")
    yield "fsetxattr", lambda: os.setxattr(fd, "user.descriptor", b"1")
    yield "by /proc/self/fd", lambda: os.chmod("/proc/self/fd/%d" % fd, 0o771)
    yield "by /proc/self/cwd", lambda: os.chmod("/proc/self/cwd/file", 0o771)
    yield "truncate", lambda: os.truncate("file", 0)
    yield "open", lambda: os.open("file", os.O_WRONLY)
    yield "read", lambda: os.open("file", os.O_RDONLY)
    yield "create", lambda: os.open("new", os.O_WRONLY | os.O_CREAT)
    yield "mkdir", lambda: os.mkdir("made")
    yield "symlink", lambda: os.symlink("x", "link")
    yield "link", lambda: os.link("file", "second")
    yield "rename", lambda: os.rename("file", "moved")
    yield "unlink", lambda: os.unlink("moved")
def attempt(when):
    done, refused = [], []
    for name, change in changes():
        try: change(); done.append(name)
        except OSError: refused.append(name)
    if not refused: done = ["all"]
    with open(mount + "/" + when + ".new", "w") as out: out.write("\n".join(done))
    os.rename(mount + "/" + when + ".new", mount + "/" + when)
def wait(name):
    while not os.path.exists(mount + "/" + name): time.sleep(0.02)
if os.path.exists(mount + "/bare"): attempt("control")
open(mount + "/ready", "w").close()
wait("go")
attempt("after")
)";

// The mount shows, at the path of another mount below its own root, a directory like that one: the
// kernel tells a path in a mount that was taken off from that mount's root on.
TEST_P(LateMountRemovalTest, NothingThatIsHeldInItIsChanged) {
  const std::string alike = MakeShared("shared" + mount_);
  const uid_t owner = user_.value_or(geteuid());
  ASSERT_EQ(chown((alike + "/file").c_str(), owner, owner), geteuid() == 0 ? 0 : -1);
  ASSERT_EQ(chown(alike.c_str(), owner, owner), geteuid() == 0 ? 0 : -1);
  std::ofstream(scratch_ + "/change.py") << kChangeWhatIsHeld;
  chmod((scratch_ + "/change.py").c_str(), 0644);
  std::ofstream(scratch_ + "/policy.toml")
      << "extends = [\"default\"]\n[filesystem]\nreserve = true\nread = [\"" << scratch_
      << "/change.py\"]\n[[mount]]\nhost = \"" << mount_ << "\"\ncross_device = true\n";
  chmod((scratch_ + "/policy.toml").c_str(), 0644);
  for (const bool control : {true, false}) {
    for (const char* name : {"bare", "control", "ready", "go", "after"}) {
      fs::remove(mount_ + "/" + name);
    }
    if (control) std::ofstream(mount_ + "/bare") << "";
    for (const auto& entry : fs::directory_iterator(alike)) fs::remove_all(entry.path());
    std::ofstream(alike + "/file") << "file\n";
    ASSERT_EQ(chmod((alike + "/file").c_str(), 0640), 0);
    ASSERT_EQ(chown((alike + "/file").c_str(), owner, owner), 0);
    struct stat before, after;
    const std::string id = Spawn({"--policy", scratch_ + "/policy.toml", "--", "python3",
                                  scratch_ + "/change.py", "/mnt/data" + mount_, mount_});
    const CliResult added = Add(id, shared_ + ":/mnt/data");
    ASSERT_EQ(added.exit_code, 0) << added.err;
    ASSERT_TRUE(Eventually([&] { return fs::exists(mount_ + "/ready"); }));
    if (control) {
      EXPECT_EQ(ReadWholeFile(mount_ + "/control"), "all") << "the control, before it is taken off";
      EXPECT_EQ(Cli({"stop", "--timeout", "0", id}).exit_code, 0);
      continue;
    }
    ASSERT_EQ(stat((alike + "/file").c_str(), &before), 0);
    const CliResult removed = Remove(id, "/mnt/data");
    ASSERT_EQ(removed.exit_code, 0) << removed.err;
    std::ofstream(mount_ + "/go") << "";
    ASSERT_TRUE(Eventually([&] { return fs::exists(mount_ + "/after"); }));
    EXPECT_EQ(ReadWholeFile(mount_ + "/after"), "");
    ASSERT_EQ(stat((alike + "/file").c_str(), &after), 0);
    EXPECT_EQ(before.st_ctim.tv_sec, after.st_ctim.tv_sec);
    EXPECT_EQ(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
    EXPECT_EQ(ReadWholeFile(alike + "/file"), "file\n");
    EXPECT_EQ(std::distance(fs::directory_iterator(alike), fs::directory_iterator()), 1);
  }
}

// A file system on a loop device, which can be frozen: then whoever changes something in it waits.
class FrozenFileSystem {
 public:
  explicit FrozenFileSystem(const std::string& scratch)
      : image_(scratch + "/image"), path_(scratch + "/frozen") {
    fs::create_directory(path_);
    const std::string make = "truncate -s 16M " + image_ + " && mkfs.ext4 -q " + image_ +
                             " && mount -o loop " + image_ + " " + path_ + " 2>/dev/null";
    mounted_ = system(make.c_str()) == 0;
  }
  ~FrozenFileSystem() {
    Thaw();
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  FrozenFileSystem(const FrozenFileSystem&) = delete;
  FrozenFileSystem& operator=(const FrozenFileSystem&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& path() const { return path_; }
  bool Freeze() { return frozen_ = Ask(FIFREEZE); }
  void Thaw() {
    if (frozen_) frozen_ = !Ask(FITHAW);
  }

 private:
  bool Ask(unsigned long request) const {
    const int fd = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool done = fd >= 0 && ioctl(fd, request, 0) == 0;
    if (fd >= 0) close(fd);
    return done;
  }

  const std::string image_, path_;
  bool mounted_ = false, frozen_ = false;
};

TEST_P(LateMountRemovalTest, MountIsNotSaidToBeGoneWhileACallChangesSomethingInIt) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to mount a file system";
  FrozenFileSystem slow(scratch_);
  if (!slow.mounted()) GTEST_SKIP() << "needs loop devices and mkfs.ext4";
  const std::string file = MakeShared("frozen/work") + "/file";
  const uid_t owner = user_.value_or(geteuid());
  ASSERT_EQ(chown(file.c_str(), owner, owner), 0);
  const std::string id = Idle();
  ASSERT_EQ(Add(id, slow.path() + "/work:/mnt/data").exit_code, 0);
  ASSERT_EQ(Shell(id, "chmod 640 /mnt/data/file; echo ok").out, "ok\n");
  ASSERT_TRUE(slow.Freeze());
  const pid_t changer =
      Start({"exec", id, "sh", "-c",
             "touch " + mount_ + "/begins; chmod 600 /mnt/data/file; touch " + mount_ + "/ended"});
  ASSERT_TRUE(Eventually([&] { return fs::exists(mount_ + "/begins"); }));
  usleep(300'000);  // it is in the kernel by then, or (the assertions hold all the same) on its way
  ExpectRefused(Remove(id, "/mnt/data"), "is still being carried out");
  EXPECT_EQ(Added(id), std::vector<std::string>{"/mnt/data"});
  EXPECT_EQ(
      Shell(id, "cat /mnt/data/file 2>/dev/null; (echo x > /mnt/data/new) 2>/dev/null; echo end")
          .out,
      "end\n")
      << "nobody else reaches it any more";
  EXPECT_FALSE(fs::exists(mount_ + "/ended")) << "the control: it hangs";
  slow.Thaw();
  EXPECT_EQ(AwaitExit(changer), 0);
  const CliResult removed = Remove(id, "/mnt/data");
  EXPECT_EQ(removed.exit_code, 0) << removed.err;
  EXPECT_EQ(Added(id), std::vector<std::string>{});
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  EXPECT_EQ(Shell(id, "test -e /mnt/data || echo absent").out, "absent\n");
  EXPECT_EQ(Add(id, slow.path() + "/work:/mnt/data:ro").exit_code, 0) << "the place is free";
}

}  // namespace
}  // namespace sessionctl
