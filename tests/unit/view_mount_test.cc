// A private view that is in use gets a mount, and loses it: what of it a process sees that is in a
// Landlock domain from before, and that such a process cannot do it itself.
#include "sandbox/view_mount.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sandbox/base/fd_channel.h"
#include "sandbox/base/own_memory.h"
#include "sandbox/landlock.h"
#include "sandbox/landlock_uapi.h"
#include "sandbox/namespaces.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

constexpr char kReserved[] = "/mnt";
constexpr uid_t kNobodysId = 65534;

// What `act` gives back, from a child; -1: it did not end by itself.
int InChild(const std::function<int()>& act) {
  const pid_t child = fork();
  if (child == 0) _exit(act());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int ErrnoOf(int result) { return result < 0 ? errno : 0; }

// One process in a view of its own, behind a Landlock domain that was made before there was any
// mount below what is reserved. It does what it is told by number.
class Inhabitant {
 public:
  explicit Inhabitant(std::vector<std::function<int()>> acts) : acts_(std::move(acts)) {
    std::array<int, 2> ends;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      Live(ends[1]);
    }
    socket_.Reset(ends[0]);
    close(ends[1]);
    if (SysResult<OwnedFd> view = ReceiveDescriptor(socket_.get()); view.ok()) {
      view_ = std::move(*view);
    }
  }
  ~Inhabitant() {
    socket_.Reset();
    waitpid(pid_, nullptr, 0);
  }
  int view() const { return view_.get(); }
  int Do(size_t act) const {
    int answer = -1;
    if (write(socket_.get(), &act, sizeof(act)) < 0) return -1;
    return read(socket_.get(), &answer, sizeof(answer)) == sizeof(answer) ? answer : -1;
  }

 private:
  [[noreturn]] void Live(int socket) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const SysStatus entered =
        geteuid() == 0 ? EnterNamespaces(CLONE_NEWNS) : EnterNamespacesAsUser(CLONE_NEWNS);
    if (!entered.ok()) _exit(10);
    const OwnedFd view(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    ViewReaper reaper;
    const std::vector<ViewEntry> entries = {
        {.kind = ViewEntry::Kind::kReserved, .path = kReserved, .read_only = true}};
    if (!EnterPrivateView(entries, FindOwnMemory(), &reaper).ok()) _exit(11);
    absl::StatusOr<LandlockRuleset> domain =
        LandlockRuleset::Create(landlock::FsAccessOfAbi(7), 0, 0);
    const OwnedFd reserved(open(kReserved, O_PATH | O_CLOEXEC));
    if (!domain.ok() || !domain->Allow(reserved.get(), landlock::FsAccessOfAbi(7)).ok()) _exit(12);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!domain->RestrictSelf().ok()) _exit(13);
    if (!SendDescriptor(socket, view.get()).ok()) _exit(14);
    size_t act = 0;
    while (read(socket, &act, sizeof(act)) == sizeof(act)) {
      const int answer = acts_[act]();
      if (write(socket, &answer, sizeof(answer)) < 0) _exit(15);
    }
    _exit(0);
  }

  std::vector<std::function<int()>> acts_;
  pid_t pid_ = -1;
  OwnedFd socket_;
  OwnedFd view_;
};

int held = -1;  // the inhabitant's

enum Act : size_t { kCreate, kRead, kHold, kWriteHeld, kMakePlace, kMount, kMoveMount };

std::vector<std::function<int()>> Acts() {
  return {
      [] { return ErrnoOf(open("/mnt/data/made", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644)); },
      [] { return ErrnoOf(open("/mnt/data/file", O_RDONLY | O_CLOEXEC)); },
      [] { return ErrnoOf(held = open("/mnt/data/file", O_WRONLY | O_APPEND | O_CLOEXEC)); },
      [] { return ErrnoOf(static_cast<int>(write(held, "more\n", 5))); },
      [] { return ErrnoOf(mkdir("/mnt/own", 0755)); },
      [] { return ErrnoOf(mount("none", kReserved, "tmpfs", 0, nullptr)); },
      [] { return ErrnoOf(move_mount(AT_FDCWD, "/", AT_FDCWD, kReserved, 0)); },
  };
}

// The parameter: as an ordinary user, who needs a user namespace for it. The test itself runs in a
// child, so that it may become one.
class ViewMountTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root, to be root and an ordinary user";
    char name[] = "/tmp/view_mount_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    scratch_ = name;
    fs::create_directory(scratch_ + "/shared");
    std::ofstream(scratch_ + "/shared/file") << "text\n";
    fs::create_directory(scratch_ + "/shared/inner");
    if (!GetParam()) return;
    for (const char* each : {"", "/shared", "/shared/file", "/shared/inner"}) {
      ASSERT_EQ(chown((scratch_ + each).c_str(), kNobodysId, kNobodysId), 0);
    }
  }
  void TearDown() override {
    if (!scratch_.empty()) fs::remove_all(scratch_);
  }
  int Run(const std::function<int()>& test) const {
    return InChild([&] {
      if (GetParam() && (setgid(kNobodysId) != 0 || setuid(kNobodysId) != 0)) return 99;
      return test();
    });
  }
  ViewEntry Shared(bool read_only) const {
    return {.kind = ViewEntry::Kind::kTree,
            .path = "/mnt/data",
            .source = scratch_ + "/shared",
            .read_only = read_only,
            .executable = true};
  }

  // Mounts it by a process of its own, as a monitor does; the root, invalid after an error.
  static OwnedFd Add(const Inhabitant& inhabitant, const ViewEntry& entry) {
    std::array<int, 2> ends;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return {};
    InChild([&] {
      const absl::Status mounted = MountInView(inhabitant.view(), kReserved, entry, [&](int root) {
        (void)SendDescriptor(ends[1], root).ok();
      });
      if (!mounted.ok()) fprintf(stderr, "%s\n", std::string(mounted.message()).c_str());
      return mounted.ok() ? 0 : 1;
    });
    close(ends[1]);
    SysResult<OwnedFd> received = ReceiveDescriptor(ends[0]);
    close(ends[0]);
    return received.ok() ? std::move(*received) : OwnedFd();
  }
  static int Remove(const Inhabitant& inhabitant, const std::string& path, const OwnedFd& root) {
    return InChild([&] {
      const absl::Status removed = UnmountInView(inhabitant.view(), kReserved, path, root.get());
      if (!removed.ok()) fprintf(stderr, "%s\n", std::string(removed.message()).c_str());
      return removed.ok() ? 0 : 1;
    });
  }

  std::string scratch_;
};

INSTANTIATE_TEST_SUITE_P(Users, ViewMountTest, ::testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "OrdinaryUser" : "Root");
});

// In the child, where no assertion may be used: the number of the first check that fails.
#define CHECK_THAT(number, condition) \
  if (!(condition)) return (number)

TEST_P(ViewMountTest, RuleOfTheReservedDirectoryHoldsForWhatComesLater) {
  EXPECT_EQ(Run([this] {
              const Inhabitant inhabitant(Acts());
              CHECK_THAT(1, inhabitant.view() >= 0);
              CHECK_THAT(2, inhabitant.Do(kCreate) == ENOENT);
              const OwnedFd root = Add(inhabitant, Shared(/*read_only=*/false));
              CHECK_THAT(3, root.valid());
              CHECK_THAT(4, inhabitant.Do(kRead) == 0);
              CHECK_THAT(5, inhabitant.Do(kCreate) == 0);
              return 0;
            }),
            0);
  EXPECT_TRUE(fs::exists(scratch_ + "/shared/made"));
}

TEST_P(ViewMountTest, ReadOnlyIsTheKernels) {
  EXPECT_EQ(Run([this] {
              const Inhabitant inhabitant(Acts());
              const OwnedFd root = Add(inhabitant, Shared(/*read_only=*/true));
              CHECK_THAT(1, root.valid());
              CHECK_THAT(2, inhabitant.Do(kRead) == 0);
              CHECK_THAT(3, inhabitant.Do(kCreate) == EROFS);
              CHECK_THAT(4, inhabitant.Do(kHold) == EROFS);
              return 0;
            }),
            0);
}

TEST_P(ViewMountTest, RemovedMountIsGoneForNamesAndThereForDescriptors) {
  EXPECT_EQ(Run([this] {
              const Inhabitant inhabitant(Acts());
              const OwnedFd root = Add(inhabitant, Shared(/*read_only=*/false));
              CHECK_THAT(1, root.valid());
              CHECK_THAT(2, inhabitant.Do(kHold) == 0);
              CHECK_THAT(3, Remove(inhabitant, "/mnt/data", root) == 0);
              CHECK_THAT(4, inhabitant.Do(kRead) == ENOENT);
              CHECK_THAT(5, inhabitant.Do(kWriteHeld) == 0);
              CHECK_THAT(6, Add(inhabitant, Shared(/*read_only=*/true)).valid());
              CHECK_THAT(7, inhabitant.Do(kRead) == 0);
              return 0;
            }),
            0);
  std::ifstream file(scratch_ + "/shared/file");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "text\nmore\n");
}

TEST_P(ViewMountTest, MountInsideAMountNeedsItsPlaceThere) {
  EXPECT_EQ(Run([this] {
              const Inhabitant inhabitant(Acts());
              const OwnedFd root = Add(inhabitant, Shared(/*read_only=*/false));
              ViewEntry nested = Shared(/*read_only=*/true);
              nested.path = "/mnt/data/inner";
              CHECK_THAT(1, Add(inhabitant, nested).valid());
              nested.path = "/mnt/data/absent";
              CHECK_THAT(2, !Add(inhabitant, nested).valid());
              CHECK_THAT(3, !fs::exists(scratch_ + "/shared/absent"));
              // One whose place would lead out by a link of the session's.
              fs::create_directory_symlink("/mnt", scratch_ + "/shared/link");
              nested.path = "/mnt/data/link/other";
              CHECK_THAT(4, !Add(inhabitant, nested).valid());
              return 0;
            }),
            0);
}

TEST_P(ViewMountTest, WhoIsInTheDomainMountsNothing) {
  EXPECT_EQ(Run([] {
              const Inhabitant inhabitant(Acts());
              CHECK_THAT(1, inhabitant.Do(kMount) == EPERM);
              CHECK_THAT(2, inhabitant.Do(kMoveMount) == EPERM);
              CHECK_THAT(3, inhabitant.Do(kMakePlace) == EROFS);
              return 0;
            }),
            0);
}

TEST_P(ViewMountTest, LinkInPlaceOfTheSourceIsNotFollowed) {
  EXPECT_EQ(Run([this] {
              const Inhabitant inhabitant(Acts());
              ViewEntry entry = Shared(/*read_only=*/false);
              fs::rename(scratch_ + "/shared", scratch_ + "/moved");
              fs::create_directory_symlink("/etc", scratch_ + "/shared");
              CHECK_THAT(1, !Add(inhabitant, entry).valid());
              CHECK_THAT(2, inhabitant.Do(kRead) == ENOENT);
              return 0;
            }),
            0);
}

}  // namespace
}  // namespace sessionctl
