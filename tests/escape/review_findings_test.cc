// What reviews found once, kept from coming back. One test a finding, named after what went wrong.
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/escape/attack.h"
#include "tests/harness/user_and_view.h"

namespace escape {
namespace {

// d_path calls an unlinked file "NAME (deleted)", which no glob matched: whoever held it by O_PATH
// could reopen it.
class ReplacedDeniedFile : public testing::Test {
 protected:
  // Opens .env with O_PATH (native: it reads nothing), lets the host replace it, and reopens the
  // old one.
  Steps ReadTheOldOne(bool denied) {
    harness::WriteFile(scene_.mount() + "/.env", harness::kCanary);
    harness::SessionFlags flags = scene_.Flags();
    if (denied) flags.deny = {".env"};
    harness::Command command = scene_.StepsCommand(
        "open 0 path .env , write wronly+creat started , await go , read /proc/self/fd/%0");
    command.argv = harness::SessionArgv(flags, command.argv);
    harness::Child child(command);
    while (!harness::Exists(scene_.mount() + "/started") && child.Running()) usleep(1000);
    harness::WriteFile(scene_.mount() + "/new", "new\n");
    EXPECT_EQ(rename((scene_.mount() + "/new").c_str(), (scene_.mount() + "/.env").c_str()), 0);
    harness::WriteFile(scene_.mount() + "/go", "");
    return AttackScene::Parse(child.Wait());
  }
  AttackScene scene_;
};

TEST_F(ReplacedDeniedFile, IsReadWithoutTheRule) {
  EXPECT_TRUE(ReadTheOldOne(false).Saw("CANARY-OUTSIDE"));
}

TEST_F(ReplacedDeniedFile, StaysDenied) {
  const Steps steps = ReadTheOldOne(true);
  EXPECT_FALSE(steps.Saw("CANARY-OUTSIDE")) << steps.raw;
  EXPECT_EQ(steps.LastError(), "EACCES") << steps.raw;
}

// Metadata through a descriptor that was opened for reading, below a read-only mount.
std::string SetVersionByPython(const std::string& path) {
  return "import fcntl,os,struct\nfd=os.open('" + path +
         "',os.O_RDONLY)\ntry:\n fcntl.ioctl(fd,0x40086604,struct.pack('l',7)); print('CHANGED')\n"
         "except OSError as e: print(e.strerror)";
}

TEST(ReadOnlyDescriptor, GenerationOfTheInodeStays) {
  AttackScene scene;
  const std::string script = SetVersionByPython(scene.mount() + "/target");
  const std::vector<std::string> argv = {"/usr/bin/python3", "-c", script};
  const harness::Outcome bare = harness::Run({.argv = argv});
  if (bare.out != "CHANGED\n") GTEST_SKIP() << "needs a file system with EXT4_IOC_SETVERSION";
  harness::SessionFlags flags;
  flags.mounts = {scene.mount() + ":ro"};
  const harness::Outcome session = harness::RunEither(flags, {.argv = argv});
  EXPECT_EQ(session.exit_code, 0) << session.err;
  EXPECT_EQ(session.out, "Operation not supported\n") << session.err;
}

// prlimit(2) is no signal, so Landlock's signal scope says nothing about it.
TEST(LimitsOfOthers, StayWhatTheyWere) {
  AttackScene scene;
  // One less than it is, so that the change shows.
  rlimit before_descriptors;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before_descriptors), 0);
  const std::string soft = std::to_string(before_descriptors.rlim_cur - 1);
  const std::string script =
      "import resource as r\nhard=r.getrlimit(r.RLIMIT_NOFILE)[1]\ntry:\n r.prlimit(" +
      std::to_string(getpid()) + ",r.RLIMIT_NOFILE,(" + soft +
      ",hard)); print('CHANGED')\nexcept OSError: print('refused')";
  const std::vector<std::string> argv = {"/usr/bin/python3", "-c", script};
  const harness::Outcome bare = harness::Run({.argv = argv});
  EXPECT_EQ(bare.out, "CHANGED\n") << bare.err;
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_descriptors), 0);
  const harness::Outcome session = harness::RunEither(scene.Flags(), {.argv = argv});
  EXPECT_EQ(session.out, "refused\n") << session.err;
  rlimit after;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before_descriptors.rlim_cur);
}

// What the island rule refused was EACCES without a rule: the central attack did not show in the
// audit.
TEST(Audit, NamesTheIslandRule) {
  AttackScene scene;
  scene.RunBare("symlink {vault}/target link");
  harness::SessionFlags flags = scene.Flags();
  const std::string audit = scene.Path("audit.jsonl");
  flags.extra = {"--audit-file", audit};
  const Steps steps = scene.RunInSession("write wronly link", flags);
  EXPECT_EQ(steps.LastError(), "EACCES") << steps.raw;
  // In a private view the way there is through its own /tmp.
  const std::string rule =
      harness::InPrivateView() ? ": a link leads to another mount\"" : ": a link leads out of it\"";
  EXPECT_NE(harness::ReadFile(audit).find("\"denied_by\":\"mount " + scene.mount() + rule),
            std::string::npos)
      << harness::ReadFile(audit);
}

// A call that a rule would have refused, but that got another answer, counted as denied.
TEST(Audit, DoesNotBlameARuleForAnotherAnswer) {
  AttackScene scene;
  scene.RunBare("mkdir there");
  harness::SessionFlags flags = scene.Flags();
  const std::string audit = scene.Path("audit.jsonl");
  flags.mounts = {scene.mount() + ":ro"};
  flags.extra = {"--audit-file", audit};
  const Steps steps = scene.RunInSession("mkdir there , mkdir new", flags);
  ASSERT_EQ(steps.results.size(), 2U) << steps.raw;
  EXPECT_EQ(steps.results[0].error, "EEXIST") << steps.raw;
  EXPECT_EQ(steps.results[1].error, "EROFS") << steps.raw;
  const std::string text = harness::ReadFile(audit);
  EXPECT_EQ(text.find("\"there\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"new\""), std::string::npos) << text;
}

// A directory that was filled under a free name and then renamed to a guarded one: the host's git
// would have run it.
TEST(AnchoredDeny, NoRenameBringsContentUnderIt) {
  AttackScene scene;
  const std::string hook = scene.mount() + "/.git/hooks/post-commit";
  const std::string steps =
      "mkdir x , mkdir x/hooks , write wronly+creat x/hooks/post-commit , rename x .git";
  harness::SessionFlags flags = scene.Flags();
  scene.RunInSession(steps, flags);
  EXPECT_TRUE(harness::Exists(hook)) << "the control without the rule";
  harness::RemoveTree(scene.mount() + "/.git");
  harness::RemoveTree(scene.mount() + "/x");
  flags.deny = {".git/hooks"};
  const Steps denied = scene.RunInSession(steps, flags);
  EXPECT_FALSE(harness::Exists(hook)) << denied.raw;
  EXPECT_EQ(denied.LastError(), "EACCES") << denied.raw;
}

// The same by a link: the host's git follows .git to where the rule does not hold.
TEST(AnchoredDeny, NoLinkStandsOnItsWay) {
  AttackScene scene;
  harness::SessionFlags flags = scene.Flags();
  flags.deny = {".git/hooks"};
  const Steps link = scene.RunInSession("mkdir x , symlink x .git", flags);
  EXPECT_EQ(link.LastError(), "EACCES") << link.raw;
  const Steps moved = scene.RunInSession("symlink x y , rename y .git", flags);
  EXPECT_EQ(moved.LastError(), "EACCES") << moved.raw;
  const Steps elsewhere = scene.RunInSession("symlink x free", flags);
  EXPECT_EQ(elsewhere.LastError(), "OK") << elsewhere.raw;
}

// The records of sessions inside a session's mount: it could name any process for sessionctl kill
// to signal.
class StateDirectoryInMount : public testing::Test {
 protected:
  void SetUp() override {
    harness::MakeDirectory(State());
    chmod(State().c_str(), 0700);
    setenv("SESSIONCTL_STATE_DIR", State().c_str(), 1);
  }
  void TearDown() override { unsetenv("SESSIONCTL_STATE_DIR"); }
  std::string State() const { return scene_.mount() + "/local/state"; }
  AttackScene scene_;
};

TEST_F(StateDirectoryInMount, CannotBeRead) {
  harness::WriteFile(State() + "/record", harness::kCanary);
  EXPECT_TRUE(scene_.RunBare("read local/state/record").Saw("CANARY-OUTSIDE"));
  const Steps steps = scene_.RunInSession("read local/state/record", scene_.Flags());
  EXPECT_EQ(steps.LastError(), "EACCES") << steps.raw;
}

TEST_F(StateDirectoryInMount, CannotBeWrittenMovedOrReplaced) {
  for (const char* step : {"write wronly+creat local/state/record", "rename local/state other",
                           "rename local other", "rmdir local/state"}) {
    const Steps steps = scene_.RunInSession(step, scene_.Flags());
    EXPECT_EQ(steps.LastError(), "EACCES") << step << steps.raw;
  }
  EXPECT_TRUE(harness::IsDirectory(State()));
}

TEST_F(StateDirectoryInMount, AMountInsideItIsRefused) {
  harness::MakeDirectory(State() + "/inner");
  harness::SessionFlags flags;
  flags.mounts = {State() + "/inner"};
  const harness::Outcome outcome = harness::RunEither(flags, {.argv = {"/bin/true"}});
  EXPECT_EQ(outcome.exit_code, 125);
  EXPECT_NE(outcome.err.find("records of sessions"), std::string::npos) << outcome.err;
}

// Another file system mounted inside a mount: refused by name, and once also behind a descriptor or
// a magic link.
class MountPointInside : public testing::Test {
 protected:
  void SetUp() override {
    if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root, to mount a tmpfs";
    harness::MakeDirectory(Point());
    ASSERT_EQ(mount("tmpfs", Point().c_str(), "tmpfs", 0, "size=64k"), 0);
    mounted_ = true;
    harness::WriteFile(Point() + "/target", harness::kCanary);
  }
  void TearDown() override {
    if (mounted_) umount2(Point().c_str(), MNT_DETACH);
  }
  std::string Point() const { return scene_.mount() + "/other"; }
  void ExpectCrossesBareOnly(const std::string& steps) {
    SCOPED_TRACE(steps);
    EXPECT_EQ(scene_.RunBare(steps).LastError(), "OK") << "the bare control";
    EXPECT_EQ(scene_.RunInSession(steps, scene_.Flags()).LastError(), "EXDEV");
  }
  AttackScene scene_;
  bool mounted_ = false;
};

TEST_F(MountPointInside, IsNotCrossedByName) { ExpectCrossesBareOnly("write wronly other/target"); }
// With one mount and nothing denied, reads are native: the session gets the descriptor, but may not
// change by it.
TEST_F(MountPointInside, IsNotCrossedByADescriptorsMetadata) {
  const std::string tool = scene_.mount() + "/one_call";
  harness::CopyProgram(harness::TestcasePath("one_call"), tool);
  harness::SessionFlags flags;
  flags.mounts = {scene_.mount()};
  flags.extra = {"--view", "host"};  // a private one has a second mount, its /tmp
  const harness::Command command = {
      .argv = {tool, "open", "0", "rdonly", "other/target", ",", "fchmod", "0"},
      .directory = scene_.mount()};
  EXPECT_EQ(AttackScene::Parse(harness::Run(command)).LastError(), "OK") << "the bare control";
  const Steps steps = AttackScene::Parse(harness::RunEither(flags, command));
  ASSERT_EQ(steps.results.size(), 2U) << steps.raw;
  EXPECT_EQ(steps.results[0].error, "OK") << steps.raw;
  EXPECT_EQ(steps.results[1].error, "EXDEV") << steps.raw;
}
TEST_F(MountPointInside, IsNotCrossedByAMagicLink) {
  ExpectCrossesBareOnly("open 0 path other/target , write wronly /proc/self/fd/%0");
}
TEST_F(MountPointInside, IsNotCrossedFromAWorkingDirectory) {
  ExpectCrossesBareOnly("chdir other , write wronly target");
}
TEST_F(MountPointInside, IsNotCrossedByTheCwdLink) {
  ExpectCrossesBareOnly("chdir other , write wronly /proc/self/cwd/target");
}

// Landlock's right to make sockets in a mount holds for what is mounted there, too.
TEST_F(MountPointInside, GetsNoSocket) {
  const std::string steps = "bind other/socket";
  EXPECT_EQ(scene_.RunBare(steps).LastError(), "OK") << "the bare control";
  ASSERT_EQ(unlink((Point() + "/socket").c_str()), 0);
  EXPECT_EQ(scene_.RunInSession(steps, scene_.Flags()).LastError(), "EXDEV");
  EXPECT_FALSE(harness::Exists(Point() + "/socket"));
}

// Memory of somebody else's, handed over for reading: opened anew with O_RDONLY|O_TRUNC it was
// emptied, since only the access mode was compared.
TEST(ReadOnlyMemory, IsNotEmptiedByOpeningItAnew) {
  AttackScene scene;
  const std::string owner =
      "import os,subprocess,sys\nmemory=os.memfd_create('owner'); os.write(memory,b'content')\n"
      "given=os.open('/proc/self/fd/%d'%memory,os.O_RDONLY)\n"
      "subprocess.run(sys.argv[1:],stdin=given)\nprint(os.fstat(memory).st_size)";
  const std::string attack =
      "import os\nfor flags in (os.O_RDONLY|os.O_TRUNC,os.O_RDWR,os.O_WRONLY,3):\n"
      " try: os.open('/proc/self/fd/0',flags)\n except PermissionError: pass\n"
      "os.open('/proc/self/fd/0',os.O_RDONLY)";
  const std::vector<std::string> attacker = {"/usr/bin/python3", "-c", attack};
  const auto size_after = [&](const std::vector<std::string>& argv) {
    harness::Command command = {.argv = {"/usr/bin/python3", "-c", owner}};
    command.argv.insert(command.argv.end(), argv.begin(), argv.end());
    const harness::Outcome outcome = harness::Run(command);
    EXPECT_EQ(outcome.err, "");
    return outcome.out;
  };
  EXPECT_EQ(size_after(attacker), "0\n") << "the bare control";
  EXPECT_EQ(size_after(harness::SessionArgv(scene.Flags(), attacker)), "7\n");
}

// The caller's own guard: the walk that replaces the kernel's followed what the flag forbids.
TEST(NoMagicLinks, HoldsWhereThePathLeavesTheMountByDotDot) {
  AttackScene scene;
  const std::string up = "../../../../../../../../proc/self/";
  for (const std::string flags : {"rdonly", "wronly+creat"}) {
    for (const std::string& path : {up + "fd/1", up + "cwd/target", up + "root/proc/self/fd/1"}) {
      const std::string steps = "open-no-magic 0 " + flags + " " + path;
      EXPECT_EQ(scene.RunBare("open 0 " + flags + " " + path).LastError(), "OK") << path;
      EXPECT_EQ(scene.RunBare(steps).LastError(), "ELOOP") << path;
      EXPECT_EQ(scene.RunInSession(steps, scene.Flags()).LastError(), "ELOOP") << path;
    }
  }
}

// The broker truncates and logs with its own limits, not with those that the session was started
// under.
TEST(FileSizeLimit, IsTheSessionsNotTheBrokers) {
  AttackScene scene;
  const std::string script =
      "import os,signal\nsignal.signal(signal.SIGXFSZ,signal.SIG_IGN)\nopen('big','w').close()\n"
      "try:\n os.truncate('big',10<<20); print('grown')\nexcept OSError as e: print(e.errno)\n"
      "print('alive')";
  const std::string sessionctl = harness::SessionctlPath();
  const std::string limited = "ulimit -f 1000; cd " + scene.mount() + "; exec \"$@\"";
  const std::vector<std::string> python = {"/usr/bin/python3", "-c", script};
  std::vector<std::string> bare = {"/bin/bash", "-c", limited, "bash"};
  bare.insert(bare.end(), python.begin(), python.end());
  std::vector<std::string> inside = {"/bin/bash", "-c", limited, "bash"};
  for (const std::string& word : harness::SessionArgv(scene.Flags(), python))
    inside.push_back(word);
  const harness::Outcome expected = harness::Run({.argv = bare});
  const harness::Outcome session = harness::Run({.argv = inside});
  EXPECT_EQ(expected.out, "27\nalive\n") << expected.err;
  EXPECT_EQ(session.out, expected.out) << session.err;
}

}  // namespace
}  // namespace escape
