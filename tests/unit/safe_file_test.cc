// The attack of CWE-61 on lock and state files: somebody who can write to the directory plants a
// link where the victim will create or open its file. Each refusal stands beside a control that
// shows that the plain call falls.
#include "sandbox/safe_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class SafeFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "safe_file_test.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    fs::create_directory(root_ / "shared");
    fs::create_directory(root_ / "outside");
    directory_.Reset(open((root_ / "shared").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(directory_.valid());
  }
  void TearDown() override { fs::remove_all(root_); }

  int dirfd() const { return directory_.get(); }
  std::string Shared(const std::string& name) const { return root_ / "shared" / name; }
  std::string Outside(const std::string& name) const { return root_ / "outside" / name; }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  static std::string Read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  fs::path root_;
  OwnedFd directory_;
};

TEST_F(SafeFileTest, PlantedLinkFallsPlainOpenAndIsRefusedByLockFile) {
  fs::create_symlink(Outside("victim"), Shared("lock"));
  // The control: what programs do.
  const int plain = open(Shared("lock").c_str(), O_CREAT | O_RDWR, 0600);
  ASSERT_GE(plain, 0);
  close(plain);
  ASSERT_TRUE(fs::exists(Outside("victim"))) << "the control must create through the link";
  fs::remove(Outside("victim"));

  SysResult<LockFile> lock = LockFile::Acquire(dirfd(), "lock", LockWait::kTry);
  EXPECT_EQ(lock.error(), ELOOP);
  EXPECT_FALSE(fs::exists(Outside("victim")));
}

TEST_F(SafeFileTest, LinkedParentIsRefused) {
  fs::create_directory_symlink(root_ / "outside", Shared("sub"));
  EXPECT_EQ(LockFile::Acquire(dirfd(), "sub/lock", LockWait::kTry).error(), ELOOP);
  EXPECT_EQ(WriteFileAtomically(dirfd(), "sub/state", "x", 0600).error(), ELOOP);
  EXPECT_EQ(MakeDirectoryBeneath(dirfd(), "sub/new", 0700).error(), ELOOP);
  EXPECT_TRUE(fs::is_empty(root_ / "outside"));
}

TEST_F(SafeFileTest, DotDotAndAbsoluteNamesAreRefused) {
  EXPECT_EQ(LockFile::Acquire(dirfd(), "../outside/lock", LockWait::kTry).error(), EXDEV);
  EXPECT_EQ(LockFile::Acquire(dirfd(), Outside("lock"), LockWait::kTry).error(), EXDEV);
  EXPECT_EQ(WriteFileAtomically(dirfd(), "../outside/state", "x", 0600).error(), EXDEV);
  EXPECT_EQ(WriteFileAtomically(dirfd(), "/state", "x", 0600).error(), EXDEV);
  EXPECT_TRUE(fs::is_empty(root_ / "outside"));
}

TEST_F(SafeFileTest, LockRefusesHardLinkFifoAndDirectory) {
  Write(Outside("victim"), "precious");
  fs::create_hard_link(Outside("victim"), Shared("hard"));
  EXPECT_EQ(LockFile::Acquire(dirfd(), "hard", LockWait::kTry).error(), EMLINK);
  ASSERT_EQ(mkfifo(Shared("fifo").c_str(), 0600), 0);
  EXPECT_EQ(LockFile::Acquire(dirfd(), "fifo", LockWait::kTry).error(), EINVAL);
  fs::create_directory(Shared("directory"));
  EXPECT_EQ(LockFile::Acquire(dirfd(), "directory", LockWait::kTry).error(), EISDIR);
}

TEST_F(SafeFileTest, LockRefusesAnotherUsersFile) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make another user's file";
  Write(Shared("lock"), "");
  ASSERT_EQ(chown(Shared("lock").c_str(), 65534, 65534), 0);
  EXPECT_EQ(LockFile::Acquire(dirfd(), "lock", LockWait::kTry).error(), EPERM);
}

TEST_F(SafeFileTest, LockExcludesAndReleases) {
  {
    SysResult<LockFile> lock = LockFile::Acquire(dirfd(), "lock", LockWait::kTry);
    ASSERT_TRUE(lock.ok());
    EXPECT_EQ(LockFile::Acquire(dirfd(), "lock", LockWait::kTry).error(), EWOULDBLOCK);
    SysResult<bool> held = LockFile::IsHeld(dirfd(), "lock");
    ASSERT_TRUE(held.ok());
    EXPECT_TRUE(*held);
    EXPECT_EQ(fs::status(Shared("lock")).permissions(), fs::perms(0600));
  }
  SysResult<bool> held = LockFile::IsHeld(dirfd(), "lock");
  ASSERT_TRUE(held.ok());
  EXPECT_FALSE(*held);
  EXPECT_TRUE(LockFile::Acquire(dirfd(), "lock", LockWait::kTry).ok());
  EXPECT_EQ(LockFile::IsHeld(dirfd(), "missing").error(), ENOENT);
}

TEST_F(SafeFileTest, LockFollowsTheNameWhenTheFileIsReplacedWhileWaiting) {
  SysResult<LockFile> first = LockFile::Acquire(dirfd(), "lock", LockWait::kTry);
  ASSERT_TRUE(first.ok());
  std::atomic<bool> acquired = false;
  std::thread waiter([&] {
    SysResult<LockFile> second = LockFile::Acquire(dirfd(), "lock", LockWait::kBlock);
    ASSERT_TRUE(second.ok());
    acquired = true;
    // What was locked is what the name means: nobody else gets it.
    EXPECT_EQ(LockFile::Acquire(dirfd(), "lock", LockWait::kTry).error(), EWOULDBLOCK);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(acquired);
  fs::remove(Shared("lock"));
  Write(Shared("lock"), "");
  { LockFile released = std::move(*first); }
  waiter.join();
  EXPECT_TRUE(acquired);
}

TEST_F(SafeFileTest, AtomicWriteReplacesALinkInsteadOfFollowingIt) {
  Write(Outside("victim"), "precious");
  fs::create_symlink(Outside("victim"), Shared("state"));
  // The control: a plain write goes through the link.
  Write(Shared("state"), "gone");
  ASSERT_EQ(Read(Outside("victim")), "gone");
  Write(Outside("victim"), "precious");

  ASSERT_TRUE(WriteFileAtomically(dirfd(), "state", "new", 0640).ok());
  EXPECT_EQ(Read(Outside("victim")), "precious");
  EXPECT_FALSE(fs::is_symlink(Shared("state")));
  EXPECT_EQ(Read(Shared("state")), "new");
  EXPECT_EQ(fs::status(Shared("state")).permissions(), fs::perms(0640));
}

TEST_F(SafeFileTest, CreatingAFileFollowsAndReplacesNothing) {
  fs::create_symlink(Outside("victim"), Shared("state"));
  EXPECT_EQ(CreateFileBeneath(dirfd(), "state", "new", 0600).error(), EEXIST);
  EXPECT_FALSE(fs::exists(Outside("victim")));
  ASSERT_TRUE(CreateFileBeneath(dirfd(), "other", "new", 0640).ok());
  EXPECT_EQ(Read(Shared("other")), "new");
  EXPECT_EQ(fs::status(Shared("other")).permissions(), fs::perms(0640));
}

TEST_F(SafeFileTest, ReserveBecomesTheFile) {
  Write(Shared("state"), "old");
  Write(Shared("reserve"), std::string(4096, '\0'));
  const OwnedFd directory(open(Shared("").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(ReplaceByReserve(directory.get(), "state", "reserve", "last").error(), 0);
  EXPECT_EQ(Read(Shared("state")), "last");
  EXPECT_FALSE(fs::exists(Shared("reserve")));
}

TEST_F(SafeFileTest, PlantedReserveIsNotWrittenTo) {
  Write(Outside("victim"), "precious");
  Write(Shared("state"), "old");
  EXPECT_EQ(ReplaceByReserve(dirfd(), "state", "reserve", "last").error(), ENOENT);
  fs::create_symlink(Outside("victim"), Shared("link"));
  EXPECT_EQ(ReplaceByReserve(dirfd(), "state", "link", "last").error(), ELOOP);
  fs::create_hard_link(Outside("victim"), Shared("hard"));
  EXPECT_EQ(ReplaceByReserve(dirfd(), "state", "hard", "last").error(), EMLINK);
  EXPECT_EQ(Read(Outside("victim")), "precious");
  EXPECT_EQ(Read(Shared("state")), "old");
}

TEST_F(SafeFileTest, AtomicWriteFailureLeavesTheOldContentsAndNoTemporary) {
  fs::create_directory(Shared("state"));
  EXPECT_EQ(WriteFileAtomically(dirfd(), "state", "new", 0600).error(), EISDIR);
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / "shared"), fs::directory_iterator()), 1);
  EXPECT_EQ(WriteFileAtomically(dirfd(), "", "x", 0600).error(), EINVAL);
  EXPECT_EQ(WriteFileAtomically(dirfd(), "sub/..", "x", 0600).error(), EINVAL);
}

TEST_F(SafeFileTest, AtomicWriteOnAFullDiskKeepsTheOldContents) {
  ASSERT_TRUE(WriteFileAtomically(dirfd(), "state", "old", 0600).ok());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // a file size limit stands for the full disk
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    _exit(WriteFileAtomically(dirfd(), "state", std::string(8192, 'x'), 0600).error());
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), EFBIG);
  EXPECT_EQ(Read(Shared("state")), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / "shared"), fs::directory_iterator()), 1);
}

TEST_F(SafeFileTest, ReadRefusesLinksFifosAndTooMuch) {
  Write(Outside("secret"), "secret");
  fs::create_symlink(Outside("secret"), Shared("link"));
  EXPECT_EQ(ReadFileBeneath(dirfd(), "link", 100).error(), ELOOP);
  ASSERT_EQ(mkfifo(Shared("fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadFileBeneath(dirfd(), "fifo", 100).error(), EINVAL);
  Write(Shared("file"), "12345");
  EXPECT_EQ(ReadFileBeneath(dirfd(), "file", 4).error(), EFBIG);
  SysResult<std::string> text = ReadFileBeneath(dirfd(), "file", 5);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "12345");
}

TEST_F(SafeFileTest, LogMustBeNew) {
  SysResult<OwnedFd> log = CreateLogBeneath(dirfd(), "log", 0600);
  ASSERT_TRUE(log.ok());
  EXPECT_NE(fcntl(log->get(), F_GETFL) & O_APPEND, 0);
  EXPECT_EQ(CreateLogBeneath(dirfd(), "log", 0600).error(), EEXIST);
  fs::create_symlink(Outside("new"), Shared("dangling"));
  EXPECT_EQ(CreateLogBeneath(dirfd(), "dangling", 0600).error(), EEXIST);
  EXPECT_FALSE(fs::exists(Outside("new")));
}

TEST_F(SafeFileTest, RemoveTreeDoesNotFollowLinks) {
  fs::create_directories(Shared("tree/a/b"));
  Write(Shared("tree/a/b/file"), "x");
  Write(Outside("kept"), "kept");
  fs::create_directory_symlink(root_ / "outside", Shared("tree/a/link"));
  ASSERT_TRUE(RemoveTreeBeneath(dirfd(), "tree").ok());
  EXPECT_FALSE(fs::exists(Shared("tree")));
  EXPECT_EQ(Read(Outside("kept")), "kept");
  fs::create_directory_symlink(root_ / "outside", Shared("link"));
  EXPECT_FALSE(RemoveTreeBeneath(dirfd(), "link").ok());
  EXPECT_EQ(Read(Outside("kept")), "kept");
  EXPECT_EQ(RemoveTreeBeneath(dirfd(), "missing").error(), ENOENT);
}

TEST_F(SafeFileTest, RemoveTreeReachesEveryDepthAndOpensWhatIsClosed) {
  std::string name = "tree";
  for (int level = 0; level < 200; ++level) {
    fs::create_directory(Shared(name));
    Write(Shared(name + "/file"), "x");
    name += "/" + std::to_string(level % 7);
  }
  fs::create_directories(Shared("tree/closed/below"));
  Write(Shared("tree/closed/below/file"), "x");
  fs::permissions(Shared("tree/closed/below"), fs::perms::none);
  fs::permissions(Shared("tree/closed"), fs::perms::none);
  ASSERT_TRUE(RemoveTreeBeneath(dirfd(), "tree").ok());
  EXPECT_FALSE(fs::exists(Shared("tree")));
}

TEST_F(SafeFileTest, PrivateDirectoryIsMadeWithItsParents) {
  const fs::path path = root_ / "a" / "b" / "c";
  SysResult<OwnedFd> fd = OpenPrivateDirectory(path.string() + "//");
  ASSERT_TRUE(fd.ok()) << fd.error();
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0700));
  EXPECT_TRUE(OpenPrivateDirectory(path).ok());
  EXPECT_EQ(OpenPrivateDirectory("relative").error(), EINVAL);
  EXPECT_EQ(OpenPrivateDirectory("/").error(), EINVAL);
}

TEST_F(SafeFileTest, PrivateDirectoryRefusesLinksFilesAndSharedOnes) {
  fs::create_directory_symlink(root_ / "outside", root_ / "link");
  const int error = OpenPrivateDirectory(root_ / "link").error();
  EXPECT_TRUE(error == ELOOP || error == ENOTDIR) << error;
  Write(root_ / "file", "");
  EXPECT_EQ(OpenPrivateDirectory(root_ / "file").error(), ENOTDIR);
  fs::permissions(root_ / "outside", fs::perms(0777));
  EXPECT_EQ(OpenPrivateDirectory(root_ / "outside").error(), EPERM);
  fs::permissions(root_ / "outside", fs::perms(0755));
  EXPECT_TRUE(OpenPrivateDirectory(root_ / "outside").ok());
}

// The attacker swaps a regular file and a link to the outside, with RENAME_EXCHANGE, as fast as it
// can.
class SwapAttacker {
 public:
  SwapAttacker(std::string a, std::string b) : a_(std::move(a)), b_(std::move(b)) {
    thread_ = std::thread([this] {
      while (!stop_) {
        renameat2(AT_FDCWD, a_.c_str(), AT_FDCWD, b_.c_str(), RENAME_EXCHANGE);
        ++swaps_;
      }
    });
  }
  ~SwapAttacker() {
    stop_ = true;
    thread_.join();
  }
  long swaps() const { return swaps_; }

 private:
  std::string a_, b_;
  std::atomic<bool> stop_ = false;
  std::atomic<long> swaps_ = 0;
  std::thread thread_;
};

TEST_F(SafeFileTest, RaceOnALockFileIsLostByPlainOpenAndNeverByLockFile) {
  Write(Outside("victim"), "");
  Write(Shared("lock"), "");
  fs::create_symlink(Outside("victim"), Shared("swap"));
  struct stat victim;
  ASSERT_EQ(stat(Outside("victim").c_str(), &victim), 0);
  const auto is_victim = [&victim](int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_ino == victim.st_ino && st.st_dev == victim.st_dev;
  };
  SwapAttacker attacker(Shared("lock"), Shared("swap"));
  long plain_attempts = 0, plain_escapes = 0, attempts = 0, escapes = 0, acquired = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  // Until both halves have met the attacker's file and its link often enough to mean something.
  while ((plain_escapes < 50 || attempts < 5000 || acquired < 50) &&
         std::chrono::steady_clock::now() < deadline) {
    ++plain_attempts;
    const int plain = open(Shared("lock").c_str(), O_CREAT | O_RDWR, 0600);
    if (plain >= 0) {
      plain_escapes += is_victim(plain) ? 1 : 0;
      close(plain);
    }
    ++attempts;
    SysResult<LockFile> lock = LockFile::Acquire(dirfd(), "lock", LockWait::kTry);
    if (!lock.ok()) continue;
    ++acquired;
    escapes += is_victim(lock->fd()) ? 1 : 0;
  }
  std::printf(
      "lock race: %ld swaps; plain open: %ld of %ld escaped; LockFile: %ld of %ld (%ld acquired)\n",
      attacker.swaps(), plain_escapes, plain_attempts, escapes, attempts, acquired);
  EXPECT_GT(plain_escapes, 0) << "the control must lose the race";
  EXPECT_GT(acquired, 0) << "the helper must also work under attack";
  EXPECT_EQ(escapes, 0);
}

TEST_F(SafeFileTest, RaceOnAParentDirectoryNeverWritesOutside) {
  fs::create_directory(Shared("parent"));
  fs::create_directory_symlink(root_ / "outside", Shared("swap"));
  SwapAttacker attacker(Shared("parent"), Shared("swap"));
  long plain_escapes = 0, attempts = 0, escapes = 0, written = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while ((plain_escapes < 20 || attempts < 3000 || written < 20) &&
         std::chrono::steady_clock::now() < deadline) {
    const int plain = open(Shared("parent/plain").c_str(), O_CREAT | O_WRONLY | O_NOFOLLOW, 0600);
    if (plain >= 0) close(plain);
    plain_escapes += unlink(Outside("plain").c_str()) == 0 ? 1 : 0;
    ++attempts;
    written +=
        WriteFileAtomically(dirfd(), "parent/state", "x", 0600, Durability::kFast).ok() ? 1 : 0;
    escapes += fs::is_empty(root_ / "outside") ? 0 : 1;
  }
  std::printf(
      "parent race: %ld swaps; O_NOFOLLOW: %ld of %ld escaped; WriteFileAtomically: %ld of %ld "
      "(%ld written)\n",
      attacker.swaps(), plain_escapes, attempts, escapes, attempts, written);
  EXPECT_GT(plain_escapes, 0) << "the control must lose the race";
  EXPECT_GT(written, 0);
  EXPECT_EQ(escapes, 0);
}

}  // namespace
}  // namespace sessionctl
