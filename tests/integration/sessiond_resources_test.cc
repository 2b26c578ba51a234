// Disk, descriptors, processes or memory run out, or the state directory cannot be written: new
// work is refused by name, what runs goes on, and so does everything when there is room again.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/control_api_test.h"
#include "tests/integration/sessiond_fixture.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kUntilGo[] = "while ! [ -e go ]; do echo tick; sleep 0.05; done; exit 7";

class SessiondResources : public SessiondTest {
 protected:
  void TearDown() override {
    if (!mounted_.empty()) {
      Cli({"stop", "--all", "--timeout", "0"});
      Cli({"prune"});
      StopSessiond();
      for (const std::string& path : mounted_) umount2(path.c_str(), MNT_DETACH);
    }
    SessiondTest::TearDown();
  }
  // Mounts that go with the test process.
  bool EnterMountNamespace() {
    return unshare(CLONE_NEWNS) == 0 && mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }
  void MountSmallDisk(const char* options) {
    fs::create_directory(StateDirectory());
    ASSERT_EQ(mount("tmpfs", StateDirectory().c_str(), "tmpfs", 0, options), 0);
    mounted_.push_back(StateDirectory());
  }
  // Writes until nothing more can be written; afterwards not even one byte can.
  void FillDisk() {
    const OwnedFd file(open(Filler().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::string block(4096, 'x');
    while (write(file.get(), block.data(), block.size()) > 0) {
    }
    ASSERT_EQ(errno, ENOSPC);
  }
  std::string Filler() const { return StateDirectory() + "/filler"; }
  // One that was refused says why, on the command line and through the API.
  void ExpectNoStart(const std::string& why) {
    const CliResult refused = Cli({"spawn", "--", "true"});
    EXPECT_EQ(refused.exit_code, 125);
    EXPECT_NE(refused.err.find(why), std::string::npos) << refused.err;
  }
  void ExpectStart() {
    const CliResult spawned = Cli({"spawn", "--", "true"});
    EXPECT_EQ(spawned.exit_code, 0) << spawned.err;
  }
  void ExpectRefusal(const std::string& resource) {
    const ApiReply refused =
        Api("POST", "/v1/sessions", json({{"command", {"true"}}, {"count", 5}}));
    EXPECT_EQ(refused.status, 503) << refused.body;
    EXPECT_EQ(refused.Json().value("detail", "").find(resource + ": "), 0U) << refused.body;
    EXPECT_EQ(refused.Json().value("field", ""), "count");
  }
  // It ran all the time, and its end is told as ever.
  void ExpectEndsWell(const std::string& id) {
    EXPECT_EQ(StateOf(id), "running");
    std::ofstream(mount_ + "/go") << "";
    EXPECT_EQ(Cli({"wait", id}).out, "7\n");
    EXPECT_EQ(ReasonOf(id), "exited");
  }
  static int OpenOf(pid_t pid) {
    return static_cast<int>(std::distance(
        fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd"), fs::directory_iterator()));
  }

  // From /proc: reading another user's by prlimit(2) is a privilege.
  static rlimit ProcessLimit(pid_t pid) {
    for (const std::string& line :
         LinesOf(ReadWholeFile("/proc/" + std::to_string(pid) + "/limits"))) {
      if (line.rfind("Max processes", 0) != 0) continue;
      std::istringstream words(line.substr(26));
      rlimit limit = {};
      std::string soft, hard;
      words >> soft >> hard;
      limit.rlim_cur = soft == "unlimited" ? RLIM_INFINITY : std::stoul(soft);
      limit.rlim_max = hard == "unlimited" ? RLIM_INFINITY : std::stoul(hard);
      return limit;
    }
    return {};
  }

  std::vector<std::string> mounted_;
};

TEST_F(SessiondResources, FullDiskRefusesWhatIsNewAndLosesNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a small disk";
  ASSERT_TRUE(EnterMountNamespace());
  MountSmallDisk("size=2m,mode=0700");
  StartSessiond();
  const std::string id = SpawnShell(kUntilGo);
  const std::string stopped = SpawnShell("exec sleep 1000");
  const std::string ended = SpawnShell("while ! [ -e end ]; do sleep 0.05; done; exit 4");
  FillDisk();
  ExpectNoStart("No space left on device");
  EXPECT_EQ(Sessions().size(), 3U) << "of what did not start nothing is left";
  EXPECT_EQ(Cli({"exec", id, "sh", "-c", "exit 6"}).exit_code, 6);
  EXPECT_EQ(Cli({"stop", "-t", "0", stopped}).exit_code, 0);
  EXPECT_EQ(StateOf(stopped), "exited");
  std::ofstream(mount_ + "/end") << "";
  EXPECT_EQ(Cli({"wait", ended}).out, "4\n") << "room for the last record was kept";
  // The next supervisor needs no room either.
  KillSessiond();
  StartSessiond();
  EXPECT_EQ(StateOf(id), "running");
  EXPECT_EQ(At(Session(ended), "/exit/code"), 4);
  FillDisk();
  ExpectNoStart("No space left on device");
  fs::remove(Filler());
  ExpectStart();
  ExpectEndsWell(id);
}

TEST_F(SessiondResources, StateDirectoryThatMayNotBeWrittenRefusesWhatIsNew) {
  if (geteuid() == 0) UseOrdinaryUser();  // whom permissions hold
  StartSessiond();
  const std::string id = SpawnShell(kUntilGo);
  ASSERT_EQ(chmod(StateDirectory().c_str(), 0500), 0);
  ExpectNoStart("Permission denied");
  EXPECT_EQ(Cli({"exec", id, "sh", "-c", "exit 6"}).exit_code, 6);
  EXPECT_EQ(Sessions().size(), 1U);
  ASSERT_EQ(chmod(StateDirectory().c_str(), 0700), 0);
  ExpectStart();
  ExpectEndsWell(id);
}

// As after a fault of the disk: a supervisor that is started now says so, and nothing is lost.
TEST_F(SessiondResources, ReadOnlyStateDirectoryIsAnErrorAtTheStartAndLosesNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  ASSERT_TRUE(EnterMountNamespace());
  StartSessiond();
  const std::string id = SpawnShell(kUntilGo);
  KillSessiond();
  const std::string state = StateDirectory();
  const char* path = state.c_str();
  ASSERT_EQ(mount(path, path, nullptr, MS_BIND, nullptr), 0);
  mounted_.push_back(state);
  ASSERT_EQ(mount("", path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
  const CliResult refused = Cli({"serve"});
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_NE(refused.err.find("Read-only file system"), std::string::npos) << refused.err;
  const CliResult verb = Cli({"ps"});
  EXPECT_EQ(verb.exit_code, 125);
  EXPECT_NE(verb.err.find("Read-only file system"), std::string::npos) << verb.err;
  ASSERT_EQ(umount2(path, MNT_DETACH), 0);
  mounted_.clear();
  StartSessiond();
  ExpectStart();
  ExpectEndsWell(id);
}

TEST_F(SessiondResources, DescriptorsThatAreShortRefuseNewSessionsByName) {
  const pid_t sessiond = StartSessiond();
  const std::string id = SpawnShell(kUntilGo);
  rlimit whole = {};
  ASSERT_EQ(prlimit(sessiond, RLIMIT_NOFILE, nullptr, &whole), 0);
  const auto limit = [&](int more) {
    const rlimit low = {.rlim_cur = static_cast<rlim_t>(OpenOf(sessiond) + more),
                        .rlim_max = whole.rlim_max};
    ASSERT_EQ(prlimit(sessiond, RLIMIT_NOFILE, &low, nullptr), 0);
  };
  limit(20);
  ExpectRefusal("descriptors");
  // None at all: who comes now waits, and is answered when there are some again.
  limit(0);
  const pid_t waits = StartInto("waits", {"spawn", "--", "true"});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_TRUE(Alive(waits)) << Output("waits");
  ASSERT_EQ(prlimit(sessiond, RLIMIT_NOFILE, &whole, nullptr), 0);
  EXPECT_EQ(AwaitExit(waits), 0) << Output("waits");
  EXPECT_EQ(Sessiond(), sessiond);
  ExpectEndsWell(id);
}

TEST_F(SessiondResources, ProcessesThatAreShortRefuseNewSessionsByName) {
  if (geteuid() == 0) UseOrdinaryUser();  // whom the limit holds
  const pid_t sessiond = StartSessiond();
  const std::string id = SpawnShell(kUntilGo);
  const pid_t zygote = ZygoteOf();
  const rlim_t whole = ProcessLimit(sessiond).rlim_cur;
  const auto limit = [&](pid_t pid, rlim_t most) {
    const rlimit low = {.rlim_cur = most, .rlim_max = ProcessLimit(pid).rlim_max};
    EXPECT_EQ(InChildProcess([&] {
                BecomeUser();  // not every root has CAP_SYS_RESOURCE
                return prlimit(pid, RLIMIT_NPROC, &low, nullptr) == 0 ? 0 : 1;
              }),
              0);
  };
  limit(sessiond, 100);  // it lives with a few threads, a monitor, a broker …
  ExpectRefusal("pids");
  limit(sessiond, whole);
  // What admission cannot foresee: nobody can be forked at all.
  limit(zygote, 1);
  ExpectNoStart("fork: Resource temporarily unavailable");
  EXPECT_EQ(Sessions().size(), 1U);
  // Nor can a zygote be replaced; it is as soon as it can.
  limit(sessiond, 1);
  ASSERT_EQ(kill(zygote, SIGKILL), 0);
  ExpectRefusal("pids");
  EXPECT_EQ(ZygoteOf(), -1);
  limit(sessiond, whole);
  EXPECT_TRUE(Eventually([&] { return ZygoteOf() > 0; }));
  ExpectStart();
  ExpectEndsWell(id);
}

// The machine's own account of it, as containers see theirs: another file in its place.
TEST_F(SessiondResources, MemoryThatIsShortRefusesNewSessionsByName) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  ASSERT_TRUE(EnterMountNamespace());
  StartSessiond();
  const std::string id = SpawnShell(kUntilGo);
  std::ofstream(scratch_ + "/meminfo") << "MemTotal: 1000000 kB\nMemAvailable: 70000 kB\n";
  ASSERT_EQ(mount((scratch_ + "/meminfo").c_str(), "/proc/meminfo", nullptr, MS_BIND, nullptr), 0);
  mounted_.push_back("/proc/meminfo");
  ExpectRefusal("memory");
  ExpectStart();  // for one there is room
  ASSERT_EQ(umount2("/proc/meminfo", MNT_DETACH), 0);
  mounted_.clear();
  EXPECT_EQ(Cli({"spawn", "--count", "5", "--", "true"}).exit_code, 0);
  ExpectEndsWell(id);
}

}  // namespace
}  // namespace sessionctl
