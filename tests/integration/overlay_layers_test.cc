// Overlays whose layers lie on other file systems than the directory below, and files with several
// names.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <tuple>

#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

constexpr long kTmpfs = 0x01021994;  // statfs(2)

bool IsTmpfs(const char* path) {
  struct statfs info;
  return statfs(path, &info) == 0 && info.f_type == kTmpfs;
}

class OverlayLayersTest : public SpawningCliTest {
 protected:
  void SetUp() override {
    SpawningCliTest::SetUp();
    if (IsTmpfs("/dev/shm") && !IsTmpfs(scratch_.c_str())) {
      std::string name = "/dev/shm/overlay-XXXXXX";
      memory_ = mkdtemp(name.data());
      fs::permissions(memory_, fs::perms(0755));
    }
  }
  void TearDown() override {
    SpawningCliTest::TearDown();
    if (!memory_.empty()) fs::remove_all(memory_);
  }

  std::string Make(const std::string& path) const {
    fs::create_directories(path);
    const uid_t owner = user_.value_or(geteuid());
    EXPECT_EQ(chown(path.c_str(), owner, owner), 0);
    return path;
  }
  // By a shell as who the sessions run as.
  void InLower(const std::string& lower, const std::string& script) {
    std::string command = "cd " + lower + " && " + script;
    if (user_.has_value()) {
      command = "setpriv --reuid " + std::to_string(*user_) + " --regid " + std::to_string(*user_) +
                " --clear-groups sh -c '" + command + "'";
    }
    ASSERT_EQ(system(command.c_str()), 0) << command;
  }
  CliResult Shell(const std::string& lower, const std::string& script) {
    return Cli({"run", "--mount", lower + ":/mnt/data:overlay", "--workdir", "/mnt/data", "--",
                "sh", "-c", script});
  }
  // Of the only session with changes in `state`.
  static std::string IdIn(const std::string& state) {
    for (const auto& entry : fs::directory_iterator(state)) {
      if (fs::exists(entry.path() / "overlay")) return entry.path().filename();
    }
    return "";
  }
  // Lets the state be there from now on.
  std::string StateIn(const std::string& directory) {
    const std::string state = Make(directory + "/layers");
    fs::permissions(state, fs::perms::owner_all);
    return set_["SESSIONCTL_STATE_DIR"] = state;
  }

  std::string memory_;  // "" where there is no other file system
};

INSTANTIATE_TEST_SUITE_P(Users, OverlayLayersTest, ::testing::Bool(), NameOfUser);

TEST_P(OverlayLayersTest, DirectoryAndLayersMayLieOnAnyFileSystem) {
  if (memory_.empty()) GTEST_SKIP() << "needs a tmpfs at /dev/shm, and another one for $TMPDIR";
  for (const auto& [below, above] :
       {std::pair(memory_, scratch_), std::pair(scratch_, memory_), std::pair(memory_, memory_)}) {
    SCOPED_TRACE("lower in " + below + ", layers in " + above);
    const std::string lower = Make(below + "/lower"), state = StateIn(above);
    InLower(lower,
            "echo f > f; mkdir d; echo g > d/g; echo gone > gone; truncate -s 1M sparse; ln -s f "
            "link; echo b > b; ln b b2");
    usleep(20'000);
    const CliResult result = Shell(
        lower,
        "cat f link d/g b2; echo more >> f; cat link; mv d e; rm gone; mkdir n; mv n m; ln f f2; "
        "echo x >> b; cat b2; printf tail | dd of=sparse bs=1 seek=1000000 conv=notrunc "
        "status=none; "
        "stat -c \"%n %h\" f f2 b b2; ls");
    EXPECT_EQ(result.out,
              "f\nf\ng\nb\nf\nmore\nb\nf 2\nf2 2\nb 1\nb2 2\nb\nb2\ne\nf\nf2\nlink\nm\nsparse\n")
        << result.err;
    EXPECT_EQ(ReadWholeFile(lower + "/f"), "f\n") << "the host's directory stays";
    const std::string id = IdIn(state);
    const CliResult names = Cli({"diff", "--name-status", id});
    EXPECT_EQ(names.exit_code, 0) << names.err;
    const CliResult committed = Cli({"commit", id});
    EXPECT_EQ(committed.exit_code, 0) << committed.err;
    EXPECT_EQ(ReadWholeFile(lower + "/f2"), "f\nmore\n");
    EXPECT_EQ(ReadWholeFile(lower + "/e/g"), "g\n");
    EXPECT_FALSE(fs::exists(lower + "/d"));
    EXPECT_FALSE(fs::exists(lower + "/gone"));
    EXPECT_TRUE(fs::exists(lower + "/m"));
    struct stat info;
    ASSERT_EQ(stat((lower + "/f").c_str(), &info), 0);
    EXPECT_EQ(info.st_nlink, 2U);
    ASSERT_EQ(stat((lower + "/sparse").c_str(), &info), 0);
    EXPECT_LT(info.st_blocks * 512, 512 << 10) << "it stays sparse";
    EXPECT_EQ(Cli({"diff", id}).out, "");
    EXPECT_EQ(Cli({"prune"}).exit_code, 0);
    for (const std::string& directory : {lower, state}) fs::remove_all(directory);
  }
}

// docs/fidelity.md: the name that is changed becomes a file of its own.
TEST_P(OverlayLayersTest, NameOfAFileWithSeveralIsChangedAlone) {
  const std::string state = StateIn(scratch_);
  Make(mount_);
  InLower(mount_, "echo old > a; ln a b; ln a c");
  usleep(20'000);
  const CliResult result = Shell(mount_,
                                 "stat -c \"%n %h\" a b c; [ a -ef b ] && echo one; chmod 600 a; "
                                 "echo new >> b; [ a -ef b ] || echo two; cat a b c; stat -c \"%n "
                                 "%h\" a b c; ln b d; stat -c \"%n %h\" b d");
  EXPECT_EQ(result.out, "a 3\nb 3\nc 3\none\ntwo\nold\nold\nnew\nold\na 1\nb 1\nc 3\nb 2\nd 2\n")
      << result.err;
  const std::string id = IdIn(state);
  const CliResult diff = Cli({"diff", id});
  EXPECT_NE(diff.out.find("# hard link to b d"), std::string::npos) << diff.out;
  const CliResult committed = Cli({"commit", id});
  EXPECT_EQ(committed.exit_code, 0) << committed.out << committed.err;
  EXPECT_EQ(ReadWholeFile(mount_ + "/b"), "old\nnew\n");
  EXPECT_EQ(ReadWholeFile(mount_ + "/d"), "old\nnew\n");
  EXPECT_EQ(ReadWholeFile(mount_ + "/c"), "old\n");
}

}  // namespace
}  // namespace sessionctl
