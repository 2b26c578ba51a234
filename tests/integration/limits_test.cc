// [limits]: what a session gets at each, how it ends, and what its record says.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "sandbox/cgroup.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

using nlohmann::json;

// Everything is run twice: as whoever runs the tests, with the cgroups that there are, and (when
// that is root) as an ordinary user without any.
class LimitsTest : public CliTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    harness::CopyProgram(harness::TestcasePath("resource_user"), mount_ + "/use");
    cgroup_ = ProbeCgroup();
    if (!GetParam()) return;
    if (geteuid() != 0) GTEST_SKIP() << "needs root to become an ordinary user";
    UseOrdinaryUser();
    set_["SESSIONCTL_CGROUP"] = "/nonexistent";
    cgroup_ = CgroupFeatures();
  }

  // A policy with one mount, whose further keys are `mount`, and [limits].
  std::string Policy(const std::string& limits, const std::string& mount = "") {
    const std::string path = scratch_ + "/policy.toml";
    std::ofstream(path) << "version = 1\n[[mount]]\nhost = \"" << mount_ << "\"\n"
                        << mount << "\n[limits]\n"
                        << limits << "\n";
    return path;
  }
  // `run` under a policy. The shell's own ceilings keep a broken limit from taking the machine.
  CliResult Run(const std::string& policy, const std::string& script) {
    return Cli({"run", "--policy", policy, "--workdir", mount_, "--status-fd", "9", "--", "sh",
                "-c", "ulimit -v 4000000; " + script});
  }
  // The last event of --status-fd.
  static json End(const CliResult& result) {
    const size_t line = result.status.rfind('\n', result.status.size() - 2);
    return json::parse(result.status.substr(line == std::string::npos ? 0 : line + 1));
  }
  void ExpectEnd(const CliResult& result, const std::string& limit, int exit_code) {
    EXPECT_EQ(End(result)["reason"], limit) << result.err << result.out;
    EXPECT_EQ(End(result)["exit_code"], exit_code);
    EXPECT_EQ(result.exit_code, exit_code);
    EXPECT_NE(result.err.find("ended at its limit: " + limit), std::string::npos) << result.err;
  }
  CgroupFeatures cgroup_;

  std::string InMount(const std::string& name) const { return mount_ + "/" + name; }
  pid_t PidIn(const std::string& name) const {
    return static_cast<pid_t>(atoi(ReadWholeFile(InMount(name)).c_str()));
  }
  int64_t SizeOf(const std::string& name) const {
    struct stat info;
    return stat(InMount(name).c_str(), &info) == 0 ? info.st_size : -1;
  }
};

TEST_P(LimitsTest, KernelsLimitsGiveTheirErrors) {
  const std::string policy =
      Policy("open_files = 20\nfile_size = \"64K\"\ncore = \"0\"\nstack = \"1M\"");
  const CliResult result = Run(policy,
                               "ulimit -c; ulimit -s; ./use descriptors; "
                               "./use file big 1000000; ./use raise");
  EXPECT_EQ(result.out, "0\n1024\n20 descriptors, then EMFILE\nwrite EFBIG\ndone\n") << result.err;
  EXPECT_EQ(SizeOf("big"), 65536);
}

TEST_P(LimitsTest, FlagsAreKeys) {
  const CliResult result = Cli({"run", "--mount", mount_, "--workdir", mount_, "--fds", "20",
                                "--fsize", "64K", "--", "sh", "-c", "ulimit -n; ulimit -f"});
  EXPECT_EQ(result.out, "20\n128\n") << result.err;
  for (const auto& wrong : std::vector<std::vector<std::string>>{{"-m", "512X"},
                                                                 {"-t", "10"},
                                                                 {"--cpu", "0"},
                                                                 {"--pids", "0"},
                                                                 {"--idle-timeout", "0s"}}) {
    const CliResult refused = Cli({"run", wrong[0], wrong[1], "--", "true"});
    EXPECT_EQ(refused.exit_code, 2) << wrong[0];
    EXPECT_NE(refused.err.find(wrong[1]), std::string::npos) << refused.err;
  }
}

TEST_P(LimitsTest, WallTimeTellsTheCommandThenEndsAll) {
  // It listens, and may say good-bye; the code is the limit's all the same.
  CliResult result = Run(Policy("wall_time = \"500ms\""),
                         "trap 'echo bye; exit 7' TERM; while :; do sleep 0.05; done");
  ExpectEnd(result, "wall_time", 124);
  EXPECT_EQ(result.out, "bye\n");
  // It does not, and has daemons.
  result = Run(Policy("wall_time = \"1s\"\ngrace = \"200ms\"\n[filesystem]\nview = \"host\""), R"sh(
    (setsid sh -c 'trap "" TERM; echo $$ > daemon; while :; do sleep 1; done' &)
    trap '' TERM; while :; do sleep 1; done)sh");
  ExpectEnd(result, "wall_time", 124);
  EXPECT_GT(PidIn("daemon"), 0);
  EXPECT_FALSE(Alive(PidIn("daemon")));
}

TEST_P(LimitsTest, GraceIsNoneOfTheOtherLimits) {
  const std::string policy =
      Policy("wall_time = \"200ms\"\ngrace = \"100s\"", "max_bytes = \"4M\"");
  ExpectEnd(Run(policy, "trap '' TERM; sleep 0.5; ./use file big 500000000"), "wall_time", 124);
  EXPECT_GT(SizeOf("big"), 4 << 20);
  EXPECT_LT(SizeOf("big"), 64 << 20);
}

TEST_P(LimitsTest, StoppedCommandIsStillLimited) {
  const std::string id =
      Spawn({"--policy", Policy("wall_time = \"1s\"\ngrace = \"200ms\""), "--", "sh", "-c",
             "(trap '' TERM; while :; do sleep 1; done) & kill -STOP $$"});
  EXPECT_EQ(Cli({"wait", id}).exit_code, 124);
  EXPECT_EQ(Inspect(id, "exit.reason"), "\"wall_time\"");
}

TEST_P(LimitsTest, RecordSaysWhatEndedItAndWhoHoldsWhat) {
  const std::string policy = Policy("wall_time = \"300ms\"\nopen_files = 50\npids = 40",
                                    "max_files = 7\nmax_bytes = \"1M\"");
  const std::string id = Spawn({"--policy", policy, "--", "sleep", "1000"});
  EXPECT_EQ(Cli({"wait", id}).out, "124\n");
  EXPECT_EQ(Inspect(id, "state"), "\"exited\"");
  EXPECT_EQ(Inspect(id, "exit.reason"), "\"wall_time\"");
  EXPECT_EQ(Inspect(id, "exit.code"), "124");
  EXPECT_EQ(Inspect(id, "limits.wall_time.limit"), "0.3");
  EXPECT_EQ(Inspect(id, "limits.wall_time.by"), "\"watcher\"");
  EXPECT_EQ(Inspect(id, "limits.open_files.by"), "\"rlimit\"");
  const std::string pids = Inspect(id, "limits.pids.by");
  EXPECT_EQ(pids, cgroup_.pids ? "\"cgroup\"" : "\"watcher\"");
  const json record = json::parse(Cli({"inspect", id}).out);
  EXPECT_EQ(record["mounts"][0]["max_files"], 7);
  EXPECT_EQ(record["mounts"][0]["max_bytes"], 1 << 20);
  EXPECT_NE(Cli({"ps"}).out.find("124 wall_time"), std::string::npos);
  const CliResult explained = Cli({"policy", "explain", policy});
  EXPECT_NE(explained.out.find("wall_time   300ms   watcher"), std::string::npos) << explained.out;
}

TEST_P(LimitsTest, IdleTimeEndsWhoWaitsAndNotWhoWorks) {
  ExpectEnd(Run(Policy("idle_time = \"1s\"\ngrace = \"200ms\""), "mkfifo nobody; cat nobody"),
            "idle_time", 124);
  // Longer, so that a machine that has no time for it does not make it idle.
  const std::string policy = Policy("idle_time = \"4s\"");
  const CliResult busy =
      Run(policy, "i=0; while [ $i -lt 50 ]; do : > file; sleep 0.1; i=$((i + 1)); done; exit 5");
  EXPECT_EQ(End(busy)["reason"], "exited") << busy.err;
  EXPECT_EQ(busy.exit_code, 5);
}

TEST_P(LimitsTest, CpuTimeIsThatOfAll) {
  ExpectEnd(Run(Policy("cpu_time = \"1s\"\ngrace = \"200ms\""), "./use processor 2; sleep 100"),
            "cpu_time", 124);
  const CliResult idle = Run(Policy("cpu_time = \"1s\""), "sleep 2; exit 5");
  EXPECT_EQ(idle.exit_code, 5) << idle.err;
}

TEST_P(LimitsTest, CpuIsAShare) {
  const CliResult result = Run(Policy("cpu = 0.25"), "./use share 3");
  if (!cgroup_.usable) {  // nothing else can hold it: refused, or named
    EXPECT_EQ(result.exit_code, 125);
    EXPECT_NE(result.err.find("limits.cpu"), std::string::npos) << result.err;
    return;
  }
  EXPECT_EQ(result.exit_code, 0) << result.err;
  // Less, where others compute; never more, but for the slices' edges.
  EXPECT_LT(atof(result.out.c_str()), 0.45) << result.out;
}

TEST_P(LimitsTest, MemoryIsThatOfAll) {
  const std::string policy = Policy("memory = \"64M\"");
  ExpectEnd(Run(policy, "./use memory 33554432 4; sleep 100"), "memory", 137);
  EXPECT_EQ(Run(policy, "./use memory 8388608 0").out, "done\n");
}

TEST_P(LimitsTest, OneProcessBeyondTheMemoryHasItsError) {
  if (cgroup_.memory) GTEST_SKIP() << "the kernel ends the session at once";
  const CliResult result = Run(Policy("memory = \"64M\""), "./use memory 100000000 0");
  EXPECT_EQ(result.out, "mmap ENOMEM\n") << result.err;
  EXPECT_EQ(result.exit_code, 3);
}

TEST_P(LimitsTest, PidsAreBounded) {
  const std::string policy = Policy("pids = 64");
  // At most 400 and 120 seconds each, whatever the limit does.
  const CliResult result = Run(policy, "./use processes 400; sleep 100");
  if (cgroup_.pids) {
    EXPECT_EQ(result.out, "fork EAGAIN\n");
  } else {
    ExpectEnd(result, "pids", 137);
  }
  const CliResult few = Run(policy, "./use processes 20");
  EXPECT_EQ(few.out, "done\n") << few.err;
}

TEST_P(LimitsTest, NotOneByteOfOutputMorePasses) {
  const std::string policy = Policy("output = \"100K\"");
  const CliResult result = Run(policy, "./use output");
  ExpectEnd(result, "output", 137);
  EXPECT_EQ(result.out.size(), 100U * 1024);
  const std::string id = Spawn({"--policy", policy, "--workdir", mount_, "--", "./use", "output"});
  EXPECT_EQ(Cli({"wait", id}).exit_code, 137);
  EXPECT_EQ(Inspect(id, "exit.reason"), "\"output\"");
  EXPECT_EQ(Cli({"logs", id}).out.size(), 100U * 1024);
}

TEST_P(LimitsTest, LessOutputPassesInOrderAndWhole) {
  const CliResult result = Run(Policy("output = \"100K\""),
                               "i=0; while [ $i -lt 300 ]; do echo line $i; "
                               "i=$((i + 1)); done; echo error >&2; exit 4");
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(result.err, "error\n");
  EXPECT_EQ(result.out.rfind("line 0\nline 1\n", 0), 0U);
  EXPECT_TRUE(result.out.ends_with("line 299\n"));
}

TEST_P(LimitsTest, ClosedOutputKeepsNobodyBusy) {
  const auto used = [] {
    rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  };
  const std::string policy = Policy("output = \"100K\"");
  const double before = used();
  EXPECT_EQ(Run(policy, "exit 3").exit_code, 3);
  const double starting = used() - before;
  const CliResult result = Run(policy, "exec 2>&-; sleep 3; exit 4");
  EXPECT_EQ(result.exit_code, 4);
  // Whoever waits in a loop uses as much as it is let.
  EXPECT_LT(used() - before - 2 * starting, 1.0);
}

TEST_P(LimitsTest, NamesInAMountAreCountedExactly) {
  const CliResult result = Run(Policy("", "max_files = 6"), R"sh(
    : > a; mkdir d; ln -s x l; ln a h; mkfifo p; : > b
    try() { "$@" 2>/dev/null && echo "made by $1" ; }
    try mkdir e; try ln -s x m; try ln a i; try mkfifo q; try sh -c ': > c'
    : >> a && mv b d/b && echo changed
    rm d/b; try mkdir e; try mkdir f
    rmdir e; rm h; mkdir g f; try mkdir i
    rmdir g; try ./use socket s; try ./use socket t)sh");
  EXPECT_EQ(result.out, "changed\nmade by mkdir\nmade by ./use\nbind EDQUOT\n") << result.err;
  EXPECT_EQ(access(InMount("f").c_str(), F_OK), 0);
}

TEST_P(LimitsTest, BytesInAMountEndWhoWritesWithoutEnd) {
  for (const char* script : {"./use file big 500000000", "./use unnamed big 500000000",
                             "(./use file big 500000000 > /dev/null &) ; sleep 100"}) {
    ExpectEnd(Run(Policy("", "max_bytes = \"4M\""), script), "max_bytes", 137);
    // 4 MiB, the allowance of 1 MiB, and what is written at 32 MB a second while others compute.
    EXPECT_LT(SizeOf("big"), 64 << 20) << script;
    unlink(InMount("big").c_str());
  }
}

TEST_P(LimitsTest, BytesInAMountRefuseTheNextOpen) {
  const std::string policy = Policy("", "max_bytes = \"4M\"");
  const CliResult result =
      Run(policy, "./use files 65536 200; rm file*; sleep 1.2; ./use files 65536 3");
  EXPECT_NE(result.out.find("then open EDQUOT\ndone\n"), std::string::npos)
      << result.out << result.err;
  EXPECT_EQ(End(result)["reason"], "exited");
  EXPECT_EQ(Run(policy, "./use allocate big 1000000000").out, "fallocate EOPNOTSUPP\n");
}

// The control of all the others: what they see refused or ended, done in a session without limits.
TEST_P(LimitsTest, WithoutThemAllOfItSucceeds) {
  const std::map<std::string, std::string> done = {
      {"timeout 2 ./use memory 33554432 4; echo $?", "124\n"},  // it lived until then
      {"./use memory 100000000 0", "done\n"},
      {"./use processes 100", "done\n"},
      {"timeout 2 ./use processor 2; echo $?", "124\n"},
      {"./use output | head -c 300000 | wc -c", "300000\n"},
      {"./use file big 8000000", "done\n"},
      {"./use unnamed big 8000000", "done\n"},
      {"./use files 65536 100", "done\n"},
      {"./use allocate big 8000000", "done\n"},
      {"mkdir a b c d e f g && ./use socket s && ls -d s", "s\n"},
  };
  for (const auto& [script, output] : done) {
    const CliResult result = Run(Policy(""), script);
    EXPECT_EQ(result.out, output) << script << ": " << result.err;
    EXPECT_EQ(End(result)["reason"], "exited") << script;
  }
}

TEST_P(LimitsTest, ShareWithoutACgroupIsAnError) {
  set_["SESSIONCTL_CGROUP"] = "/nonexistent";
  const CliResult result = Run(Policy("cpu = 0.5"), "true");
  EXPECT_EQ(result.exit_code, 125);
  EXPECT_NE(result.err.find("limits.cpu"), std::string::npos) << result.err;
  const CliResult best = Run(Policy("cpu = 0.5\n[kernel]\nbest_effort = true"), "echo ran");
  EXPECT_EQ(best.out, "ran\n");
  EXPECT_NE(best.err.find("limits.cpu"), std::string::npos) << best.err;
}

INSTANTIATE_TEST_SUITE_P(Users, LimitsTest, ::testing::Bool(), NameOfUser);

}  // namespace
}  // namespace sessionctl
