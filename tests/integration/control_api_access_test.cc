// Who may ask the control API, and what may stand in the place of its socket.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/harness/child.h"
#include "tests/integration/control_api_test.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
constexpr uid_t kStranger = 23'456;

class ApiAccessTest : public ControlApiTest {};

bool BecomeStranger() { return setgid(kStranger) == 0 && setuid(kStranger) == 0; }

bool EnterFilter() {
  sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog program = {.len = 1, .filter = &allow};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Exit code: a tenth of the status, as it is below 256 then.
int TenthOfStatus(const std::string& path) { return StatusAt(path) / 10; }

TEST_F(ApiAccessTest, AnotherUserIsRefusedEvenWhereTheFileLetsIt) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const std::string path = SocketPath();
  ASSERT_EQ(InChildProcess([&] { return TenthOfStatus(path); }), 20);
  const auto as_stranger = [&] {
    return InChildProcess([&] { return BecomeStranger() ? TenthOfStatus(path) : 99; });
  };
  EXPECT_EQ(as_stranger(), 0) << "the directory is the user's own";
  ASSERT_EQ(chmod(StateDirectory().c_str(), 0755), 0);
  EXPECT_EQ(as_stranger(), 0) << "so is the socket";
  ASSERT_EQ(chmod(path.c_str(), 0666), 0);
  EXPECT_EQ(as_stranger(), 40);
  ASSERT_EQ(chmod(StateDirectory().c_str(), 0700), 0);
  ExpectOthersAreServed();
}

// A broker that was taken over can connect to any socket file of its user.
TEST_F(ApiAccessTest, WhoIsConfinedMoreThanTheSupervisorIsRefused) {
  const std::string path = SocketPath();
  EXPECT_EQ(InChildProcess([&] { return TenthOfStatus(path); }), 20);
  EXPECT_EQ(InChildProcess([&] { return EnterFilter() ? TenthOfStatus(path) : 99; }), 40);
}

// Not even one whose policy lets it connect there.
TEST_F(ApiAccessTest, SessionDoesNotCommandItsSupervisor) {
  const std::vector<std::string> leave = {"curl",
                                          "-s",
                                          "-o",
                                          "/dev/null",
                                          "-w",
                                          "%{http_code}",
                                          "--unix-socket",
                                          SocketPath(),
                                          "-X",
                                          "POST",
                                          "http://sessiond/v1/shutdown"};
  std::vector<std::string> inside = {"run", "--unix", SocketPath(), "--"};
  inside.insert(inside.end(), leave.begin(), leave.end());
  const CliResult session = Cli(inside);
  EXPECT_EQ(session.out, "403") << session.err;
  std::vector<std::string> bare = leave;
  bare.back() = "http://sessiond/v1/prune";
  EXPECT_EQ(harness::Run({.argv = bare}).out, "200");
  ExpectOthersAreServed();
}

// What is planted in the socket's place, by name.
class PlantedTest : public SessiondTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void Plant() {
    fs::create_directory(StateDirectory());
    fs::permissions(StateDirectory(), fs::perms(0700));
    std::ofstream(victim_ = scratch_ + "/victim") << "content";
    const std::string path = StateDirectory() + "/sessiond.sock";
    const std::string what = GetParam();
    if (what == "LinkToAFile") fs::create_symlink(victim_, path);
    if (what == "DanglingLink") fs::create_symlink(scratch_ + "/nothing", path);
    if (what == "File") std::ofstream(path) << "content";
    if (what == "Fifo") {
      ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    }
  }
  std::string victim_;
};

TEST_P(PlantedTest, IsReplacedByTheSupervisorAndFollowedByNobody) {
  Plant();
  const CliResult refused = Cli({"ps"});
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_NE(refused.err.find("no socket"), std::string::npos) << refused.err;
  StartSessiond();
  EXPECT_TRUE(fs::is_socket(fs::symlink_status(StateDirectory() + "/sessiond.sock")));
  EXPECT_EQ(ReadWholeFile(victim_), "content");
  EXPECT_FALSE(fs::exists(scratch_ + "/nothing"));
  EXPECT_EQ(Cli({"ps"}).exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(InTheSocketsPlace, PlantedTest,
                         ::testing::Values("LinkToAFile", "DanglingLink", "File", "Fifo"),
                         [](const auto& info) { return std::string(info.param); });

// A listener of the attacker's, which must hear nothing.
class Impostor {
 public:
  explicit Impostor(const std::string& path) : socket_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path.c_str());
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(socket_.get(), 10), 0);
  }
  // What the first client has sent; "nobody" when none came.
  std::string Heard() const {
    pollfd source = {.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (poll(&source, 1, 0) <= 0) return "nobody";
    const OwnedFd client(accept(socket_.get(), nullptr, nullptr));
    std::string text(65536, '\0');
    const ssize_t size = recv(client.get(), text.data(), text.size(), MSG_DONTWAIT);
    return size > 0 ? text.substr(0, static_cast<size_t>(size)) : "";
  }

 private:
  OwnedFd socket_;
};

TEST_F(ApiAccessTest, LinkInTheSocketsPlaceLeadsNoClientElsewhere) {
  const Impostor impostor(scratch_ + "/impostor");
  fs::rename(SocketPath(), SocketPath() + ".away");
  fs::create_symlink(scratch_ + "/impostor", SocketPath());
  const CliResult refused = Cli({"ps"});
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_EQ(impostor.Heard(), "nobody");
  fs::remove(SocketPath());
  fs::rename(SocketPath() + ".away", SocketPath());
  ExpectOthersAreServed();
}

TEST_F(ApiAccessTest, ListenerOfAnotherUserIsToldNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  fs::rename(SocketPath(), SocketPath() + ".away");
  // Who listens is who bound and called listen(2).
  ASSERT_EQ(seteuid(kStranger), 0);
  const std::string elsewhere =
      fs::temp_directory_path() / ("impostor." + std::to_string(getpid()));
  const Impostor impostor(elsewhere);
  ASSERT_EQ(seteuid(0), 0);
  fs::rename(elsewhere, SocketPath());
  const CliResult refused = Cli({"ps"});
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_NE(refused.err.find("another user"), std::string::npos) << refused.err;
  EXPECT_EQ(impostor.Heard(), "") << "connected, and told nothing";
  fs::rename(SocketPath() + ".away", SocketPath());
}

TEST_F(ApiAccessTest, DirectoryInTheSocketsPlaceIsAnErrorAtTheStart) {
  StopSessiond();
  fs::remove(SocketPath());
  fs::create_directory(SocketPath());
  const CliResult refused = Cli({"serve"});
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_NE(refused.err.find("sessiond.sock"), std::string::npos) << refused.err;
  fs::remove(SocketPath());
  sessiond_ = StartSessiond();
}

}  // namespace
}  // namespace sessionctl
