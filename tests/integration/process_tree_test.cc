// A session's processes: how they are made, who waits for them, what ends with the session; and
// what its broker keeps of them.
#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/harness/broker_usage.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/integration/bare_and_inside.h"
#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

TEST(ChildrenTest, EveryWayToMakeThemIsThatOfABareRun) {
  ExpectSameBareAndInside({"spawned_children", "10"});
}

class ProcessTreeTest : public CliTest {
 protected:
  std::string InMount(const std::string& name) const { return mount_ + "/" + name; }
  bool Appears(const std::string& name) {
    return Eventually([&] { return access(InMount(name).c_str(), F_OK) == 0; });
  }
  pid_t PidIn(const std::string& name) const {
    return static_cast<pid_t>(std::stol(ReadWholeFile(InMount(name))));
  }
};

// Daemons of every kind: a session of their own, deaf to signals, stopped, forking without end, one
// that looks like a zombie.
TEST_F(ProcessTreeTest, EverythingEndsWithTheCommand) {
  harness::CopyProgram(harness::TestcasePath("leaderless"), InMount("daemon"));
  const CliResult result =
      Cli({"run", "--view", "host", "--mount", mount_, "--workdir", mount_, "--", "sh", "-c", R"sh(
    keep() { echo $1 > $2.new; mv $2.new $2; }
    setsid sh -c 'echo $$ > own.new; mv own.new own; exec sleep 1000' &
    sh -c 'trap "" HUP INT TERM; echo $$ > deaf.new; mv deaf.new deaf; while :; do sleep 1; done' &
    sh -c 'echo $$ > stopped.new; mv stopped.new stopped; kill -STOP $$' &
    (setsid sh -c '(echo $$ > orphan.new; mv orphan.new orphan; exec sleep 1000)' &)
    setsid sh -c 'echo $$ > forker.new; mv forker.new forker; while :; do sh -c : & wait; done' &
    ./daemon leaderless &
    for name in own deaf stopped orphan forker leaderless; do
      while ! [ -e $name ]; do sleep 0.01; done
    done
    exit 17)sh"});
  EXPECT_EQ(result.exit_code, 17) << result.err;
  // Already now: the end is told when all are gone.
  for (const char* name : {"own", "deaf", "stopped", "orphan", "forker", "leaderless"}) {
    EXPECT_FALSE(Alive(PidIn(name))) << name;
  }
}

TEST_F(ProcessTreeTest, OrphansAreReaped) {
  const pid_t session = Start(
      {"run", "--view", "host", "--mount", mount_, "--workdir", mount_, "--", "sh", "-c", R"sh(
    i=0; while [ $i -lt 50 ]; do (sh -c 'echo $$ >> orphans' &); i=$((i + 1)); done
    while [ $(wc -l < orphans) -lt 50 ]; do sleep 0.01; done
    : > made; while ! [ -e end ]; do sleep 0.01; done)sh"});
  ASSERT_TRUE(Appears("made"));
  std::istringstream orphans(ReadWholeFile(InMount("orphans")));
  int reaped = 0;
  for (pid_t pid; orphans >> pid;) {
    EXPECT_TRUE(Eventually([&] { return kill(pid, 0) != 0; })) << pid;
    ++reaped;
  }
  EXPECT_EQ(reaped, 50);
  harness::WriteFile(InMount("end"), "");
  EXPECT_EQ(AwaitExit(session), 0);
}

// Calls of all kinds, failing ones, killed callers, interrupted opens: twice the same load, and
// after the second the broker holds what it held after the first.
TEST_F(ProcessTreeTest, BrokerKeepsNothing) {
  for (const char* program :
       {"parallel_calls", "interrupted_open", "interrupted_calls", "spawned_children"}) {
    harness::CopyProgram(harness::TestcasePath(program), InMount(program));
  }
  const std::string load = R"sh(
    load() {
      mkdir work && cd work || exit 1
      ../parallel_calls threads 16 $1 && ../parallel_calls fifos 60 && ../interrupted_open 3 &&
      ../interrupted_calls kills 100 && ../parallel_calls exits 5 && ../parallel_calls forks 10 5 &&
      ../interrupted_calls alarms $1 interrupt && ../spawned_children 2 || exit 2
      i=0; while [ $i -lt 500 ]; do
        : > /etc/passwd; : > no/such; mkdir ../work; ln -s x ../work/. ; rm -d /usr; i=$((i + 1))
      done 2> /dev/null
      cd .. && rm -r work
    }
    load 20 && : > warm && while ! [ -e go ]; do sleep 0.05; done
    load 120 && : > done && while ! [ -e end ]; do sleep 0.05; done)sh";
  const std::string id = Spawn({"--view", "host", "--mount", mount_, "--workdir", mount_, "--scope",
                                "all", "--", "bash", "-c", load});
  ASSERT_TRUE(Eventually([&] { return Inspect(id, "state") == "\"running\""; }));
  const pid_t broker = harness::BrokerOf(static_cast<pid_t>(std::stol(Inspect(id, "process.pid"))));
  ASSERT_GT(broker, 0);
  const auto appears = [&](const char* name) {
    for (int i = 0; i < 5; ++i) {
      if (Appears(name)) return true;
    }
    return false;
  };
  ASSERT_TRUE(appears("warm")) << Cli({"logs", id}).out;
  const harness::BrokerUsage before = harness::UsageAtRest(broker);
  harness::WriteFile(InMount("go"), "");
  ASSERT_TRUE(appears("done")) << Cli({"logs", id}).out;
  const harness::BrokerUsage after = harness::UsageAtRest(broker);
  harness::WriteFile(InMount("end"), "");
  std::cout << "before: " << before << "\nafter:  " << after << "\n";
  EXPECT_EQ(Cli({"wait", id}).exit_code, 0) << Cli({"logs", id}).out;
  std::cout << "mediated calls: " << Inspect(id, "mediated_calls") << "\n";
  EXPECT_EQ(after.descriptors, before.descriptors);
  // Its main thread, two workers that receive, one that watches them, three asleep, and the watcher
  // of calls that may sleep.
  EXPECT_LE(after.threads, 8);
  EXPECT_LE(before.threads, 8);
  EXPECT_LT(after.memory_kb, before.memory_kb + 4096);
}

// Sixteen sessions over one mount, each with threads of its own.
TEST_F(ProcessTreeTest, SixteenSessionsShareAMount) {
  harness::CopyProgram(harness::TestcasePath("parallel_calls"), InMount("parallel_calls"));
  std::vector<pid_t> sessions;
  for (int i = 0; i < 16; ++i) {
    const std::string own = InMount("own" + std::to_string(i));
    harness::MakeDirectory(own);
    sessions.push_back(Start({"run", "--view", "host", "--mount", mount_, "--workdir", own,
                              "--scope", "all", "--", "../parallel_calls", "threads", "8", "5"}));
  }
  for (const pid_t session : sessions) EXPECT_EQ(AwaitExit(session), 0);
}

}  // namespace
}  // namespace sessionctl
