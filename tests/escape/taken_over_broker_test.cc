// What a broker can do that a hostile session has taken over: attack code runs in the broker's own
// process (tests/walls/taken_over.cc). Each attempt is made twice: in a broker without its fence
// and its Landlock domain, where it must succeed unless the machine refuses it anyway, and in one
// with all its walls, where it must come to exactly what stands here. What comes to "OK" there is
// the residual risk of docs/threat_model.md, and no attempt may be added to it unnoticed.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "tests/escape/attack.h"
#include "tests/escape/use_broker.h"
#include "tests/harness/broker_usage.h"
#include "tests/harness/user_and_view.h"

namespace escape {
namespace {

// With the broker's walls: the errno of Landlock or the kernel, or "SIGSYS NAME" where its filter
// ends it at system call NAME.
struct Attempt {
  const char* attack;  // NAME:ARGUMENT, with {mount}, {vault}, {root}, {victim}, {sibling}
  const char* walled;
  const char* bare = "OK";
};

constexpr Attempt kAttempts[] = {
    // Content and names outside the grants: Landlock.
    {"read:{vault}/target", "EACCES"},
    {"write:{vault}/target", "EACCES"},
    {"create:{vault}/created", "EACCES"},
    {"mkdir:{vault}/made", "EACCES"},
    {"symlink:{vault}/symbolic", "EACCES"},
    {"mkfifo:{vault}/fifo", "EACCES"},
    {"link:{vault}/target", "EACCES"},
    {"rename:{vault}/from", "EACCES"},
    {"unlink:{vault}/unlink-me", "EACCES"},
    {"truncate:{vault}/target", "EACCES"},
    {"rmdir:{vault}/remove-me", "EACCES"},
    {"read:/proc/{victim}/environ", "EACCES"},
    {"write:/proc/self/mem", "EACCES"},
    {"write:{root}/state.json", "EACCES"},
    {"write:{root}/audit.jsonl", "EACCES"},
    {"reopen-own:{root}/audit.jsonl", "EACCES"},
    {"mkdevice:{mount}/device", "SIGSYS mknodat", "EPERM"},
    // The audit may be lied to, not rewritten.
    {"truncate-own:{root}/audit.jsonl", "SIGSYS ftruncate"},
    {"drop-append:{root}/audit.jsonl", "SIGSYS fcntl"},
    // Other processes.
    {"read-memory:{victim}", "EPERM"},
    {"read-memory:{sibling}", "EPERM"},
    {"read-memory:parent", "EPERM"},
    {"take-descriptor:{victim}", "EPERM"},
    {"take-descriptor:{sibling}", "EPERM"},
    {"take-descriptor:parent", "EPERM"},
    {"write-memory:{victim}", "EPERM"},
    {"write-memory:{sibling}", "EPERM"},
    {"write-memory:parent", "EPERM"},
    {"trace:{victim}", "SIGSYS ptrace"},
    {"kill:{victim}", "SIGSYS kill"},
    {"tkill:{victim}", "SIGSYS tkill"},
    {"probe:{victim}", "EPERM"},
    {"probe:parent", "EPERM"},
    {"renice-group:2147483646", "SIGSYS setpriority", "ESRCH"},
    {"setns:{victim}", "SIGSYS setns", "EPERM"},
    {"stop:{sibling}", "EPERM"},
    {"stop:parent", "EPERM", ""},  // bare, it would stop the test
    {"end:{victim}", "EPERM"},
    // Executing, and memory to execute.
    {"execve", "SIGSYS execve"},
    {"memfd", "SIGSYS memfd_create"},
    {"fork", "SIGSYS clone"},
    {"map-executable", "SIGSYS mmap"},
    {"make-executable", "SIGSYS mprotect"},
    {"map-shared", "SIGSYS mmap"},
    // Out over sockets.
    {"unix-socket", "SIGSYS socket"},
    {"tcp-socket", "SIGSYS socket"},
    {"netlink-socket", "SIGSYS socket"},
    {"sendmsg", "SIGSYS sendmsg", "EBADF"},
    // The kernel's surface, and the broker's own confinement.
    {"mount", "SIGSYS mount", "EPERM"},
    {"chroot", "SIGSYS chroot", "EPERM"},
    {"unshare", "SIGSYS unshare"},
    {"setuid", "SIGSYS setuid"},
    {"io_uring", "SIGSYS io_uring_setup"},
    {"bpf", "SIGSYS bpf"},
    {"keyctl", "SIGSYS keyctl"},
    {"userfaultfd", "SIGSYS userfaultfd"},
    {"perf", "SIGSYS perf_event_open"},
    {"raise-limit", "EPERM"},
    {"dumpable", "SIGSYS prctl"},
    {"signal-handler", "SIGSYS rt_sigaction"},
    {"terminal-input", "SIGSYS ioctl"},
    // What remains. Landlock knows no metadata, and the broker changes it for its session: by
    // descriptor where the kernel has such a call, but a filter cannot tell whose descriptor.
    {"chmod:{vault}/target", "OK"},
    {"chown:{vault}/target", "OK"},
    {"utimens:{vault}/target", "OK"},
    {"setxattr:{vault}/target", "OK"},
    {"stat:{vault}/target", "OK"},
    {"open-path:{vault}/target", "OK"},
    {"read:/proc/{victim}/cmdline", "OK"},
    {"write-own:{root}/audit.jsonl", "OK"},
    {"write:{mount}/target", "OK"},
    // Whose task it is, the kernel asks by user alone, and a filter cannot.
    {"limit-other:{victim}", "OK"},
    {"renice:{victim}", "OK"},
    {"io-priority:{victim}", "OK"},
    {"set-affinity:{victim}", "OK"},
};

constexpr uid_t kAttackersUser = 1000;

// Root without capabilities may not look at processes that have them, be there walls or not: so an
// ordinary user.
std::optional<uid_t> AttackersUser() {
  if (harness::RunningAsRoot()) return kAttackersUser;
  return std::nullopt;
}

class TakenOverBroker : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string broker = harness::Built("sessionctl_taken_over");
    if (!harness::Exists(broker)) GTEST_SKIP() << "needs a build without sanitizers";
    for (const char* file : {"state.json", "audit.jsonl"}) {
      harness::WriteFile(scene_.Path(file), "record\n", 0600);
    }
    harness::MakeDirectory(scene_.Path("sibling"));
    if (user_) harness::GiveTree(scene_.Path(""), *user_, *user_);
    victim_ = std::make_unique<harness::Child>(
        harness::Command{.argv = {"/bin/sleep", "300"}, .directory = "/", .as_user = user_});
    StartSibling();
  }

  void StartSibling() {
    harness::SessionFlags flags;
    flags.mounts = {scene_.Path("sibling")};
    sibling_ = std::make_unique<harness::Child>(harness::Command{
        .argv = harness::SessionArgv(
            flags, {"/bin/sh", "-c", "echo $$ >new && mv new pid && exec sleep 300"}),
        .directory = scene_.Path("sibling"),
        .as_user = user_});
    const std::string file = scene_.Path("sibling/pid");
    while (!harness::Exists(file) && sibling_->Running()) usleep(1000);
    sibling_pid_ = harness::HostNumberOf(atoi(harness::ReadFile(file).c_str()), sibling_->pid());
    ASSERT_GT(sibling_pid_, 0);
  }

  std::string Argument(const Attempt& attempt) const {
    std::string text = scene_.Expand(attempt.attack);
    const std::pair<const char*, pid_t> processes[] = {{"{victim}", victim_->pid()},
                                                       {"{sibling}", sibling_pid_}};
    for (const auto& [mark, pid] : processes) {
      const size_t at = text.find(mark);
      if (at != std::string::npos) text.replace(at, strlen(mark), std::to_string(pid));
    }
    return text;
  }

  // "OK", an errno's name, or "SIGSYS NAME".
  std::vector<std::string> Try(const std::string& broker, const std::vector<Attempt>& attempts) {
    UseBroker use(broker);
    std::string steps;
    for (const Attempt& attempt : attempts) {
      steps += (steps.empty() ? "truncate attack:" : " , truncate attack:") + Argument(attempt);
    }
    harness::SessionFlags flags = scene_.Flags();
    flags.extra = {"--audit-file", scene_.Path("audit.jsonl")};
    if (broker == "taken_over_unfenced") flags.extra.insert(flags.extra.end(), {"--view", "host"});
    harness::Command command = scene_.StepsCommand(steps);
    const harness::Outcome outcome = harness::RunEither(flags, command);
    std::vector<std::string> results;
    for (const StepResult& result : AttackScene::Parse(outcome).results) {
      results.push_back(result.error);
    }
    const std::string mark = "its own filter stopped it at ";
    if (const size_t at = outcome.err.find(mark); at != std::string::npos) {
      const std::string rest = outcome.err.substr(at + mark.size());
      // What its caller may see of its end before it is ended itself.
      if (results.size() == attempts.size() && results.back() == "ENOSYS") results.pop_back();
      results.push_back("SIGSYS " + rest.substr(0, rest.find(',')));
    }
    EXPECT_EQ(results.size(), attempts.size()) << outcome.out << outcome.err;
    results.resize(attempts.size());
    return results;
  }

  const std::optional<uid_t> user_ = AttackersUser();
  AttackScene scene_{user_};
  std::unique_ptr<harness::Child> victim_;
  std::unique_ptr<harness::Child> sibling_;
  pid_t sibling_pid_ = 0;
};

std::vector<Attempt> Those(bool (*wanted)(const Attempt&)) {
  std::vector<Attempt> attempts;
  for (const Attempt& attempt : kAttempts) {
    if (wanted(attempt)) attempts.push_back(attempt);
  }
  return attempts;
}

bool EndsTheBroker(const Attempt& attempt) { return strncmp(attempt.walled, "SIGSYS", 6) == 0; }

// The control of them all, in the host's view: a private one would hide what it is to reach.
TEST_F(TakenOverBroker, WithoutItsWallsReachesWhatItsUserMay) {
  const std::vector<Attempt> attempts =
      Those([](const Attempt& attempt) { return *attempt.bare != '\0'; });
  const std::vector<std::string> results = Try("taken_over_unfenced", attempts);
  int reached = 0;
  int refused = 0;
  for (size_t i = 0; i < attempts.size(); ++i) {
    const bool by_machine =
        std::string(attempts[i].bare) == "OK" &&
        (results[i] == "EPERM" || results[i] == "EACCES" || results[i] == "ENOSYS");
    EXPECT_TRUE(by_machine || results[i] == attempts[i].bare)
        << attempts[i].attack << ": " << results[i];
    if (by_machine) printf("  %s: %s on this machine\n", attempts[i].attack, results[i].c_str());
    reached += results[i] == "OK" ? 1 : 0;
    refused += by_machine ? 1 : 0;
  }
  EXPECT_LE(refused, 6) << "the controls are refused as well: this proves nothing";
  printf("  %zu attempts without the broker's walls, %d succeed\n", attempts.size(), reached);
}

TEST_F(TakenOverBroker, ReachesNothingOutsideButWhatIsDocumented) {
  const std::vector<Attempt> attempts =
      Those([](const Attempt& attempt) { return !EndsTheBroker(attempt); });
  const std::vector<std::string> results = Try("taken_over", attempts);
  int residual = 0;
  for (size_t i = 0; i < attempts.size(); ++i) {
    // In a private view it finds less, and is told of it by other errors.
    const bool less = harness::InPrivateView() && results[i] != "OK";
    EXPECT_TRUE(less || results[i] == attempts[i].walled)
        << attempts[i].attack << ": " << results[i];
    residual += results[i] == "OK" ? 1 : 0;
  }
  printf("  %zu attempts within the filter, %d succeed\n", attempts.size(), residual);
  EXPECT_TRUE(victim_->Running());
  EXPECT_TRUE(sibling_->Running());
}

TEST_F(TakenOverBroker, EndsAtACallThatNoBrokerMakes) {
  const std::vector<Attempt> attempts = Those(EndsTheBroker);
  for (const Attempt& attempt : attempts) {
    EXPECT_EQ(Try("taken_over", {attempt})[0], attempt.walled) << attempt.attack;
  }
  printf("  %zu attempts end the broker\n", attempts.size());
  EXPECT_TRUE(victim_->Running());
}

// `sessionctl kill` and `run` signal whom the broker named as its command.
TEST_F(TakenOverBroker, CannotNameSomebodyElseAsItsCommand) {
  UseBroker use("taken_over");
  harness::MakeDirectory(scene_.Path("state"));
  if (user_) harness::GiveTree(scene_.Path("state"), *user_, *user_);
  chmod(scene_.Path("state").c_str(), 0700);
  setenv("SESSIONCTL_STATE_DIR", scene_.Path("state").c_str(), 1);
  const auto run = [&](std::vector<std::string> argv) {
    argv.insert(argv.begin(), harness::SessionctlPath());
    return harness::Run({.argv = argv, .directory = "/", .as_user = user_}).out;
  };
  const std::string attack = "attack:forge-command:" + std::to_string(victim_->pid());
  std::string id =
      run({"spawn", "--mount", scene_.mount(), "--rox", scene_.Path("tools"), "--", "/bin/sh", "-c",
           scene_.Tool("one_call") + " truncate " + attack + "; exec sleep 300"});
  ASSERT_NE(id.find('\n'), std::string::npos) << "spawn failed";
  id.resize(id.find('\n'));
  const std::string own = "\"pid\": " + std::to_string(victim_->pid());
  for (int i = 0; i < 500; ++i) {
    if (run({"logs", id}).find("\"errno\":\"OK\"") != std::string::npos) break;
    usleep(10000);
  }
  const std::string record = run({"inspect", id});
  EXPECT_NE(record.find("\"state\": \"running\""), std::string::npos) << record;
  EXPECT_EQ(record.find(own), std::string::npos) << record;
  run({"kill", id});
  EXPECT_TRUE(victim_->Running());
  run({"stop", id, "--timeout", "0"});
  unsetenv("SESSIONCTL_STATE_DIR");
}

TEST_F(TakenOverBroker, WritesNothingToItsCallersTerminal) {
  UseBroker use("taken_over");
  const harness::Outcome outcome =
      harness::RunEither(scene_.Flags(), scene_.StepsCommand("truncate attack:forge-failure"));
  EXPECT_NE(outcome.err.find("forged ?]0;title???"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find_first_of("\x1b\x07\x7f"), std::string::npos);
}

}  // namespace
}  // namespace escape
