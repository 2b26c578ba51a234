// Sessions in overlay mode: what they see, what stays as it was, what is left behind, and what a
// hostile one tries.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class OverlayTest : public SpawningCliTest {
 protected:
  void SetUp() override {
    SpawningCliTest::SetUp();
    Write("f", "lower\n");
    fs::create_directory(mount_ + "/d");
    Write("d/g", "in a directory\n");
    for (const char* name : {"f", "d", "d/g"}) Own(name);
    const uid_t owner = user_.value_or(geteuid());
    ASSERT_EQ(chown(mount_.c_str(), owner, owner), 0);
  }

  // Gives it to whom the sessions run as.
  void Own(const std::string& name) const {
    const std::string path = mount_ + "/" + name;
    const uid_t owner = user_.value_or(geteuid());
    ASSERT_EQ(lchown(path.c_str(), owner, owner), 0);
    fs::permissions(path, fs::perms::all);
  }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(mount_ + "/" + name) << text;
  }
  std::string Lower(const std::string& name) const { return ReadWholeFile(mount_ + "/" + name); }

  // `script` by sh in an overlay that is seen at /mnt/data, where it starts.
  CliResult Shell(const std::string& script, const std::vector<std::string>& flags = {}) {
    std::vector<std::string> args = {"run", "--mount", mount_ + ":/mnt/data:overlay", "--workdir",
                                     "/mnt/data"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--", "sh", "-c", script});
    return Cli(args);
  }
  CliResult Python(const std::string& script) {
    std::ofstream(scratch_ + "/script.py") << script;
    chmod((scratch_ + "/script.py").c_str(), 0644);
    return Cli({"run", "--mount", mount_ + ":/mnt/data:overlay", "--workdir", "/mnt/data", "--ro",
                scratch_ + "/script.py", "--", "python3", scratch_ + "/script.py"});
  }
  // A policy file with one overlay that has `keys`.
  std::string Policy(const std::string& keys) {
    const std::string path = scratch_ + "/policy.toml";
    std::ofstream(path) << "extends = [\"default\"]\n[[mount]]\nhost = \"" << mount_
                        << "\"\nguest = \"/mnt/data\"\nmode = \"overlay\"\n"
                        << keys << "\n[process]\nworking_directory = \"/mnt/data\"\n";
    chmod(path.c_str(), 0644);
    return path;
  }
  CliResult Limited(const std::string& keys, const std::string& script) {
    return Cli({"run", "--policy", Policy(keys), "--", "sh", "-c", script});
  }

  // The directory of the only session there is.
  std::string SessionDirectory() {
    for (const auto& entry : fs::directory_iterator(StateDirectory())) {
      if (fs::exists(entry.path() / "overlay")) return entry.path();
    }
    return "";
  }
  std::string StateDirectory() const {
    for (const char* place : {"/state", "/xdg/sessionctl"}) {
      if (fs::exists(scratch_ + place)) return scratch_ + place;
    }
    return "";
  }
};

INSTANTIATE_TEST_SUITE_P(Users, OverlayTest, ::testing::Bool(), NameOfUser);

TEST_P(OverlayTest, ChangesAreSeenInsideAndTheHostsDirectoryStays) {
  const CliResult result = Shell(
      "cat f; echo changed > f; cat f; rm d/g; mkdir n; echo new > n/h; mv n m; ls d m; "
      "chmod 700 d; ln -s f link; cat link; ln f second && cat second; stat -c %a d");
  EXPECT_EQ(result.out, "lower\nchanged\nd:\n\nm:\nh\nchanged\nchanged\n700\n") << result.err;
  EXPECT_EQ(Lower("f"), "lower\n");
  EXPECT_EQ(Lower("d/g"), "in a directory\n");
  EXPECT_FALSE(fs::exists(mount_ + "/m"));
  EXPECT_EQ(fs::status(mount_ + "/d").permissions(), fs::perms::all);
}

TEST_P(OverlayTest, ChangesAreShownCommittedAndGone) {
  ASSERT_EQ(Shell("echo changed > f; rm d/g; mkdir n; echo new > n/h").exit_code, 0);
  const std::string id = fs::path(SessionDirectory()).filename();
  const CliResult diff = Cli({"diff", id});
  EXPECT_EQ(diff.exit_code, 0) << diff.err;
  for (const char* line : {"\n-lower\n+changed\n", "\n-in a directory\n", "\n+new\n"}) {
    EXPECT_NE(diff.out.find(line), std::string::npos) << diff.out;
  }
  EXPECT_EQ(Cli({"commit", "--dry-run", id}).exit_code, 0);
  EXPECT_EQ(Lower("f"), "lower\n");
  const CliResult committed = Cli({"commit", id});
  EXPECT_EQ(committed.exit_code, 0) << committed.err;
  EXPECT_EQ(Lower("f"), "changed\n");
  EXPECT_EQ(Lower("n/h"), "new\n");
  EXPECT_FALSE(fs::exists(mount_ + "/d/g"));
  EXPECT_EQ(Cli({"diff", id}).out, "");
}

TEST_P(OverlayTest, DiscardedChangesAreGone) {
  ASSERT_EQ(Shell("echo changed > f; mkdir n").exit_code, 0);
  const std::string id = fs::path(SessionDirectory()).filename();
  EXPECT_EQ(Cli({"discard", id}).exit_code, 0);
  EXPECT_EQ(Cli({"diff", id}).out, "");
  EXPECT_EQ(Lower("f"), "lower\n");
}

// A file that changed below meanwhile is not overwritten, and nothing else is committed either.
TEST_P(OverlayTest, ChangeBelowIsAConflict) {
  ASSERT_EQ(Shell("echo changed > f; echo new > n").exit_code, 0);
  const std::string id = fs::path(SessionDirectory()).filename();
  Write("f", "somebody else's\n");
  const CliResult refused = Cli({"commit", id});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE((refused.out + refused.err).find("f"), std::string::npos);
  EXPECT_EQ(Lower("f"), "somebody else's\n");
  EXPECT_FALSE(fs::exists(mount_ + "/n"));
}

TEST_P(OverlayTest, RunningSessionIsShownAndNotCommitted) {
  const std::string id = Spawn({"--mount", mount_ + ":/mnt/data:overlay", "--workdir", "/mnt/data",
                                "--", "sh", "-c", "echo changed > f; exec sleep 1000"});
  EXPECT_TRUE(Eventually([&] {
    return Cli({"diff", id}).out.find("+changed") != std::string::npos;
  }));
  EXPECT_EQ(Cli({"commit", id}).exit_code, 1);
  EXPECT_EQ(Cli({"discard", id}).exit_code, 1);
  EXPECT_EQ(Cli({"stop", "--timeout", "0", id}).exit_code, 0);
  EXPECT_EQ(Cli({"commit", id}).exit_code, 0);
  EXPECT_EQ(Lower("f"), "changed\n");
}

TEST_P(OverlayTest, EndOfTheSessionCommitsOrDiscardsAsThePolicySays) {
  ASSERT_EQ(Limited("on_exit = \"discard\"", "echo discarded > f").exit_code, 0);
  EXPECT_EQ(Lower("f"), "lower\n");
  EXPECT_EQ(Cli({"diff", fs::path(SessionDirectory()).filename()}).out, "");
  EXPECT_EQ(Cli({"prune"}).exit_code, 0);
  ASSERT_EQ(Limited("on_exit = \"commit\"", "echo foreground > f").exit_code, 0);
  EXPECT_EQ(Lower("f"), "foreground\n");
  const std::string id =
      Spawn({"--policy", Policy("on_exit = \"commit\""), "--", "sh", "-c", "echo detached > f"});
  EXPECT_EQ(Cli({"wait", id}).exit_code, 0);
  EXPECT_EQ(Lower("f"), "detached\n");
}

TEST_P(OverlayTest, ChangesAreLeftInTheSessionsDirectory) {
  ASSERT_EQ(Shell("echo changed > f; rm d/g").exit_code, 0);
  const std::string layer = SessionDirectory() + "/overlay/0";
  EXPECT_EQ(ReadWholeFile(layer + "/upper/f"), "changed\n");
  struct stat whiteout;
  ASSERT_EQ(lstat((layer + "/upper/d/g").c_str(), &whiteout), 0) << layer;
  EXPECT_TRUE(S_ISCHR(whiteout.st_mode));
  EXPECT_EQ(whiteout.st_rdev, 0U);
  EXPECT_NE(ReadWholeFile(layer + "/layer.json").find("\"host\": \"" + mount_), std::string::npos);
}

TEST_P(OverlayTest, SessionsOverOneDirectoryAreApart) {
  EXPECT_EQ(Shell("echo one > f; cat f").out, "one\n");
  EXPECT_EQ(Shell("cat f").out, "lower\n");
}

TEST_P(OverlayTest, LayerCannotBeReachedFromInside) {
  const CliResult result =
      Shell("echo x > f; test -e " + scratch_ + " || echo absent; grep -c " + scratch_ +
            " /proc/self/mountinfo; ls -d /proc/[0-9]*/root" + scratch_ + " 2>/dev/null; echo end");
  EXPECT_EQ(result.out, "absent\n0\nend\n") << result.err;
}

TEST_P(OverlayTest, SpawnedSessionsHaveOverlaysTooAndPruneRemovesThem) {
  const std::string id =
      Spawn({"--mount", mount_ + ":/mnt/data:overlay", "--workdir", "/mnt/data", "--cmd", "sh",
             "--", "-c", "echo changed > f; mkdir -p a/b/c; chmod 0 a/b; chmod 555 a; echo done"});
  ASSERT_TRUE(Eventually([&] { return Inspect(id, "state") == "\"exited\""; }));
  EXPECT_EQ(Inspect(id, "exit.code"), "0");
  EXPECT_EQ(Lower("f"), "lower\n");
  const std::string directory = StateDirectory() + "/" + id;
  EXPECT_EQ(ReadWholeFile(directory + "/overlay/0/upper/f"), "changed\n");
  // Its monitor may not be gone yet when its end is told: then prune leaves it.
  EXPECT_TRUE(Eventually([&] { return Cli({"prune"}).exit_code == 0 && !fs::exists(directory); }))
      << "directories that nobody may enter are removed too";
}

TEST_P(OverlayTest, HostsViewIsRefused) {
  const CliResult result =
      Cli({"run", "--view", "host", "--mount", mount_ + ":rw,overlaid", "--", "true"});
  EXPECT_EQ(result.exit_code, 2) << result.err;
  const CliResult host =
      Cli({"run", "--view", "host", "--mount", mount_ + ":overlay", "--", "true"});
  EXPECT_EQ(host.exit_code, 125);
  EXPECT_NE(host.err.find("an overlay is mounted in a view of the session's own"),
            std::string::npos)
      << host.err;
  EXPECT_EQ(Cli({"run", "--mount", mount_ + ":overlay", "--", "true"}).exit_code, 0);
}

TEST_P(OverlayTest, StateDirectoryBelowItIsRefused) {
  const CliResult result = Cli({"run", "--mount", scratch_ + ":/mnt/data:overlay", "--", "true"});
  EXPECT_EQ(result.exit_code, 125);
  EXPECT_NE(result.err.find("the records of sessions lie below it"), std::string::npos)
      << result.err;
}

TEST_P(OverlayTest, RulesHoldInTheMergedTree) {
  Write(".env", "secret\n");
  Own(".env");
  const CliResult result = Shell(
      "cat .env; echo x > .env; echo x > d/.env; mv .env e; ln .env e; cp f d/ok && echo x > d/g; "
      "echo end",
      {"--deny", ".env", "--read-only", "d/g"});
  EXPECT_EQ(result.out, "end\n") << result.err;
  EXPECT_EQ(Lower("d/g"), "in a directory\n");
  EXPECT_EQ(Shell("cat .env").out, "secret\n") << "the control: without the rule";
}

// The marks by which the kernel's overlay knows what was removed: a session can make none.
TEST_P(OverlayTest, MarksOfTheKernelCannotBeForged) {
  const CliResult result = Python(R"(
import os
for name in ("user.overlay.opaque", "user.overlay.whiteout", "user.overlay.redirect",
             "user.overlay.metacopy", "trusted.overlay.opaque"):
    for path in ("f", "d"):
        try: os.setxattr(path, name, b"y")
        except OSError as e: pass
try: os.mknod("w", 0o20644, os.makedev(0, 0)); print("made")
except OSError as e: print("refused")
print(sorted(os.listdir(".")), os.listdir("d"))
)");
  EXPECT_EQ(result.out, "refused\n['d', 'f'] ['g']\n") << result.err;
  const std::string upper = SessionDirectory() + "/overlay/0/upper";
  char value[64];
  for (const char* name : {"user.overlay.opaque", "user.overlay.whiteout", "user.overlay.redirect",
                           "user.overlay.metacopy"}) {
    for (const char* file : {"/f", "/d"}) {
      EXPECT_LT(getxattr((upper + file).c_str(), name, value, sizeof(value)), 0) << name << file;
    }
  }
}

// A neighbour who may write to the lower directory plants the kernel's marks there.
TEST_P(OverlayTest, MarksInTheLowerDirectoryLeadNowhere) {
  std::ofstream(scratch_ + "/secret") << "secret\n";
  const std::string secret = scratch_ + "/secret";
  if (setxattr((mount_ + "/f").c_str(), "user.overlay.metacopy", "", 0, 0) != 0) {
    GTEST_SKIP() << "no user attributes here";
  }
  setxattr((mount_ + "/f").c_str(), "user.overlay.redirect", secret.data(), secret.size(), 0);
  setxattr((mount_ + "/d").c_str(), "user.overlay.redirect", scratch_.data(), scratch_.size(), 0);
  setxattr((mount_ + "/d").c_str(), "user.overlay.opaque", "y", 1, 0);
  const CliResult result = Shell("cat f d/secret ../secret; ls d; echo x > d/made; echo end");
  EXPECT_EQ(result.out.find("secret\n"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.substr(result.out.size() - 4), "end\n");
  EXPECT_FALSE(fs::exists(scratch_ + "/made"));
}

TEST_P(OverlayTest, LinksLeadNeitherOutOfTheViewNorToTheHost) {
  for (const std::string& target : {scratch_ + "/victim", std::string("/tmp/victim"),
                                    std::string("../../victim"), std::string("/etc/victim")}) {
    fs::remove(mount_ + "/link");
    fs::create_symlink(target, mount_ + "/link");
    EXPECT_EQ(Shell("(echo x > link) 2>/dev/null; ls /tmp").out, "") << target;
    EXPECT_FALSE(fs::exists(scratch_ + "/victim"));
  }
}

TEST_P(OverlayTest, FilesOfOthersAreReadButNotChangedByAnOrdinaryUser) {
  Write("theirs", "theirs\n");
  ASSERT_EQ(chown((mount_ + "/theirs").c_str(), 4321, 4321), geteuid() == 0 ? 0 : -1);
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a file of somebody else's";
  chmod((mount_ + "/theirs").c_str(), 0666);
  const CliResult result = Shell("cat theirs; (echo x > theirs) 2>/dev/null; echo $?; cat theirs");
  EXPECT_EQ(result.out, user_.has_value() ? "theirs\n2\ntheirs\n" : "theirs\n0\nx\n");
  EXPECT_EQ(Lower("theirs"), "theirs\n");
}

// What overlayfs does that another file system does not (docs/fidelity.md).
TEST_P(OverlayTest, KernelsOwnPeculiaritiesAreAsDocumented) {
  const CliResult result = Python(R"(
import os, errno
before = os.stat("f")
reader = open("f")
import mmap
mapped = mmap.mmap(reader.fileno(), 6, mmap.MAP_SHARED, mmap.PROT_READ)
writer = open("f", "r+")
writer.write("LOWER\nmore\n"); writer.flush()
after = os.stat("f")
print("same number", before.st_ino == after.st_ino)
print("old descriptor", repr(reader.read()), "old mapping", mapped[:])
print("new one", repr(open("f").read()))
try: os.rename("d", "e"); print("renamed")
except OSError as e: print(errno.errorcode[e.errno])
os.mkdir("own"); os.rename("own", "own2"); print("own directories move")
)");
  EXPECT_EQ(result.out,
            "same number True\nold descriptor 'LOWER\\nmore\\n' old mapping b'lower\\n'\nnew one "
            "'LOWER\\nmore\\n'\nEXDEV\n"
            "own directories move\n")
      << result.err;
  EXPECT_EQ(Shell("mv d e && cat e/g").out, "in a directory\n") << "mv copies";
}

TEST_P(OverlayTest, LockFilesAndReplacementsWork) {
  const CliResult result = Python(R"(
import fcntl, os
with open("f", "r+") as f:
    fcntl.flock(f, fcntl.LOCK_EX)
    with open("f", "r+") as g:
        try: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB); print("twice")
        except BlockingIOError: print("locked")
with open("f.new", "w") as f: f.write("new\n"); f.flush(); os.fsync(f.fileno())
os.replace("f.new", "f")
fd = os.open("d", os.O_RDONLY)
os.fsync(fd)
os.unlink("g", dir_fd=fd)
print(open("f").read(), os.listdir(fd))
)");
  EXPECT_EQ(result.out, "locked\nnew\n []\n") << result.err;
}

TEST_P(OverlayTest, SizeIsLimited) {
  std::ofstream(mount_ + "/large") << std::string(8 << 20, 'x');
  Own("large");
  const CliResult copied = Limited("overlay_size = \"4M\"", "echo x >> large; echo $?; echo y > s");
  EXPECT_NE(copied.err.find("No space left"), std::string::npos) << copied.err;
  EXPECT_EQ(copied.out, "2\n");
  const CliResult written = Limited(
      "overlay_size = \"4M\"",
      "i=0; while head -c 900000 /dev/zero > f$i; do i=$((i+1)); done 2>/dev/null; rm f0 f1 f2; "
      "(echo room > g) && echo $i");
  EXPECT_EQ(written.exit_code, 0) << written.err;
  EXPECT_LE(std::stoi("0" + written.out), 6) << written.out;
  EXPECT_GE(std::stoi("0" + written.out), 4) << written.out;
}

TEST_P(OverlayTest, FilesAreCounted) {
  const CliResult result =
      Limited("overlay_inodes = 20",
              "i=0; while [ $i -lt 100 ] && (mkdir m$i) 2>/dev/null; do i=$((i+1)); done; echo $i; "
              "rm -r m0 m1; sleep 0.1; mkdir again && echo again");
  EXPECT_EQ(result.out, "20\nagain\n") << result.err;
}

TEST_P(OverlayTest, WritingThroughOpenDescriptorsEndsTheSession) {
  const CliResult result = Limited("overlay_size = \"4M\"",
                                   "exec 3> a 4> b 5> c 6> e; rm a; for fd in 3 4 5 6; do eval "
                                   "\"head -c 3500000 /dev/zero >&$fd\"; "
                                   "done; sleep 20; echo survived");
  EXPECT_EQ(result.exit_code, 137) << result.out << result.err;
  EXPECT_NE(result.err.find("overlay_size"), std::string::npos) << result.err;
}

// What cannot be looked into counts as full: else a session would fill it and close the door.
TEST_P(OverlayTest, DirectoryThatCannotBeListedIsFull) {
  const CliResult result = Limited("overlay_size = \"4M\"",
                                   "mkdir hidden; chmod 300 hidden; sleep 0.1; echo x > hidden/f; "
                                   "echo $?; chmod 700 hidden; echo y > hidden/f; echo $?");
  EXPECT_EQ(result.out.substr(0, 1), "2") << result.out << result.err;
}

}  // namespace
}  // namespace sessionctl
