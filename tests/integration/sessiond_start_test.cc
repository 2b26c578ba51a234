// Starts: a burst is admitted at a bounded rate, in order, and whatever happens to the process that
// forks sessions or to the supervisor meanwhile, each is started once and can be started again.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/integration/sessiond_fixture.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr char kMarkAndStay[] =
    "echo x >> mark.$(cat /proc/sys/kernel/random/uuid); exec sleep 1000";

class SessiondStart : public SessiondTest {
 protected:
  pid_t Burst(const std::string& file, int count) {
    return StartInto(file, ShellWords(kMarkAndStay, {"--count", std::to_string(count)}));
  }
  // Each session leaves one mark; two when it is started twice.
  size_t Marks() {
    size_t marks = 0;
    for (const auto& entry : fs::directory_iterator(mount_)) {
      marks += LinesOf(ReadWholeFile(entry.path())).size();
    }
    return marks;
  }
  // What the store says, without asking anybody.
  size_t StoredIn(const std::string& state) {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(StateDirectory())) {
      const json record = json::parse(ReadWholeFile(entry.path() / "state.json"), nullptr, false);
      count += record.is_object() && record.value("state", "") == state;
    }
    return count;
  }
  // What `spawn --json` has printed, without its warnings.
  std::vector<json> Told(const std::string& file) {
    std::vector<json> told;
    for (const std::string& line : LinesOf(Output(file))) {
      json value = json::parse(line, nullptr, false);
      if (value.is_object()) told.push_back(std::move(value));
    }
    return told;
  }
  void ExpectEachStartedOnce(const std::string& file, size_t count) {
    const std::vector<std::string> told = LinesOf(Output(file));
    EXPECT_EQ(static_cast<size_t>(std::count_if(
                  told.begin(), told.end(), [](const auto& line) { return line.size() == 12; })),
              count)
        << Output(file);
    EXPECT_EQ(Sessions("?state=running").size(), count);
    EXPECT_EQ(Sessions().size(), count);
    EXPECT_TRUE(Eventually([&] { return Marks() == count; })) << Marks();
  }
  int LostZygotes(const std::string& why) {
    int lost = 0;
    for (const std::string& line : LinesOf(Api("GET", "/v1/events").body)) {
      const json event = json::parse(line, nullptr, false);
      lost += event.value("type", "") == "zygote.lost" &&
              event.value("message", "").find(why) != std::string::npos;
    }
    return lost;
  }
};

TEST_F(SessiondStart, HungZygoteIsReplacedAndEachIsStartedOnce) {
  StartSessiond({"--start-patience", "2"});
  const Traces before = Look();
  const pid_t burst = Burst("burst", 60);
  int stopped = 0;
  for (int i = 0; i < 2; ++i) {
    std::this_thread::sleep_for(milliseconds(150));
    const pid_t zygote = ZygoteOf();
    if (zygote > 0 && kill(zygote, SIGSTOP) == 0) ++stopped;
    EXPECT_TRUE(Eventually([&] { return ZygoteOf() > 0 && ZygoteOf() != zygote; }));
  }
  EXPECT_EQ(AwaitExit(burst), 0) << Output("burst");
  EXPECT_EQ(stopped, 2);
  EXPECT_EQ(LostZygotes("no answer"), stopped);
  ExpectEachStartedOnce("burst", 60);
  EXPECT_EQ(Cli({"stop", "--all", "-t", "0"}).exit_code, 0);
  EXPECT_EQ(LinesOf(Cli({"prune"}).out).size(), 60U);
  ExpectTraces(before);
}

// A stopped zygote that nobody asks for anything is no harm; the next start finds out.
TEST_F(SessiondStart, ZygoteThatHungBeforeIsReplacedByTheNextStart) {
  StartSessiond({"--start-patience", "1"});
  ASSERT_EQ(kill(ZygoteOf(), SIGSTOP), 0);
  EXPECT_EQ(Cli({"spawn", "--", "true"}).exit_code, 0);
  EXPECT_EQ(LostZygotes("no answer"), 1);
}

// Whoever was held up himself may not judge others by the time.
TEST_F(SessiondStart, HeldUpSupervisorBlamesNoZygote) {
  const pid_t sessiond = StartSessiond({"--start-patience", "1"});
  const pid_t zygote = ZygoteOf();
  const pid_t burst = Burst("burst", 20);
  std::this_thread::sleep_for(milliseconds(100));
  ASSERT_EQ(kill(sessiond, SIGSTOP), 0);
  ASSERT_EQ(kill(zygote, SIGSTOP), 0);
  std::this_thread::sleep_for(milliseconds(2500));
  ASSERT_EQ(kill(sessiond, SIGCONT), 0);
  ASSERT_EQ(kill(zygote, SIGCONT), 0);
  EXPECT_EQ(AwaitExit(burst), 0) << Output("burst");
  EXPECT_EQ(ZygoteOf(), zygote);
  ExpectEachStartedOnce("burst", 20);
}

// Each start asks for one; that must not make up for the wait between those that die young.
TEST_F(SessiondStart, ZygotesThatDieYoungAreReplacedAtABoundedRate) {
  StartSessiond();
  const pid_t burst = Burst("burst", 20);
  const auto begun = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begun < milliseconds(2000)) {
    if (const pid_t zygote = ZygoteOf(); zygote > 0) kill(zygote, SIGKILL);
    std::this_thread::sleep_for(milliseconds(10));
  }
  const std::vector<std::string> events = EventTypes();
  const auto time =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun);
  const auto zygotes = std::count(events.begin(), events.end(), "zygote.started");
  EXPECT_GT(zygotes, 4);
  EXPECT_LE(zygotes, 4 + 1 + time.count() / 500);
  AwaitExit(burst);  // some have failed, and said so
  EXPECT_TRUE(Eventually([&] { return Sessions("?state=running").size() == Marks(); }));
}

// What a restart needs is there before the session is: no supervisor has to live for it.
TEST_F(SessiondStart, SessionOfASupervisorThatDiedAtItsStartCanBeRestarted) {
  const pid_t first = StartSessiond();
  const pid_t burst = Burst("burst", 12);
  ASSERT_TRUE(Eventually([&] { return StoredIn("starting") + StoredIn("running") > 0; }));
  ASSERT_EQ(kill(first, SIGSTOP), 0);  // it hears of no start that is in flight now
  EXPECT_TRUE(Eventually([&] { return StoredIn("running") > 0 && StoredIn("starting") == 0; }));
  ASSERT_EQ(kill(first, SIGKILL), 0);
  AwaitExit(burst);
  ASSERT_TRUE(Eventually([&] { return !Alive(first); }));
  StartSessiond();
  ASSERT_TRUE(Eventually([&] { return Sessions("?state=starting").empty(); }));
  const json sessions = Sessions();
  EXPECT_GT(sessions.size(), 0U);
  for (const json& session : sessions) {
    const ApiReply reply =
        Api("POST", "/v1/sessions/" + session.value("id", "") + "/restart", json::object());
    EXPECT_EQ(reply.status, 200) << reply.body;
  }
  EXPECT_EQ(Sessions("?state=running").size(), sessions.size());
  EXPECT_TRUE(Eventually([&] { return Marks() == 2 * sessions.size(); })) << Marks();
}

// CI's part of `bench/fleet.sh --burst 1000`.
TEST_F(SessiondStart, BurstIsStartedAtABoundedRateInOrderAndTellsHowFarItIs) {
  constexpr size_t kCount = 150;
  const size_t at_once = std::max(4U, 2 * std::thread::hardware_concurrency());
  StartSessiond();
  const pid_t burst = StartInto("burst", {"spawn", "--json", "--name", "b", "--count",
                                          std::to_string(kCount), "--", "sleep", "1000"});
  size_t most = 0;
  size_t told_early = 0;  // while others had not begun
  EXPECT_TRUE(Eventually([&] {
    most = std::max(most, StoredIn("starting"));
    const size_t told = Told("burst").size();
    if (told < kCount) told_early = std::max(told_early, told);
    return told == kCount;
  }));
  EXPECT_EQ(AwaitExit(burst), 0);
  EXPECT_GT(most, 0U);
  EXPECT_LE(most, at_once);
  EXPECT_GT(told_early, 0U);
  size_t next = 0;
  for (const json& line : Told("burst")) {
    EXPECT_EQ(line.value("name", ""), "b-" + std::to_string(++next));
  }
  EXPECT_EQ(Sessions("?state=running").size(), kCount);
}

TEST_F(SessiondStart, VerbsPrintWhatTheApiAnswers) {
  StartSessiond();
  const std::string id = SpawnShell("exit 3");
  const json waited = json::parse(Cli({"wait", "--json", id}).out, nullptr, false);
  EXPECT_EQ(waited, Session(id));
  const CliResult again = Cli({"restart", "--json", id});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  const json restarted = json::parse(again.out, nullptr, false);
  EXPECT_EQ(At(restarted, "/exit_code"), 0);
  const std::string next = restarted.value("id", "");
  const json stopped = json::parse(Cli({"stop", "--json", next}).out, nullptr, false);
  EXPECT_EQ(stopped, Session(next));
  EXPECT_EQ(json::parse(Cli({"prune", "--json"}).out, nullptr, false).size(), 2U);
}

}  // namespace
}  // namespace sessionctl
