// Mounts that sessions get while they run, as their supervisor and their records know them.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/integration/sessiond_fixture.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class SessiondMounts : public SessiondTest {
 protected:
  void SetUp() override {
    SessiondTest::SetUp();
    StartSessiond();
    id_ = Spawn({"--reserve", "--mount", mount_, "--cmd", "sleep", "--", "1000"});
  }
  std::string MakeShared(const std::string& name) const {
    const std::string path = scratch_ + "/" + name;
    fs::create_directory(path);
    fs::permissions(path, fs::perms::all);
    std::ofstream(path + "/file") << name << "\n";
    return path;
  }
  CliResult Add(const std::string& name) {
    return Cli({"mount", "add", id_, MakeShared(name) + ":/mnt/" + name + ":ro"});
  }
  CliResult Remove(const std::string& name) { return Cli({"mount", "rm", id_, "/mnt/" + name}); }
  // How many were added, by the record.
  size_t Added() {
    const json record = json::parse(Cli({"inspect", id_}).out, nullptr, false);
    size_t added = 0;
    for (const json& mount : record.value("mounts", json::array())) {
      added += mount.value("added", false) ? 1 : 0;
    }
    return added;
  }
  std::vector<json> Lines(const std::string& text) {
    std::vector<json> lines;
    for (const std::string& line : LinesOf(text)) {
      lines.push_back(json::parse(line, nullptr, false));
    }
    return lines;
  }

  std::string id_;
};

TEST_F(SessiondMounts, OrdersAreInTheAuditAndAmongTheEvents) {
  ASSERT_EQ(Add("data").exit_code, 0);
  EXPECT_NE(Cli({"mount", "add", id_, "/:/mnt/x"}).exit_code, 0);
  ASSERT_EQ(Remove("data").exit_code, 0);
  EXPECT_NE(Remove("data").exit_code, 0);
  std::vector<std::string> orders;
  for (const json& line : Lines(Cli({"logs", "--audit", id_}).out)) {
    if (!line.contains("order")) continue;
    EXPECT_EQ(line.value("session", ""), id_);
    EXPECT_EQ(line.contains("denied_by"), line.value("result", "") == "refused") << line;
    orders.push_back(line.value("order", "") + " " + line.value("path", "") + " " +
                     line.value("host", "") + " " + line.value("mode", "") + " " +
                     line.value("result", ""));
  }
  const std::string host = scratch_ + "/data";
  EXPECT_EQ(orders, (std::vector<std::string>{
                        "mount add /mnt/data " + host + " ro ok", "mount add /mnt/x / rw refused",
                        "mount rm /mnt/data " + host + "  ok", "mount rm /mnt/data   refused"}));
  std::vector<std::string> events;
  for (const json& event : Lines(Api("GET", "/v1/events").body)) {
    const std::string type = event.value("type", "");
    if (!type.starts_with("session.mount_")) continue;
    EXPECT_EQ(event.value("session", ""), id_);
    events.push_back(type + ": " + event.value("message", ""));
  }
  EXPECT_EQ(events, (std::vector<std::string>{"session.mount_added: " + host + " at /mnt/data (ro)",
                                              "session.mount_removed: /mnt/data"}));
}

TEST_F(SessiondMounts, OnesOfASessionThatIsAdoptedAreListedAndRemoved) {
  ASSERT_EQ(Add("one").exit_code, 0);
  KillSessiond();
  const CliResult two = Add("two");  // asked of the next one
  ASSERT_EQ(two.exit_code, 0) << two.err;
  EXPECT_EQ(Added(), 2U);
  KillSessiond();
  EXPECT_EQ(Cli({"exec", id_, "cat", "/mnt/one/file", "/mnt/two/file"}).out, "one\ntwo\n");
  ASSERT_EQ(Remove("one").exit_code, 0);
  ASSERT_EQ(Remove("two").exit_code, 0);
  EXPECT_EQ(Added(), 0U);
  EXPECT_EQ(Cli({"exec", id_, "sh", "-c", "ls /mnt"}).out, "");
}

// Sessions that the zygote starts in a burst, each with mounts of its own.
TEST_F(SessiondMounts, SessionsOfOneStartHaveTheirOwn) {
  const CliResult started = Cli(
      {"spawn", "--reserve", "--mount", mount_, "--count", "3", "--cmd", "sleep", "--", "1000"});
  const std::vector<std::string> ids = LinesOf(started.out);
  ASSERT_EQ(ids.size(), 3U) << started.err;
  const std::string shared = MakeShared("shared");
  EXPECT_EQ(Cli({"mount", "add", ids[0], shared + ":/mnt/data"}).exit_code, 0);
  EXPECT_EQ(Cli({"mount", "add", ids[1], shared + ":/mnt/other:ro"}).exit_code, 0);
  EXPECT_EQ(Cli({"exec", ids[0], "ls", "/mnt"}).out, "data\n");
  EXPECT_EQ(Cli({"exec", ids[1], "ls", "/mnt"}).out, "other\n");
  EXPECT_EQ(Cli({"exec", ids[2], "ls", "/mnt"}).out, "");
  EXPECT_EQ(Cli({"stop", "--timeout", "0", ids[0]}).exit_code, 0);
  EXPECT_EQ(Cli({"exec", ids[1], "cat", "/mnt/other/file"}).out, "shared\n");
}

TEST_F(SessiondMounts, NumberAndRecordAreBounded) {
  constexpr size_t kMost = 64;
  const std::string record = StateDirectory() + "/" + id_ + "/state.json";
  const auto before = fs::file_size(record);
  for (size_t i = 0; i < kMost; ++i) ASSERT_EQ(Add("m" + std::to_string(i)).exit_code, 0) << i;
  const CliResult refused = Add("more");
  EXPECT_NE(refused.err.find("at most 64"), std::string::npos) << refused.err;
  EXPECT_EQ(Added(), kMost);
  const auto full = fs::file_size(record);
  EXPECT_EQ(Cli({"exec", id_, "cat", "/mnt/m63/file"}).out, "m63\n");
  for (int round = 0; round < 5; ++round) {
    ASSERT_EQ(Remove("m7").exit_code, 0);
    fs::remove_all(scratch_ + "/m7");
    ASSERT_EQ(Add("m7").exit_code, 0);
  }
  EXPECT_EQ(fs::file_size(record), full) << "only those that are there are kept";
  EXPECT_LT(full - before, kMost * (scratch_.size() + 200));
}

}  // namespace
}  // namespace sessionctl
